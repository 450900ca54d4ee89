"""The gap between training and validation images: at one epoch, and what was added since the best.

All take several seeds of one model. Positive means: generalises worse than it fits. The best epoch
is that of the loss. A fit without clean training scores is measured by Keras' running ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from pipeline.diagnosis import tracks
from pipeline.diagnosis.estimates import Estimate, over_seeds
from pipeline.diagnosis.histories import Floats, History
from pipeline.diagnosis.tracks import Score, Track
from pipeline.params import Evaluate

When = Literal["best", "last"]


@dataclass(frozen=True)
class Fit:
    """One seed as its gap sees it: one score on validation images and on training images.

    `of_loss` is the validation loss, which decides the best epoch whatever the score.
    """

    val: Track
    fitted: Track
    of_loss: Track
    settings: Evaluate

    @classmethod
    def of(cls, history: History, score: Score, settings: Evaluate) -> "Fit":
        """The tracks of `score` in `history`."""
        return cls(
            tracks.of(history, "val", score),
            tracks.of(history, history.fitted, score),
            tracks.of(history, "val", "loss"),
            settings,
        )

    @cached_property
    def best(self) -> int:
        """Index of the best epoch, from 0."""
        return self.of_loss.best(self.settings.smoothing)

    def index(self, when: When) -> int:
        """Index of the best or the last epoch."""
        return self.best if when == "best" else len(self.of_loss.curve) - 1

    @cached_property
    def curve(self) -> Floats:
        """The gap at each epoch `(num_epochs,)`."""
        return self.val.curve - self.fitted.curve

    def error(self, index: int) -> float | None:
        """Standard error of the gap over images, sqrt(s_probe^2 / n_probe + s_val^2 / n_val)."""
        parts = [track.images for track in (self.val, self.fitted)]
        errors = [
            tracks.standard_error(np.asarray(part[index], np.float64))
            for part in parts
            if part is not None
        ]
        return float(np.linalg.norm(errors)) if len(errors) == 2 else None


def gap(
    histories: Sequence[History], score: Score, when: When, settings: Evaluate
) -> Estimate | None:
    """loss_val - loss_probe, or accuracy_probe - accuracy_val, at the best or last epoch.

    None where nothing is known of the training images.
    """
    fits = [Fit.of(history, score, settings) for history in histories]
    values = [float(fit.curve[fit.index(when)]) for fit in fits]
    if not np.isfinite(values).all():
        return None
    errors = [fit.error(fit.index(when)) for fit in fits]
    unrest = 0.0
    if None in errors and len(fits) == 1:
        unrest = Track(fits[0].curve).noise
    return over_seeds(values, errors, settings.confidence, num_images(histories), unrest)


def excess_gap(histories: Sequence[History], score: Score, settings: Evaluate) -> Estimate | None:
    """gap(last epoch) - gap(best epoch): the damage done after the optimum.

    The interval is paired per image, adds the spread of seeds, and also covers that the best epoch
    itself is uncertain: the least and the most over all epochs whose loss, mean over seeds, is not
    clearly worse than the best are how far that doubt reaches. It is joined to the others as they
    are, by squares. Where any of those epochs shows no excess, the interval includes 0: else the
    luckiest epoch of a flat curve would look like an optimum.
    """
    fits = [Fit.of(history, score, settings) for history in histories]
    if not all(np.isfinite(fit.curve).all() for fit in fits):
        return None
    pairs = [(fit.val, fit.fitted) for fit in fits]
    return _since_best(fits, pairs, [Track(fit.curve) for fit in fits], num_images(histories))


def rise(histories: Sequence[History], score: Score, settings: Evaluate) -> Estimate:
    """How much worse validation is at the end than at the best epoch; interval as `excess_gap`.

    Both are averaged over the trailing window that chooses the best epoch, so that one restless
    last epoch does not decide.
    """
    fits = [Fit.of(history, score, settings) for history in histories]
    smooth = [fit.val.trailing(settings.smoothing) for fit in fits]
    pairs = [(track,) for track in smooth]
    return _since_best(fits, pairs, smooth, num_images(histories))


def _since_best(
    fits: Sequence[Fit],
    pairs: Sequence[tuple[Track, ...]],
    tracked: Sequence[Track],
    images: int | None,
) -> Estimate:
    since = [track.curve[-1] - track.curve for track in tracked]
    best = [fit.best for fit in fits]
    values = [float(one[epoch]) for one, epoch in zip(since, best, strict=True)]
    errors = [_paired_error(*one) for one in zip(pairs, best, strict=True)]
    moved = len(fits) == 1 and best[0] < len(since[0]) - 1
    unrest = float(np.sqrt(2) * tracked[0].noise) if moved else 0.0
    plain = over_seeds(values, errors, fits[0].settings.confidence, images, unrest)
    others = [float(np.mean([one[epoch] for one in since])) for epoch in _plausible(fits)]
    return _widened(plain, min(others), max(others))


def _widened(plain: Estimate, least: float, most: float) -> Estimate:
    """`plain` with the doubt about the best epoch, under which the value is `least` to `most`."""
    if plain.low is None or plain.high is None:
        return plain
    value, half = plain.value, plain.high - plain.value
    below, above = max(value - least, 0.0), max(most - value, 0.0)
    low, high = value - np.hypot(half, below), value + np.hypot(half, above)
    return replace(plain, low=float(low), high=float(high))


def _plausible(fits: Sequence[Fit]) -> list[int]:
    """Indices of the epochs whose loss, mean over seeds, is not clearly worse than the best one.

    Of a single seed no spread tells how restless it is, so that its curve must: twice.
    """
    settings = fits[0].settings
    common = tracks.mean([fit.of_loss for fit in fits]).trailing(settings.smoothing)
    rises = common.rises(common.best(1))
    clear = rises.least_clear(settings.z)
    if len(fits) == 1:
        clear = np.hypot(clear, settings.z * rises.se_noise)
    return [int(epoch) for epoch in np.flatnonzero(rises.value <= clear)]


def _paired_error(parts: Sequence[Track], best: int) -> float | None:
    if any(part.images is None for part in parts):
        return None
    errors = [part.rises(best).se_paired[-1] for part in parts]
    return float(np.sqrt(np.sum(np.square(errors))))


def running_gap(histories: Sequence[History], score: Score, settings: Evaluate) -> Estimate | None:
    """The gap a Keras history would have shown at the last epoch, to be held against the clean one.

    Keras subtracts a validation loss with the penalty in it from a running mean of the training
    loss with dropout, augmentation and penalty in it. None without running scores.
    """
    values = [_running(history, score) for history in histories]
    if not np.isfinite(values).all():
        return None
    return over_seeds(values, None, settings.confidence)


def _running(history: History, score: Score) -> float:
    last = history.num_finite - 1
    sign = 1.0 if score == "loss" else -1.0
    shown = history.series("val", score)[last] - history.series("running", score)[last]
    penalty = history.series("running", "penalty")[last] if score == "loss" else 0.0
    return float(sign * shown + np.nan_to_num(penalty))


def num_images(histories: Sequence[History]) -> int | None:
    """How many validation images the histories were scored on, or None where not known."""
    per_image = histories[0].per_image
    return None if per_image is None else int(per_image.val_loss.shape[1])
