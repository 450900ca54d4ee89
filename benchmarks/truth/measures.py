"""What is measured of judgements, each with an interval: `of_judgements`, `of_stops`.

Shares and errors are of the natural mix of settings (weights of `settings`); intervals resample
settings, a setting's trainings together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from benchmarks.truth import stopping
from overfit_atlas import recalibration
from overfit_atlas.estimates import wilson
from overfit_atlas.held_out import SCORES
from overfit_atlas.judgement import likeliest
from overfit_atlas.rules import UNDETERMINED
from overfit_atlas.scoring.fits import Floats
from overfit_atlas.verdicts import RULINGS

NUM_RESAMPLES = 1000
BINS = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
LARGE_VAL = 400
SHARE, ERROR, NUMBER, BRIER = "{:.1%}", "{:.2%}", "{:.2f}", "{:.3f}"
ONSET = "loss/onset_low"
POINTS, NATS, WHOLE = "{:+.2%}", "{:+.3f}", "{:.0f}"
Mask = NDArray[np.bool_]
Statistic = Callable[[Floats], float]
"""A number, from how often each row was drawn `(num_rows,)`."""


class Measure(NamedTuple):
    """A name, which rows it is about, the number, and how that is written.

    A share has an interval also where it is 0 or 1 in all resamples (Wilson's).
    """

    name: str
    cases: Mask
    statistic: Statistic
    form: str = SHARE


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval, and from how many cases; NaN where there are none."""

    cases: int
    value: float
    low: float
    high: float
    form: str = SHARE


def all_of(
    rows: pd.DataFrame, measures: Callable[[pd.DataFrame], Iterator[Measure]]
) -> dict[str, Measured]:
    """Every measure of `rows`, by name."""
    rows = rows.reset_index(drop=True)
    times = _resampled(rows)
    found = {}
    for one in measures(rows):
        value = _value(one, np.ones(len(rows)))
        low, high = _ends(one, rows, value, times)
        found[one.name] = Measured(int(one.cases.sum()), value, low, high, one.form)
    return found


def values_of(
    rows: pd.DataFrame, measures: Callable[[pd.DataFrame], Iterator[Measure]]
) -> dict[str, float]:
    """Every measure of `rows`, by name, without intervals."""
    rows = rows.reset_index(drop=True)
    return {one.name: _value(one, np.ones(len(rows))) for one in measures(rows)}


def _ends(
    one: Measure, rows: pd.DataFrame, value: float, times: NDArray[np.float64]
) -> tuple[float, float]:
    if one.form == SHARE and value in (0, 1):
        weights = rows[one.cases].groupby(["part", "number"])["weight"].first()
        settings = float(weights.sum() ** 2 / np.square(weights).sum())
        low, high = wilson(value, settings, 0.95)
        return float(low), float(high)
    drawn = np.array([_value(one, often) for often in times])
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def _resampled(rows: pd.DataFrame) -> NDArray[np.float64]:
    """How often each row is drawn `(num_resamples, num_rows)`: all rows of a setting together."""
    place = rows.groupby(["part", "number"]).ngroup().to_numpy()
    size = int(place.max()) + 1
    generator = np.random.default_rng(0)
    times = generator.multinomial(size, np.full(size, 1 / size), NUM_RESAMPLES)
    return np.asarray(times[:, place], dtype=np.float64)


def _value(one: Measure, times: Floats) -> float:
    often = times * one.cases
    return one.statistic(often) if often.any() else float("nan")


def mean(rows: pd.DataFrame, values: Any) -> Statistic:
    """The weighted mean of numbers or truths, one a row."""
    weight, numbers = rows["weight"].to_numpy(float), np.asarray(values, dtype=np.float64)
    return lambda times: float((weight * times) @ numbers / (weight @ times))


def slope(outcome: Mask, said: Floats, weight: Floats) -> Statistic:
    """Slope of a logistic recalibration of probabilities `said`: 1 is right, below 1 too sure."""
    odds = special.logit(np.clip(said, 1e-3, 1 - 1e-3))
    both = np.stack([np.ones_like(odds), odds])

    def fitted(times: Floats) -> float:
        own, at = weight * times / (weight @ times), np.array([0.0, 1.0])
        for _ in range(30):
            found = special.expit(at @ both)
            slopes = both @ (own * (outcome - found))
            curvature = (both * (own * found * (1 - found))) @ both.T + 1e-9 * np.eye(2)
            step = np.clip(np.linalg.solve(curvature, slopes), -1, 1)
            at = at + step
            if np.abs(step).max() < 1e-6:
                break
        return float(at[1])

    return fitted


def calibration_error(outcome: Mask, said: Floats, weight: Floats) -> Statistic:
    """Mean distance of said and true probability over bins, less what chance explains (debiased).

    The square of each bin's distance is lessened by the variance of its share, not below 0.
    """
    place, size = np.clip(np.digitize(said, BINS, right=True) - 1, 0, None), len(BINS) - 1

    def error(times: Floats) -> float:
        def total(values: Any) -> Floats:
            return np.asarray(np.bincount(place, values * times, minlength=size), np.float64)

        amount = total(weight)
        full = amount > 0
        amount, squares = amount[full], total(weight**2)[full]
        true, told = (total(weight * one)[full] / amount for one in (outcome, said))
        chance = true * (1 - true) * squares / amount**2
        distance = np.sqrt(np.maximum((true - told) ** 2 - chance, 0))
        return float(amount @ distance / amount.sum())

    return error


def probability(rows: pd.DataFrame, score: str) -> Floats:
    """P(material) of each row."""
    return recalibration.material(score, rows[f"{score}/share"], rows["seeds"])


def verdict_table(rows: pd.DataFrame) -> pd.DataFrame:
    """For each row: verdict (likeliest), its probability, kind, kind_probability, right."""
    counts = rows[[f"ruled/{place}" for place in range(len(RULINGS))]].to_numpy(float)
    said = [likeliest(one) for one in counts.tolist()]
    found = pd.DataFrame(index=rows.index)
    found["verdict"] = [one.verdicts[0] for one in said]
    found["probability"] = [one.probability for one in said]
    found["kind"] = [one.kind for one in said]
    found["kind_probability"] = [one.kinds.get(one.kind, 0.0) for one in said]
    found["right"] = found["verdict"] == rows["true_verdict"]
    found["kind_right"] = found["kind"] == rows["true_kind"].fillna("")
    return found


def of_judgements(rows: pd.DataFrame) -> Iterator[Measure]:
    """All that is measured of judgements."""
    yield from of_claims(rows)
    yield from _of_intervals(rows)


def of_claims(rows: pd.DataFrame) -> Iterator[Measure]:
    """What is measured of verdicts, kinds and probabilities, without intervals."""
    for score in SCORES:
        yield from _of_damage(rows, score)
    yield from _of_verdicts(rows.join(verdict_table(rows)))


def _of_damage(rows: pd.DataFrame, score: str) -> Iterator[Measure]:
    name, everything = score.replace("_", " "), np.ones(len(rows), dtype=bool)
    true, material = rows[f"{score}/true"].to_numpy(), rows[f"{score}/material"].to_numpy()
    outcome, said, weight = true >= material, probability(rows, score), rows["weight"].to_numpy()
    large = (rows["num_val"] >= LARGE_VAL).to_numpy()
    base = mean(rows, outcome)
    yield Measure(f"P(material), {name}: slope of the recalibration", everything,
                  slope(outcome, said, weight), NUMBER)  # fmt: skip
    yield Measure(f"P(material), {name}: calibration error", everything,
                  calibration_error(outcome, said, weight), ERROR)  # fmt: skip
    yield Measure(f"P(material), {name}: Brier score", everything,
                  mean(rows, np.square(outcome - said)), BRIER)  # fmt: skip
    yield Measure(f"the same of the base rate, {name}", everything,
                  lambda times: base(times) * (1 - base(times)), BRIER)  # fmt: skip
    yield Measure(f"damage of {name} said, truth below half of material", true < material / 2,
                  mean(rows, said >= 0.5))  # fmt: skip
    yield Measure(f"clear damage of {name} missed, val of {LARGE_VAL} or more",
                  (true >= 2 * material) & large, mean(rows, said < 0.5))  # fmt: skip


def _of_verdicts(rows: pd.DataFrame) -> Iterator[Measure]:
    said = (rows["probability"] >= UNDETERMINED).to_numpy()
    right, kind = rows["right"].to_numpy(), rows["kind"].to_numpy() != ""
    kind_said = said & (rows["kind_probability"] >= UNDETERMINED).to_numpy() & kind
    large = (rows["num_val"] >= LARGE_VAL).to_numpy()
    yield Measure("verdict right, where one is said", said, mean(rows, right))
    yield Measure("kind right, where verdict is right and a kind is said", kind_said & right,
                  mean(rows, rows["kind_right"]))  # fmt: skip
    yield Measure(f"undetermined, val of {LARGE_VAL} or more", large, mean(rows, ~said))
    probability, weight = rows["probability"].to_numpy(), rows["weight"].to_numpy()
    everything = np.ones(len(rows), dtype=bool)
    yield Measure("P(verdict): slope of the recalibration", everything,
                  slope(right, probability, weight), NUMBER)  # fmt: skip
    yield Measure("P(verdict): calibration error", everything,
                  calibration_error(right, probability, weight), ERROR)  # fmt: skip


def _of_intervals(rows: pd.DataFrame) -> Iterator[Measure]:
    everything = np.ones(len(rows), dtype=bool)

    def covered(name: str, low: str, high: str) -> Statistic:
        return mean(rows, (rows[low] <= rows[name]) & (rows[name] <= rows[high]))

    now = rows[ONSET].notna().to_numpy()
    yield Measure("coverage of the 95 % interval: gap, loss", now,
                  covered("gap/loss/true", "gap/loss/low", "gap/loss/high"))  # fmt: skip
    names = {"val/accuracy": "val, accuracy"}
    names |= {score: f"damage of {score.replace('_', ' ')}" for score in SCORES}
    for name, told in names.items():
        yield Measure(f"coverage of the 95 % interval: {told}", everything,
                      covered(f"{name}/true", f"{name}/low", f"{name}/high"))  # fmt: skip
    ours = rows["delivered/calibrated_loss/accuracy"]
    for rule in ("loss", "accuracy", "last"):
        yield Measure(
            f"weights of the best epoch by calibrated loss less those by {rule}: accuracy",
            everything, mean(rows, ours - rows[f"delivered/{rule}/accuracy"]), POINTS,
        )  # fmt: skip
    yield Measure("coverage of the best epoch by loss", now,
                  covered("loss/true_best", ONSET, "loss/best_high"))  # fmt: skip
    material = (rows["loss/true"] >= rows["loss/material"]).to_numpy()
    yield Measure("coverage of the onset by loss, where damage is material", material & now,
                  covered("loss/true_onset", ONSET, "loss/best_high"))  # fmt: skip
    width = (rows["loss/best_high"] - rows[ONSET]).to_numpy()
    yield Measure("median width of its interval, epochs", now,
                  lambda times: float(np.median(np.repeat(width, times.astype(int)))),
                  WHOLE)  # fmt: skip


def of_stops(rows: pd.DataFrame) -> Iterator[Measure]:
    """What each rule of early stopping did, by `RULE: measure`; negative losses are won.

    Against the end of the budget (`last`), and against the best epoch of the true curve (`best`).
    """
    everything = np.ones(len(rows), dtype=bool)
    for rule, score in stopping.RULES.items():
        stopped, budget = rows[f"{rule}/stopped"].to_numpy(), rows["epochs"].to_numpy()
        damage, material = (rows[f"true/{one}/{score}"] for one in ("damage", "material"))
        spared, early = (damage < material).to_numpy(), stopped > 0
        saved = np.where(early, budget - stopped, 0) / budget
        yield Measure(f"{rule}: stopped", everything, mean(rows, early))
        yield Measure(f"{rule}: stopped wrongly", spared, mean(rows, early))
        yield Measure(f"{rule}: missed", ~spared, mean(rows, ~early))
        yield Measure(f"{rule}: epochs saved", everything, mean(rows, saved), ERROR)
        for one in SCORES:
            form = POINTS if one == "accuracy" else NATS
            for against in ("last", "best"):
                change = rows[f"{rule}/{one}"] - rows[f"true/{against}/{one}"]
                yield Measure(f"{rule}: {one} against {against}", everything,
                              mean(rows, change), form)  # fmt: skip
