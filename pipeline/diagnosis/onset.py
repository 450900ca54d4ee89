"""When overfitting begins: the best epoch of a fit, and whether what follows confirms it.

`onset` judges one seed, `over_seeds` several. An onset is a record: its status says confirmed,
none or censored (the training ended too early to tell), and only a confirmed one has an epoch.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.diagnosis import tracks
from pipeline.diagnosis.estimates import Json
from pipeline.diagnosis.histories import Floats, History
from pipeline.diagnosis.tracks import Score, Track
from pipeline.params import Evaluate

Status = Literal["confirmed", "none", "censored"]
Reason = Literal[
    "worse ever since",
    "worse in the end",
    "not worse",
    "training worse too",
    "still falling",
    "too late",
]

WORSE_SHARE = 0.5
"""Share of the epochs after best + patience, counted from the end, that must all be clearly worse.

1 is the rule to the letter. It misses up to 40 % of rises to 1.5 times the minimum, since a slow
rise is not yet clear a few epochs after its beginning; with 0.5 none of them, and no more false
alarms (`benchmarks/detector.py`).
"""


@dataclass(frozen=True)
class Onset:
    """Where one seed's score was best, and whether it was worse ever after.

    Attributes:
        epoch: the onset, 1-based, where it is confirmed; else None.
        best_epoch: 1-based argmin of the causally smoothed score.
        last_epoch: the last epoch with a finite loss.
    """

    seed: int
    status: Status
    reason: Reason
    epoch: int | None
    best_epoch: int
    last_epoch: int

    def as_json(self) -> Json:
        """The fields by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Onsets:
    """The onset of one score over seeds.

    Attributes:
        status: confirmed where the Kaplan-Meier median exists (in at least half of the seeds the
            onset came); else censored where any seed was still falling or ended too early to tell;
            else none.
        median: Kaplan-Meier median epoch; seeds without an onset count as "later than their last
            epoch". None where fewer than half had one.
        low, high: its confidence interval; None at `high` means beyond the budget.
        first, last: range of the confirmed onsets; None where there is none.
    """

    status: Status
    median: float | None
    low: float | None
    high: float | None
    first: int | None
    last: int | None
    num_confirmed: int
    num_none: int
    num_censored: int
    seeds: tuple[Onset, ...]

    def as_json(self) -> Json:
        """The fields by name, `epoch` for the median, and the seeds one by one."""
        fields = {name: value for name, value in vars(self).items() if name != "seeds"}
        fields["epoch"] = fields.pop("median")
        return fields | {"seeds": [seed.as_json() for seed in self.seeds]}


def onset(history: History, score: Score, settings: Evaluate) -> Onset:
    """The onset of one score of one seed: its best epoch, confirmed by what follows.

    Confirmed where each epoch s later than best + patience is worse than the best one by more than
    max(floor, z * SE of the paired difference over the same validation images), while the loss on
    training images keeps falling. Where a slow rise is not clear at first, it is enough that the
    later `WORSE_SHARE` of these epochs are ("worse in the end").

    Two conditions guard against luck, since the best epoch of a restless flat curve is lower than
    the later ones by its choice: at least `patience` such epochs, and their mean above the lowest
    smoothed loss by more than the luck of the lowest of so many averages and z times the noise of
    one. Without per-image scores the noise between epochs stands in for the paired standard error.

    Args:
        score: "loss", "accuracy" or "calibration".
    """
    track = tracks.of(history, "val", score)
    fitted = tracks.of(history, history.fitted, "loss")
    best = track.best(settings.smoothing, _learned(history) if score == "calibration" else 0)
    reason = _reason(track, fitted, best, settings)
    status: Status = "none"
    if reason in ("worse ever since", "worse in the end"):
        status = "confirmed"
    elif reason in ("still falling", "too late"):
        status = "censored"
    start = history.first_epoch
    epoch = best + start if status == "confirmed" else None
    last = start + len(track.curve) - 1
    return Onset(history.seed, status, reason, epoch, best + start, last)


def _learned(history: History) -> int:
    """The first epoch (from 0) with half of the accuracy that is gained in all.

    Before it the calibration error says nothing: an untrained net is calibrated by ignorance.
    """
    accuracy = history.series("val", "accuracy")[: history.num_finite]
    if not np.isfinite(accuracy).all():
        return 0
    return int(np.argmax(accuracy >= (accuracy[0] + accuracy.max()) / 2))


def _reason(track: Track, fitted: Track, best: int, settings: Evaluate) -> Reason:
    rises = track.rises(best)
    num_later = len(track.curve) - (best + settings.patience + 1)
    if num_later < settings.patience:
        return _at_the_end(track, best, settings)
    start = _worse_from(rises, best, settings)
    length = len(track.curve) - start
    enough = max(settings.patience, WORSE_SHARE * num_later)
    smooth = Track(track.curve).trailing(settings.smoothing)
    unrest = np.hypot(smooth.luck, settings.z * smooth.noise)
    if length < enough or track.curve[start:].mean() - smooth.curve[best] <= unrest:
        return "not worse"
    if not _keeps_falling(fitted.curve, best, start):
        return "training worse too"
    return "worse ever since" if length == num_later else "worse in the end"


def _worse_from(rises: tracks.Rises, best: int, settings: Evaluate) -> int:
    """The first index after best + patience from which on every epoch is clearly worse."""
    paired = np.where(np.isfinite(rises.se_paired), rises.se_paired, rises.se_noise)
    not_worse = rises.value <= np.maximum(settings.floor, settings.z * paired)
    return max(best + settings.patience, int(np.flatnonzero(not_worse)[-1])) + 1


def _keeps_falling(fitted: Floats, best: int, start: int) -> bool:
    if not np.isfinite(fitted).all():
        return True
    return float(np.median(fitted[start:])) < float(fitted[best])


def _at_the_end(track: Track, best: int, settings: Evaluate) -> Reason:
    """Too few epochs after the best one: was it still falling, rising too late, or flat?"""
    rises = track.rises(best)
    if rises.value[-1] > max(settings.floor, rises.least_clear(settings.z)[-1]):
        return "too late"
    before = max(best - max(2 * settings.patience, len(track.curve) // 4), 0)
    unrest = settings.z * float(np.hypot(np.nan_to_num(rises.se_paired[before]), rises.se_noise))
    fell = rises.value[before] > max(settings.floor, unrest)
    return "still falling" if before == best or fell else "not worse"


def over_seeds(onsets: Sequence[Onset], confidence: float = 0.95) -> Onsets:
    """The onsets of several seeds as one, with those that showed none counted as censored.

    Raises:
        ValueError: no onsets at all.
    """
    if not onsets:
        raise ValueError("over_seeds: got no onsets; give at least one seed.")
    found = [one.epoch for one in onsets if one.epoch is not None]
    median, low, high = _kaplan_meier(onsets, confidence)
    counts = {status: sum(one.status == status for one in onsets) for status in _STATUSES}
    status: Status = "censored" if counts["censored"] else "none"
    return Onsets(
        status="confirmed" if median is not None else status,
        median=median,
        low=low,
        high=high,
        first=min(found, default=None),
        last=max(found, default=None),
        num_confirmed=counts["confirmed"],
        num_none=counts["none"],
        num_censored=counts["censored"],
        seeds=tuple(onsets),
    )


_STATUSES: tuple[Status, ...] = ("confirmed", "none", "censored")


def _kaplan_meier(
    onsets: Sequence[Onset], confidence: float
) -> tuple[float | None, float | None, float | None]:
    """Median and interval of the survival curve ("not yet overfitting"), None where not reached."""
    from scipy import stats

    epochs = [one.epoch for one in onsets if one.epoch is not None]
    if not epochs:
        return None, None, None
    ended = [one.last_epoch for one in onsets if one.epoch is None]
    curve = stats.ecdf(stats.CensoredData(uncensored=epochs, right=ended)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no interval where survival is 0 or 1
        interval = curve.confidence_interval(confidence, method="log-log")
    curves = (curve.probabilities, interval.low.probabilities, interval.high.probabilities)
    median, low, high = (_first_below_half(curve.quantiles, values) for values in curves)
    return median, low, high if len(onsets) > 1 else None


def _first_below_half(epochs: Floats, survival: Floats) -> float | None:
    reached = np.flatnonzero(survival <= 0.5 + 1e-9)
    return float(epochs[reached[0]]) if len(reached) else None
