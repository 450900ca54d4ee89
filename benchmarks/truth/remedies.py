"""Do classes of remedies hold with other seeds? `python -m benchmarks.truth remedies`.

A dense net on the shipped images, with clean and with wrong labels, is trained with sets (ten, or
`--sets`) of five fresh seeds, plain and with each remedy; every set is compared and classed by
itself, as `compare` does it, on the same validation images. Two sets contradict each other where
both name a class and not the same. Beside it what plain intervals over images would have said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.truth import images, making, scores, stopping, stored
from benchmarks.truth.images import Drawn
from benchmarks.truth.nets import Stack
from benchmarks.truth.settings import Setting
from overfit_atlas import remedies
from overfit_atlas.estimates import Estimate
from overfit_atlas.rules import Rules
from overfit_atlas.scoring import calibration
from overfit_atlas.scoring.fits import Floats, smoothed
from pipeline.files import replacing

TABLE = stored.HERE / "remedies.csv"
NUM_SETS, NUM_SEEDS = 10, 5
NOISES = (0.0, 0.2)
BASE = Setting(
    part="tune", number=1_000_000, kind="clean", dataset="fashion_mnist_mini", units=(128, 128),
    activation="relu", dropout=0.0, optimizer="adam", learning_rate=2e-3, momentum=0.0, l2=0.0,
    label_noise=0.0, num_train=800, num_val=400, epochs=30, pooling=2, num_truth=0,
)  # fmt: skip
TWICE = 2
CHANGES: dict[str, dict[str, Any]] = {
    "dropout 0.5": {"dropout": 0.5},
    "L2 0.001": {"l2": 1e-3},
    "a quarter of the width": {"units": (32, 32)},
    "a third of the learning rate": {"learning_rate": BASE.learning_rate / 3},
    "twice the data": {"num_train": TWICE * BASE.num_train},
}
SMOOTHING = "label smoothing 0.1"
STOPPING = "early stopping, patience 5"
TEMPERATURE = "one temperature"
MOMENTS = ("best", "last")
PLAIN = "plain"
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Fits:
    """Losses of all seeds' nets after every epoch, each (seeds, epochs, images)."""

    val: Array
    probe: Array
    val_calibrated: Array
    probe_calibrated: Array

    def best(self) -> NDArray[np.int64]:
        """Each seed's best epoch by calibrated loss, from 0."""
        curves = self.val_calibrated.mean(2, dtype=np.float64)
        return np.asarray(smoothed(curves, Rules().smoothing).argmin(1))

    def at(self, moment: str) -> tuple[Array, Array]:
        """Losses on val and probe at each seed's best or last epoch, each (seeds, images)."""
        seeds = np.arange(len(self.val))
        epochs = self.best() if moment == "best" else np.full(len(seeds), self.val.shape[1] - 1)
        return self.val[seeds, epochs], self.probe[seeds, epochs]

    def tempered(self) -> "Fits":
        """The same nets with one temperature: their loss is the calibrated loss."""
        return replace(self, val=self.val_calibrated, probe=self.probe_calibrated)

    def stopped(self, patience: int) -> "Fits":
        """As early stopping leaves them: from the epoch given back on nothing changes."""

        def held(losses: Array) -> Array:
            made = losses.copy()
            for seed, epoch in enumerate(given):
                made[seed, epoch:] = losses[seed, epoch]
            return made

        curves = self.val.mean(2, dtype=np.float64)
        given = [stopping.patient(curve, patience)[1] for curve in curves]
        return Fits(*(held(one) for one in vars(self).values()))


def make(
    table: Path = TABLE,
    noises: tuple[float, ...] = NOISES,
    num_sets: int = NUM_SETS,
    workers: int = 1,
) -> pd.DataFrame:
    """Train, class and write the table: one row a label noise, remedy, moment and seed set."""
    with making.pool(workers) as pool:
        parts = list(pool.map(partial(_of_noise, num_sets=num_sets), noises))
    found = pd.DataFrame([row for rows in parts for row in rows])
    with replacing(table) as temporary:
        found.to_csv(temporary, index=False, float_format="%.5g")
    return found


def _of_noise(noise: float, num_sets: int) -> list[dict[str, object]]:
    base = replace(BASE, label_noise=noise, kind="noisy" if noise else "clean")
    return [{"label_noise": noise} | row for row in classed(fitted(base, num_sets))]


def fitted(base: Setting, num_sets: int = NUM_SETS) -> dict[str, Fits]:
    """The fits of the baseline, which is first, and of each remedy."""
    with resources.as_file(resources.files("pipeline.data") / "shipped") as folder:
        shipped = images.read(base.dataset, folder / f"{base.dataset}.npz")
    drawn = images.draw(replace(base, num_train=TWICE * base.num_train), shipped)
    members = num_sets * NUM_SEEDS
    found = {"baseline": fit(base, drawn, members)}
    for name, changes in CHANGES.items():
        found[name] = fit(replace(base, **changes), drawn, members)
    found[SMOOTHING] = fit(base, drawn, members, 0.1)
    found[STOPPING] = found["baseline"].stopped(5)
    found[TEMPERATURE] = found["baseline"].tempered()
    return found


def fit(setting: Setting, drawn: Drawn, members: int, smoothing: float = 0.0) -> Fits:
    """Train all sets' seeds side by side on the first images of train; the probe is the first."""
    first = slice(setting.num_train)
    pixels, labels = drawn.train.pixels[first], drawn.train.labels[first]
    generators = [setting.generator(2, member) for member in range(members)]
    stack = Stack(setting, pixels.shape[1], drawn.num_classes, members, smoothing)
    stack.initialise(generators)
    shown = {"val": drawn.val.pixels, "probe": pixels[: setting.num_val]}
    truth = {"val": drawn.val.labels, "probe": labels[: setting.num_val]}
    logits: dict[str, list[Array]] = {"val": [], "probe": []}
    for _ in range(setting.epochs):
        order = np.stack([one.permutation(setting.num_train) for one in generators])
        stack.train_epoch(pixels, labels, order, setting.generator(1, len(logits["val"])))
        for name, of_side in shown.items():
            logits[name].append(stack.logits(of_side))
    return _scored(logits, truth)


def _scored(logits: Mapping[str, list[Array]], labels: Mapping[str, NDArray[np.int64]]) -> Fits:
    found: dict[str, list[Array]] = {name: [] for name in Fits.__dataclass_fields__}
    val, probe = (np.stack(logits[side], axis=1) for side in ("val", "probe"))
    for own_val, own_probe in zip(val, probe, strict=True):
        fitted = calibration.cross_fitted(own_val, labels["val"])
        tempered = calibration.calibrated_loss(own_probe, labels["probe"], fitted.temperature)
        for side, own in (("val", own_val), ("probe", own_probe)):
            found[side].append(np.stack([scores.of(one, labels[side]).loss for one in own]))
        found["val_calibrated"].append(fitted.loss)
        found["probe_calibrated"].append(tempered.astype(np.float32))
    return Fits(**{name: np.stack(of_seeds) for name, of_seeds in found.items()})


def classed(found: Mapping[str, Fits]) -> Iterator[dict[str, object]]:
    """The class of each remedy at each moment by each seed set, and that by plain intervals."""
    for moment in MOMENTS:
        at = {name: fits.at(moment) for name, fits in found.items()}
        best = found["baseline"].at("best")[0]
        for number in range(len(best) // NUM_SEEDS):
            own = slice(number * NUM_SEEDS, (number + 1) * NUM_SEEDS)
            margin = Rules().material("loss", float(best[own].mean()))
            base_val, base_probe = (one[own] for one in at["baseline"])
            changes = {
                name: (val[own] - base_val, probe[own] - base_probe)
                for name, (val, probe) in at.items()
                if name != "baseline"
            }
            held = remedies.effects({name: [val] for name, (val, _) in changes.items()}, 0.95)
            gaps = remedies.effects(
                {name: [val, -probe] for name, (val, probe) in changes.items()}, 0.95
            )
            for name, (val, probe) in changes.items():
                plain = plainly(val), plainly(val, -probe)
                yield {
                    "remedy": name,
                    "moment": moment,
                    "set": number,
                    "effect": held[name].value,
                    "low": held[name].low,
                    "high": held[name].high,
                    "class": remedies.kind(held[name], gaps[name], margin),
                    PLAIN: remedies.kind(*plain, 1e-12),
                }


def plainly(*parts: Floats | Array) -> Estimate:
    """The mean over seeds and images with a normal interval over images, 0 or not being all.

    An interval that holds 0 is taken for no effect at all.
    """
    value = float(sum(one.mean() for one in parts))
    error = float(np.sqrt(sum(one.mean(0).var(ddof=1) / one.shape[1] for one in parts)))
    low, high = value - 1.96 * error, value + 1.96 * error
    if low <= 0 <= high:
        low = high = 0.0
    return Estimate(value, low, high, len(parts[0]))


def contradicting(classes: "pd.Series[str]") -> float:
    """The share of pairs of seed sets that name different classes, neither of them `unclear`."""
    pairs = list(combinations(classes, 2))
    return sum(a != b and "unclear" not in (a, b) for a, b in pairs) / len(pairs)


def described(rows: pd.DataFrame) -> str:
    """The table in Markdown: for each remedy what the seed sets said, and all together."""
    head = ["wrong labels", "remedy", "at the best epoch", "at the last epoch"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for (noise, name), own in rows.groupby(["label_noise", "remedy"], sort=False):
        told = [_counted(own.loc[own["moment"] == moment, "class"]) for moment in MOMENTS]
        lines.append(f"| {noise:.0%} | {name} | {' | '.join(told)} |")
    groups = rows.groupby(["label_noise", "remedy", "moment"], sort=False)
    apart, plain = (groups[column].apply(contradicting).mean() for column in ("class", PLAIN))
    unclear, cases = (rows["class"] == "unclear").mean(), len(groups)
    sets = f"{rows['set'].nunique()} sets of {NUM_SEEDS} fresh seeds"
    return "\n".join(
        [
            f"Of the pairs among {sets}, over {cases} remedies and moments, **{apart:.1%}** "
            f"contradict each other, and **{unclear:.1%}** of the classes are `unclear`. By plain "
            f"intervals over images {plain:.1%} contradict each other.",
            "",
            *lines,
        ]
    )


def _counted(classes: "pd.Series[str]") -> str:
    counts = classes.value_counts()
    return ", ".join(f"{name} {count}" for name, count in counts.items())
