"""One temperature for all images of a split, and what it mends: `cross_fitted`, `temperatures`.

Guo et al., On Calibration of Modern Neural Networks (2017): logits divided by one number T. It
changes no predicted class, so the loss it takes away is that of being too sure (or too unsure).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from overfit_atlas.scoring import scores

Floats = NDArray[np.float64]

NUM_FOLDS = 5
LOWEST, HIGHEST = 0.05, 20.0
PRIOR_IMAGES = 5.0
"""The prior is log-normal about T = 1: it adds ln(T)^2 / 2 nats, so many times as an image."""
STEPS = 12
LONGEST_STEP = 0.7  # in ln T
ENOUGH = 1e-3  # in ln T; the next step would be about its square
FOLD_SEED = 20


@dataclass(frozen=True)
class Calibrated:
    """What one temperature an epoch makes of the logits of val.

    Attributes:
        loss: calibrated loss of each image (nats) `(num_epochs, num_images)`; no image is judged
            by a temperature that was fitted on it.
        temperature: fitted on all images `(num_epochs,)`, for the delivered model and for other
            splits.
    """

    loss: NDArray[np.float32]
    temperature: Floats


def cross_fitted(
    logits: ArrayLike, labels: ArrayLike, start: float = 1.0, rows_per_image: int = 1
) -> Calibrated:
    """The calibrated loss of every image and epoch, and the temperature of every epoch.

    The images are dealt into `NUM_FOLDS` folds, the same at every epoch; the temperature of a fold
    comes from the others, by two steps of Newton's method from the temperature of all.

    Args:
        logits: `(num_epochs, num_images, num_classes)`; logarithms of probabilities do as well.
        labels: `(num_images,)`.
        start: a temperature that may be near, such as that of the epoch before: it saves steps.
        rows_per_image: rows one after another that are of one image, and stay in one fold.
    """
    shifted, of_all = _fitted(logits, labels, start)
    fold = np.repeat(folds(shifted.shape[1] // rows_per_image, NUM_FOLDS), rows_per_image)
    inside = np.eye(NUM_FOLDS, dtype=np.float64)[fold]
    loss = np.empty(shifted.shape[:2], dtype=np.float32)
    slopes, curvatures = _derivatives(shifted, of_all)
    first = _without(of_all, slopes @ inside, curvatures @ inside)
    for one in range(NUM_FOLDS):
        own, others = fold == one, fold != one
        moved = first[:, one]
        if others.any():
            parts = _derivatives(shifted, moved, np.flatnonzero(others))
            moved = _stepped(moved, *(part.sum(1) for part in parts))
        loss[:, own] = _losses(shifted[:, own], moved)
    return Calibrated(loss, np.exp(of_all))


def of_splits(
    logits: Mapping[str, NDArray[Any]],
    labels: Mapping[str, NDArray[Any]],
    start: float,
    rows_per_image: int = 1,
) -> tuple[dict[str, Floats], float]:
    """Calibrated losses of probe and val at one epoch, and the temperature, fitted on val.

    On val no image is judged by a temperature that saw it; the probe takes the one of all of val.
    All are NaN where a logit is not finite.

    Args:
        logits: of `probe` and `val` `(num_images, num_classes)`. labels: of both.
        start: a temperature that may be near, such as that of the epoch before.
        rows_per_image: see `cross_fitted`; losses are those of rows.
    """
    if not all(np.isfinite(values).all() for values in logits.values()):
        return {name: np.full(len(one), np.nan) for name, one in labels.items()}, float("nan")
    val = cross_fitted(logits["val"][None], labels["val"], start, rows_per_image)
    probe = calibrated_loss(logits["probe"][None], labels["probe"], val.temperature)
    losses = {"probe": probe[0], "val": np.asarray(val.loss[0], dtype=np.float64)}
    return losses, float(val.temperature[0])


def temperatures(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """The temperature of each epoch `(num_epochs,)`, fitted on all images; see `cross_fitted`."""
    return np.exp(_fitted(logits, labels, 1.0)[1])


def calibrated_loss(logits: ArrayLike, labels: ArrayLike, temperature: ArrayLike) -> Floats:
    """Loss of each image (nats) `(num_epochs, num_images)` with given temperatures `(num_epochs,)`.

    Args:
        logits: `(num_epochs, num_images, num_classes)`.
    """
    values, truth = np.asarray(logits), np.asarray(labels)
    divisors = np.asarray(temperature, dtype=np.float64)[:, None, None]
    losses = np.empty(values.shape[:-1])
    for block in scores.blocks(values.shape):
        divided = values[block].astype(np.float64) / divisors
        losses[block] = scores.cross_entropy_of_logits(divided, truth[block[-1]])
    return losses


def folds(num_images: int, num_folds: int) -> NDArray[np.int64]:
    """The fold, from 0, of each image: of equal sizes, dealt at random, always the same."""
    order = np.random.default_rng([FOLD_SEED, num_images]).permutation(num_images)
    dealt = np.empty(num_images, dtype=np.int64)
    dealt[order] = np.arange(num_images) % num_folds
    return dealt


def _picked(values: NDArray[np.float32], labels: NDArray[Any]) -> NDArray[np.float32]:
    index = np.broadcast_to(labels, values.shape[:-1])[..., None]
    return np.take_along_axis(values, index, axis=-1)[..., 0]


def _losses(shifted: NDArray[np.float32], log_temperature: Floats) -> NDArray[np.float32]:
    """Loss of each image, from logits minus that of its label."""
    losses = np.empty(shifted.shape[:2], np.float32)
    factor = np.exp(-log_temperature).astype(np.float32)[:, None, None]
    for block in scores.blocks(shifted.shape):
        divided = shifted[block] * factor
        highest = divided.max(-1)
        total = np.exp(divided - highest[..., None]).sum(-1)
        losses[block] = np.log(total) + highest
    return losses


def _fitted(
    logits: ArrayLike, labels: ArrayLike, start: float
) -> tuple[NDArray[np.float32], Floats]:
    """The logits less that of the label, and ln T of each epoch, fitted on all images.

    Newton's method on the sum of losses and prior, all epochs at once.
    """
    values, truth = np.asarray(logits, dtype=np.float32), np.asarray(labels)
    shifted = values - _picked(values, truth)[..., None]
    log_temperature = np.full(len(shifted), np.log(start))
    for _ in range(STEPS):
        parts = (part.sum(1) for part in _derivatives(shifted, log_temperature))
        moved = _stepped(log_temperature, *parts)
        done = np.abs(moved - log_temperature).max(initial=0.0) < ENOUGH
        log_temperature = moved
        if done:
            break
    return shifted, log_temperature


def _derivatives(
    shifted: NDArray[np.float32], log_temperature: Floats, images: NDArray[np.intp] | None = None
) -> tuple[Floats, Floats]:
    """Of each image's loss by ln T, the first and the second `(num_epochs, num_images)`.

    With m and v the mean and variance of the divided logits under the softmax they are -m and
    m + v; the second is replaced by v below, where the sum would not be positive.

    Args:
        images: which; None: all.
    """
    num_epochs, num_images, num_classes = shifted.shape
    shape = num_epochs, num_images if images is None else len(images), num_classes
    slopes, flats = np.empty(shape[:2]), np.empty(shape[:2])
    factor = np.exp(-log_temperature).astype(np.float32)[:, None, None]
    for block in scores.blocks(shape):
        chosen = block if images is None else (block[0], images[block[1]])
        slopes[block], flats[block] = _moments(shifted[chosen] * factor)
    return slopes, flats


def _moments(divided: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Minus the mean, and the variance, of divided logits under their softmax; uses them up."""
    weights = np.exp(divided - divided.max(-1, keepdims=True))
    total = weights.sum(-1)
    means = np.einsum("...k,...k->...", weights, divided) / total
    np.square(divided, out=divided)
    squares = np.einsum("...k,...k->...", weights, divided) / total
    variances = np.maximum(squares - np.square(means), 0)
    return -means.astype(np.float64), variances.astype(np.float64)


def _stepped(log_temperature: Floats, slope: Floats, flat: Floats) -> Floats:
    """One step of Newton's method; `slope` and `flat` are sums over images without the prior.

    The curvature is `flat` less the slope; where that is not clearly positive, `flat` alone.
    """
    slope_all = slope + PRIOR_IMAGES * log_temperature
    curved, flat = flat - slope + PRIOR_IMAGES, flat + PRIOR_IMAGES
    curvature = np.where(curved > 0.3 * flat, curved, flat)
    step = np.clip(-slope_all / curvature, -LONGEST_STEP, LONGEST_STEP)
    moved: Floats = np.clip(log_temperature + step, np.log(LOWEST), np.log(HIGHEST))
    return moved


def _without(log_temperature: Floats, slopes: Floats, flats: Floats) -> Floats:
    """ln T of each epoch without each fold `(num_epochs, num_folds)`: one step from that of all.

    Args:
        slopes, flats: sums over the images of each fold `(num_epochs, num_folds)`.
    """
    moved = [
        _stepped(log_temperature, slopes.sum(1) - slopes[:, one], flats.sum(1) - flats[:, one])
        for one in range(slopes.shape[1])
    ]
    return np.stack(moved, axis=1)
