"""Scores of single images from probabilities, and the calibration error of many.

One set of functions for every split, every epoch and every model, so that scores can be compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
NUM_BINS = 15
TINY = float(np.finfo(np.float32).tiny)
LARGEST_HALF = float(np.finfo(np.float16).max)
BLOCK = 2**21
"""Values taken at once, at most: of 1,000 classes all images together would need gigabytes."""


@dataclass(frozen=True)
class Predictions:
    """What a model, once for each seed, says of the images of one split.

    Attributes:
        probabilities: `(num_seeds, num_images, num_classes)`, as delivered: after the temperature.
        labels: `(num_images,)`, as trained: with injected noise where there is any.
        true_labels: the labels before noise, or None where they are the same.
        logits: before the temperature, or None where there is none.
        calibrated: loss of each image after the temperature (nats) `(num_seeds, num_images)`, where
            it is not that of `probabilities`: on the images that the temperature was fitted on.
        temperatures: what each seed's logits are divided by `(num_seeds,)`; None where unknown.
    """

    probabilities: NDArray[np.floating]
    labels: NDArray[np.integer]
    true_labels: NDArray[np.integer] | None = None
    logits: NDArray[np.floating] | None = None
    calibrated: NDArray[np.floating] | None = None
    temperatures: NDArray[np.floating] | None = None

    def take(self, images: NDArray[np.bool_]) -> "Predictions":
        """The same of the images chosen by a mask `(num_images,)`."""
        labels = {name: getattr(self, name) for name in ("labels", "true_labels")}
        scores = {name: getattr(self, name) for name in ("probabilities", "logits", "calibrated")}
        kept: dict[str, Any] = {
            **{name: None if one is None else one[images] for name, one in labels.items()},
            **{name: None if one is None else one[:, images] for name, one in scores.items()},
        }
        return replace(self, **kept)

    @property
    def num_seeds(self) -> int:
        """How many fits are in it."""
        return int(self.probabilities.shape[0])

    @property
    def num_images(self) -> int:
        """How many images each fit has seen."""
        return int(self.probabilities.shape[1])

    @property
    def num_classes(self) -> int:
        """How many classes can be predicted."""
        return int(self.probabilities.shape[2])

    @property
    def raw(self) -> NDArray[np.floating]:
        """Probabilities before the temperature, of the shape of `probabilities`."""
        return self.probabilities if self.logits is None else softmax(self.logits)

    @property
    def losses(self) -> Floats:
        """Raw loss of each image (nats) `(num_seeds, num_images)`."""
        if self.logits is None:
            return cross_entropy(self.probabilities, self.labels)
        return cross_entropy_of_logits(self.logits, self.labels)

    @property
    def calibrated_losses(self) -> Floats:
        """Loss of each image after the temperature (nats) `(num_seeds, num_images)`."""
        if self.calibrated is not None:
            return np.asarray(self.calibrated, dtype=np.float64)
        return cross_entropy(self.probabilities, self.labels)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """The most probable class `(num_seeds, num_images)`."""
        predicted: NDArray[np.intp] = self.probabilities.argmax(-1)
        return predicted

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the label `(num_seeds, num_images)`."""
        correct: NDArray[np.bool_] = self.predicted == self.labels
        return correct


def softmax(logits: ArrayLike) -> NDArray[np.floating]:
    """Probabilities over the last axis, in the precision of `logits`."""
    from scipy import special

    values = np.asarray(logits)
    probabilities: NDArray[np.floating] = np.empty(
        values.shape, np.result_type(values.dtype, np.float16)
    )
    for block in blocks(values.shape):
        probabilities[block] = special.softmax(values[block], axis=-1)
    return probabilities


def cross_entropy(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """-ln of the label's probability (nats) `(..., num_images)`.

    A probability that float32 rounds to zero counts as its smallest normal number (87.3 nats).
    """
    picked = _picked(np.asarray(probabilities), np.asarray(labels))
    return -np.log(np.maximum(picked.astype(np.float64), TINY))


def cross_entropy_of_logits(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Cross-entropy (nats) from logits, without rounding a probability to zero on the way."""
    from scipy import special

    values, truth = np.asarray(logits), np.asarray(labels)
    losses = np.empty(values.shape[:-1])
    for block in blocks(values.shape):
        exact = values[block].astype(np.float64)
        total = special.logsumexp(exact, axis=-1)
        losses[block] = total - _picked(exact, truth[block[-1:]])
    return losses


def brier(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Squared probability error summed over classes, 0..2, `(..., num_images)` (Brier 1950)."""
    values, truth = np.asarray(probabilities), np.asarray(labels)
    found = np.empty(values.shape[:-1])
    for block in blocks(values.shape):
        exact = values[block].astype(np.float64)
        squares = np.einsum("...k,...k->...", exact, exact)
        found[block] = squares - 2 * _picked(exact, truth[block[-1:]]) + 1
    return found


def ece(confidence: ArrayLike, correct: ArrayLike, num_bins: int = NUM_BINS) -> float:
    """Expected calibration error, 0..1: |accuracy - confidence| averaged over equal-mass bins.

    Bins follow quantiles of the confidence (Nguyen & O'Connor 2015), so equal confidences share a
    bin and the order of the images does not matter.
    """
    return float(calibration_errors(confidence, correct, num_bins).mean())


def calibration_errors(
    confidence: ArrayLike, correct: ArrayLike, num_bins: int = NUM_BINS
) -> Floats:
    """Each image's share in the calibration error `(num_images,)`; their mean is `ece`.

    A share is confidence - correct, with the sign of its bin's mean, which makes the calibration
    error a mean over images like any other: paired differences and standard errors follow.
    """
    sure = np.asarray(confidence, dtype=np.float64)
    errors = sure - np.asarray(correct, dtype=np.float64)
    bins = bin_of(sure, num_bins)
    sums = np.bincount(bins, errors, minlength=num_bins)
    signed: Floats = errors * np.where(sums < 0, -1.0, 1.0)[bins]
    return signed


def bin_of(confidence: ArrayLike, num_bins: int = NUM_BINS) -> NDArray[np.intp]:
    """The equal-mass bin, 0..num_bins-1, of each confidence."""
    values = np.asarray(confidence, dtype=np.float64)
    edges = np.quantile(values, np.linspace(0, 1, num_bins + 1)[1:-1])
    return np.searchsorted(edges, values, side="left")


def blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Indices of parts of an array `(..., num_images, num_classes)`, by images, that are small.

    What is computed image by image is the same in parts, in less memory.
    """
    if len(shape) < 2:
        yield (slice(None),) * (len(shape) - 1)
        return
    step = max(1, BLOCK * shape[-2] // max(1, int(np.prod(shape))))
    for start in range(0, shape[-2], step):
        yield (*(slice(None),) * (len(shape) - 2), slice(start, start + step))


def half(values: ArrayLike) -> NDArray[np.float16]:
    """Scores as they are kept, in half precision: what is larger becomes its largest number."""
    return np.clip(values, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)


def _picked(values: NDArray[np.floating], labels: NDArray[np.integer]) -> NDArray[np.floating]:
    index = np.broadcast_to(labels, values.shape[:-1])[..., None]
    return np.take_along_axis(values, index, axis=-1)[..., 0]


def areas(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """The areas under two curves of each class against the rest, `(num_seeds, num_classes)` each.

    Under the ROC curve, by ranks (Mann and Whitney 1947), and under that of precision over recall:
    the mean precision at the images of the class (average precision). NaN for a class that no
    image, or every image, belongs to. Classes are taken one by one, so that memory is one's.

    Args:
        probabilities: `(num_seeds, num_images, num_classes)`.
        labels: `(num_images,)`.
    """
    values, given = np.asarray(probabilities), np.asarray(labels)
    found = np.full((2, values.shape[0], values.shape[2]), np.nan)
    for number in np.unique(given):
        inside = given == number
        if not inside.all():
            found[:, :, number] = np.transpose([_under(one[:, number], inside) for one in values])
    return found[0], found[1]


def _under(chances: NDArray[np.floating], inside: NDArray[np.bool_]) -> tuple[float, float]:
    """The area under the ROC curve and the average precision of one class."""
    own = np.sort(chances[inside])
    low, high = (np.searchsorted(np.sort(chances), own, side) for side in ("left", "right"))
    ranks = (low + high + 1) / 2  # of equals, the mean
    num_in, num_out = len(own), len(chances) - len(own)
    roc = (ranks.sum() - num_in * (num_in + 1) / 2) / (num_in * num_out)
    hits = num_in - np.searchsorted(own, own, "left")
    return float(roc), float(np.mean(hits / (len(chances) - low)))


def rank_areas(values: ArrayLike, positive: ArrayLike) -> Floats:
    """The chance that a positive has the higher value than another, ties by half; NaN without both.

    Args:
        values: `(..., num_images, num_columns)`; columns are ranked apart.
        positive: bool `(num_images, num_columns)`.
    """
    from scipy import stats

    ranks, inside = stats.rankdata(values, axis=-2), np.asarray(positive)
    num_in, num_out = inside.sum(0), (~inside).sum(0)
    sums = (ranks * inside).sum(-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = (sums - num_in * (num_in + 1) / 2) / (num_in * num_out)
    return found
