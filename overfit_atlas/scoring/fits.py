"""What a finished training leaves behind to be judged: curves over epochs, and per-image scores.

Tables in, records out; reads no file. `Fit` is one seed of one model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from overfit_atlas.errors import AtlasError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
METRICS = (
    "loss", "calibrated_loss", "accuracy", "ece", "brier", "temperature", "true_accuracy",
)  # fmt: skip
COLUMNS = ("seed", "epoch", "split", *METRICS, "penalty", "learning_rate", "seconds")


class InvalidFit(AtlasError):
    """A training cannot be read as one: columns, lengths or values do not fit."""


@dataclass(frozen=True)
class PerImage:
    """Clean scores of each image after each epoch, epoch-major.

    Attributes:
        val_loss: cross-entropy in nats `(num_epochs, num_val)`; float16 is precise enough.
        val_correct: predicted class equals label.
        val_confidence: probability of the predicted class, 0..1.
        probe_loss, probe_correct, probe_confidence: the same on the probe.
        val_brier, probe_brier: squared probability error, 0..2, where it was kept.
        val_calibrated, probe_calibrated: loss after one temperature (`scoring.calibration`), for
            val cross-fitted, where it is known.
    """

    val_loss: NDArray[np.floating]
    val_correct: NDArray[np.bool_]
    val_confidence: NDArray[np.floating]
    probe_loss: NDArray[np.floating]
    probe_correct: NDArray[np.bool_]
    probe_confidence: NDArray[np.floating]
    val_brier: NDArray[np.floating] | None = None
    probe_brier: NDArray[np.floating] | None = None
    val_calibrated: NDArray[np.floating] | None = None
    probe_calibrated: NDArray[np.floating] | None = None

    def head(self, num_epochs: int) -> "PerImage":
        """The same without the epochs after the first `num_epochs`."""
        arrays = {
            name: array[:num_epochs] for name, array in vars(self).items() if array is not None
        }
        return replace(self, **arrays)

    def epoch(self, split: str, score: str, index: int) -> Floats:
        """One epoch's scores `(num_images,)`: `score` is loss, correct, ...

        `index` counts from 0.
        """
        return np.asarray(getattr(self, f"{split}_{score}")[index], dtype=np.float64)


@dataclass(frozen=True)
class Fit:
    """One fit: `curves` has one row an epoch and split (columns `COLUMNS`; missing is NaN).

    Splits are `running` (what Keras shows while it trains), `probe` and `val` (clean scores).
    `per_image` is None where only curves are known.
    """

    curves: "pd.DataFrame"
    per_image: PerImage | None = None
    seed: int = 0

    @cached_property
    def num_epochs(self) -> int:
        """How many epochs were recorded, failed ones included."""
        return int(self.curves["epoch"].nunique())

    @cached_property
    def epochs(self) -> NDArray[np.int64]:
        """The numbers of the epochs, rising `(num_epochs,)`."""
        return np.sort(self.curves["epoch"].unique()).astype(np.int64)

    @cached_property
    def first_epoch(self) -> int:
        """The number of the first epoch: 1, or later for a history that begins later."""
        return int(self.epochs[0])

    @cached_property
    def num_finite(self) -> int:
        """How many epochs passed before the validation or probe loss was not finite."""
        finite = np.isfinite(self.series("val", "loss"))
        if self.has_probe:
            finite &= np.isfinite(self.series("probe", "loss"))
        return int(np.argmin(finite)) if not finite.all() else len(finite)

    @property
    def failed(self) -> str | None:
        """Why the fit is not one to judge ("epoch 7: the loss is not finite"), or None."""
        if self.num_finite == self.num_epochs:
            return None
        return f"epoch {self.first_epoch + self.num_finite}: the loss is not finite"

    @cached_property
    def has_probe(self) -> bool:
        """Whether clean scores of training images are there, not only Keras' running ones."""
        rows = self.curves[self.curves["split"] == "probe"]
        return bool(len(rows)) and bool(np.isfinite(rows["loss"].to_numpy(dtype=float)).any())

    @property
    def fitted(self) -> str:
        """The split that says how well the training images are fitted: probe, else running."""
        return "probe" if self.has_probe else "running"

    def series(self, split: str, metric: str) -> Floats:
        """One curve `(num_epochs,)` in order of epochs; NaN where nothing was recorded."""
        curves = self._curves.get(split, {})
        return curves.get(metric, np.full(self.num_epochs, np.nan)).copy()

    @cached_property
    def _curves(self) -> dict[str, dict[str, Floats]]:
        epochs = self.epochs
        numbers = self.curves.select_dtypes("number").columns.difference(["seed", "epoch"])
        found: dict[str, dict[str, Floats]] = {}
        for split, rows in self.curves.groupby("split"):
            table = rows.set_index("epoch").reindex(epochs)
            found[str(split)] = {name: table[name].to_numpy(dtype=np.float64) for name in numbers}
        return found


def smoothed(curve: NDArray[np.floating], window: int) -> Floats:
    """The mean over the last `window` epochs at each epoch, over the last axis; causal."""
    totals = np.cumsum(curve, axis=-1, dtype=np.float64)
    before = np.zeros_like(totals)
    before[..., window:] = totals[..., :-window] if window < totals.shape[-1] else 0
    counts = np.minimum(np.arange(1, totals.shape[-1] + 1), window)
    means: Floats = (totals - before) / counts
    return means


def from_table(
    curves: "pd.DataFrame", per_image: Mapping[int, PerImage] | None = None
) -> list[Fit]:
    """One history a seed from a long table, such as `results/curves/MODEL.csv`.

    Raises:
        InvalidFit: a column is missing, or a seed has the same epoch and split twice.
    """
    missing = {"epoch", "split", "loss"} - set(curves.columns)
    if missing:
        raise InvalidFit(f"curves table: no column {sorted(missing)}; got {list(curves.columns)}.")
    if "seed" not in curves:
        curves = curves.assign(seed=0)
    if curves.duplicated(["seed", "epoch", "split"]).any():
        raise InvalidFit("curves table: a seed has the same epoch and split more than once.")
    if not (curves["split"] == "val").any():
        raise InvalidFit(f"curves table: no split 'val'; got {sorted(set(curves['split']))}.")
    given = per_image or {}
    found = [
        Fit(rows.reset_index(drop=True), given.get(_seed(seed)), _seed(seed))
        for seed, rows in curves.groupby("seed")
    ]
    for one in found:
        if one.per_image is not None and len(one.per_image.val_loss) != one.num_epochs:
            raise InvalidFit(
                f"seed {one.seed}: {one.num_epochs} epochs in the curves, but per-image scores of "
                f"{len(one.per_image.val_loss)}; give those of the same fit."
            )
    return found


def _seed(value: object) -> int:
    return int(str(value))


def from_keras(history: Mapping[str, Sequence[float] | ArrayLike], seed: int = 0) -> Fit:
    """The history of a Keras `History.history` or CSVLogger file: no clean training scores.

    `loss` and the like become split `running`, `val_loss` and the like split `val`. The first
    metric whose name has "acc" in it counts as accuracy.

    Raises:
        InvalidFit: there is no `val_loss`, or the columns differ in length.
    """
    columns = {str(name): np.asarray(values, dtype=float) for name, values in history.items()}
    if "val_loss" not in columns:
        raise InvalidFit(
            f"history: no 'val_loss' (got {', '.join(columns) or 'nothing'}). "
            "Train with validation_data or validation_split."
        )
    lengths = {name: column.shape for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or len(columns["val_loss"].shape) != 1:
        raise InvalidFit(f"history: columns of different lengths {lengths}.")
    if not len(columns["val_loss"]):
        raise InvalidFit("history: no epochs.")
    return Fit(pd.concat(_from_columns(columns, seed), ignore_index=True), None, seed)


def _from_columns(columns: Mapping[str, Floats], seed: int) -> Iterator["pd.DataFrame"]:
    epochs = np.arange(1, len(columns["val_loss"]) + 1)
    names = (name for name in columns if "acc" in name and not name.startswith("val_"))
    accuracy = next(names, "")
    for split, prefix in (("running", ""), ("val", "val_")):
        table = pd.DataFrame({"seed": seed, "epoch": epochs, "split": split})
        for name, source in (("loss", "loss"), ("accuracy", accuracy)):
            if accuracy or name == "loss":
                table[name] = columns.get(prefix + source, np.full(len(epochs), np.nan))
        if split == "running":
            rate = columns.get("learning_rate", columns.get("lr"))
            table["learning_rate"] = np.nan if rate is None else rate
        yield table


def from_metrics(metrics: "pd.DataFrame", seed: int = 0) -> Fit:
    """The history of a tracked run, from every value of its metrics (columns metric, step, value).

    Understands `val/loss`, `probe/loss`, ... and the names of Keras (`loss`, `val_loss`, ...). Of
    several values of one step the last counts.

    Raises:
        InvalidFit: no validation loss by epoch among the metrics.
    """
    table = metrics.drop_duplicates(["metric", "step"], keep="last")
    wide = table.pivot(index="step", columns="metric", values="value").sort_index()
    if "val/loss" not in wide:
        by_epoch = wide[wide["val_loss"].notna()] if "val_loss" in wide else wide.iloc[:0, :0]
        return from_keras({str(name): by_epoch[name].to_numpy() for name in by_epoch}, seed)
    rows = []
    epochs = wide.index[wide["val/loss"].notna()]
    for split in ("running", "probe", "val"):
        known = [name for name in METRICS + ("penalty",) if f"{split}/{name}" in wide]
        if known:
            columns = wide.loc[epochs, [f"{split}/{name}" for name in known]]
            part = columns.set_axis(known, axis=1).assign(split=split, seed=seed)
            rows.append(part.rename_axis("epoch").reset_index())
    return Fit(pd.concat(rows, ignore_index=True), None, seed)
