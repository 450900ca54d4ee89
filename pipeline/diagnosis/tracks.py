"""One score of one split over the epochs of one fit, and differences between its epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnosis import scores
from pipeline.diagnosis.histories import Floats, History

Score = Literal["loss", "accuracy", "calibration"]
SCORES: tuple[Score, ...] = ("loss", "accuracy", "calibration")


@dataclass(frozen=True)
class Rises:
    """How much worse each epoch is than one of them `(num_epochs,)`, with standard errors.

    `se_paired` is over the same images, and NaN without per-image scores; `se_noise` comes from
    the unrest of the curve from epoch to epoch; `luck` is what the unrest may make the lowest epoch
    look better than it is.
    """

    value: Floats
    se_paired: Floats
    se_noise: float
    luck: float

    def least_clear(self, z: float) -> Floats:
        """The least rise `(num_epochs,)` that neither few images nor a lucky epoch explains."""
        return np.hypot(z * np.nan_to_num(self.se_paired), self.luck)


@dataclass(frozen=True)
class Track:
    """A curve `(num_epochs,)` of which lower is better, and the images behind it where known.

    `images` is `(num_epochs, num_images)`, and its mean over images is `curve`. Where both are
    averages over the last `window` epochs, `single` is the curve of the epochs themselves.
    """

    curve: Floats
    images: NDArray[np.floating] | NDArray[np.bool_] | None = None
    window: int = 1
    single: Floats | None = None

    @cached_property
    def noise(self) -> float:
        """Standard deviation of one epoch about the trend; 0 where too few epochs tell.

        The larger of two estimates. Second differences have six times the variance of white noise
        and no trend, and their median does not see the steep beginning; but noise that lasts for
        some epochs hides from them. It shows as residuals of the later half about a parabola.
        """
        return max(self._from_differences(), self._from_residuals())

    def _from_differences(self) -> float:
        # Averages differ too little from their neighbours: they share epochs.
        single = self.curve if self.single is None else self.single
        if len(single) < 5:
            return 0.0
        second = np.abs(np.diff(single, 2))
        return float(1.4826 * np.median(second) / np.sqrt(6 * self.window))

    def _from_residuals(self) -> float:
        later = self.curve[len(self.curve) // 2 :]
        if len(later) < 7 or not np.isfinite(later).all():
            return 0.0
        epochs = np.arange(len(later))
        residuals = later - np.polyval(np.polyfit(epochs, later, 2), epochs)
        return float(np.sqrt(np.square(residuals).sum() / (len(later) - 3)))

    @property
    def luck(self) -> float:
        """How far the lowest of so many restless epochs may lie below their level.

        The lowest of n normal numbers lies further below their mean once in 20 times (by Bonferroni
        at most); of 20 numbers it is expected 1.9 standard deviations below, and this is 2.8.
        """
        return NormalDist().inv_cdf(1 - 0.05 / max(len(self.curve), 2)) * self.noise

    def smoothed(self, window: int) -> Floats:
        """The mean over the last `window` epochs at each epoch: it never looks into the future."""
        totals = np.cumsum(np.concatenate([[0.0], self.curve]))
        ends = np.arange(1, len(self.curve) + 1)
        starts = np.maximum(ends - window, 0)
        smooth: Floats = (totals[ends] - totals[starts]) / (ends - starts)
        return smooth

    def trailing(self, window: int) -> "Track":
        """The same averaged over the last `window` epochs at each epoch."""
        images = self.images
        if images is not None:
            starts = np.maximum(np.arange(len(images)) + 1 - window, 0)
            rows = [images[start : end + 1] for end, start in enumerate(starts)]
            images = np.stack([row.mean(0, dtype=np.float32) for row in rows])
        return Track(self.smoothed(window), images, window, self.curve)

    def best(self, window: int, start: int = 0) -> int:
        """Index, from 0, of the lowest smoothed value not before `start`."""
        return start + int(np.argmin(self.smoothed(window)[start:]))

    def rises(self, index: int) -> Rises:
        """Every epoch minus epoch `index`."""
        paired = np.full(len(self.curve), np.nan)
        if self.images is not None:
            images = np.asarray(self.images, np.float32)
            paired = standard_errors(images - images[index])
        value = self.curve - self.curve[index]
        return Rises(value, paired, float(np.sqrt(2) * self.noise), self.luck)


def of(history: History, split: str, score: Score) -> Track:
    """The track of `score` on `split`, without the epochs after the first non-finite loss.

    Accuracy is turned into the error rate, so that lower is better for all three.
    """
    num_epochs = history.num_finite
    column = {"calibration": "ece"}.get(score, score)
    curve = history.series(split, column)[:num_epochs]
    curve = 1 - curve if score == "accuracy" else curve
    per_image = history.per_image
    if per_image is None or split == "running":
        return Track(curve)
    per_image = per_image.head(num_epochs)
    if score == "loss":
        return Track(curve, getattr(per_image, f"{split}_loss"))
    correct = getattr(per_image, f"{split}_correct")
    if score == "accuracy":
        return Track(curve, ~correct)
    pairs = zip(getattr(per_image, f"{split}_confidence"), correct, strict=True)
    return Track(curve, np.array([scores.calibration_errors(*pair) for pair in pairs]))


def mean(several: Sequence[Track]) -> Track:
    """The track of the mean over seeds, as long as the shortest; images where all saw as many."""
    num_epochs = min(len(track.curve) for track in several)
    curve = np.mean([track.curve[:num_epochs] for track in several], axis=0)
    images = [track.images[:num_epochs] for track in several if track.images is not None]
    if len(images) < len(several) or len({one.shape for one in images}) > 1:
        return Track(curve)
    return Track(curve, np.asarray(np.mean(images, axis=0, dtype=np.float32)))


def standard_error(values: NDArray[np.floating]) -> float:
    """The standard error of the mean of `values` `(num_images,)`; NaN for fewer than two."""
    return float(standard_errors(values))


def standard_errors(values: NDArray[np.floating]) -> Floats:
    """The standard error of the mean over the last axis of `values` `(..., num_images)`."""
    num_images = values.shape[-1]
    if num_images < 2:
        return np.full(values.shape[:-1], np.nan)
    spread: Floats = values.std(axis=-1, ddof=1, dtype=np.float64)
    errors: Floats = spread / np.sqrt(num_images)
    return errors
