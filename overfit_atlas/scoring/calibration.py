"""One temperature for all images of a split, and what it mends: `cross_fitted`, `temperatures`.

Guo et al., On Calibration of Modern Neural Networks (2017): logits divided by one number T. It
changes no predicted class, so the loss it takes away is that of being too sure (or too unsure).
"""

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
STARTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
STEPS, STEPS_OF_FOLDS = 8, 4
LONGEST_STEP = 0.7  # in ln T
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


def cross_fitted(logits: ArrayLike, labels: ArrayLike) -> Calibrated:
    """The calibrated loss of every image and epoch, and the temperature of every epoch.

    The images are dealt into `NUM_FOLDS` folds, the same at every epoch; the temperature of a fold
    comes from the others.

    Args:
        logits: `(num_epochs, num_images, num_classes)`; logarithms of probabilities do as well.
        labels: `(num_images,)`.
    """
    values, truth = np.asarray(logits, dtype=np.float32), np.asarray(labels)
    shifted = values - _picked(values, truth)[..., None]
    fold = folds(len(truth), NUM_FOLDS)
    everyone = np.ones(len(truth), dtype=bool)
    of_all = _descend(shifted, _start(shifted), STEPS)
    loss = np.empty(shifted.shape[:2], dtype=np.float32)
    for one in range(NUM_FOLDS):
        inside = fold == one
        others = ~inside if (~inside).any() else everyone
        own = _descend(shifted[:, others], of_all, STEPS_OF_FOLDS)
        loss[:, inside] = _losses(shifted[:, inside], own)
    return Calibrated(loss, np.exp(of_all.astype(np.float64)))


def temperatures(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """The temperature of each epoch `(num_epochs,)`, fitted on all images; see `cross_fitted`."""
    values, truth = np.asarray(logits, dtype=np.float32), np.asarray(labels)
    shifted = values - _picked(values, truth)[..., None]
    return np.exp(_descend(shifted, _start(shifted), STEPS).astype(np.float64))


def calibrated_loss(logits: ArrayLike, labels: ArrayLike, temperature: ArrayLike) -> Floats:
    """Loss of each image (nats) `(num_epochs, num_images)` with given temperatures `(num_epochs,)`.

    Args:
        logits: `(num_epochs, num_images, num_classes)`.
    """
    values = np.asarray(logits, dtype=np.float64)
    divided = values / np.asarray(temperature, dtype=np.float64)[:, None, None]
    return scores.cross_entropy_of_logits(divided, labels)


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
    divided = shifted * np.exp(-log_temperature).astype(np.float32)[:, None, None]
    highest = divided.max(-1)
    total = np.exp(divided - highest[..., None]).sum(-1)
    losses: NDArray[np.float32] = np.log(total) + highest
    return losses


def _start(shifted: NDArray[np.float32]) -> Floats:
    """ln T of the best of a few temperatures, for each epoch."""
    tried = np.log(STARTS)
    worth = [_objective(shifted, np.full(len(shifted), one)) for one in tried]
    best: Floats = tried[np.argmin(worth, axis=0)]
    return best


def _objective(shifted: NDArray[np.float32], log_temperature: Floats) -> Floats:
    totals = _losses(shifted, log_temperature).sum(-1, dtype=np.float64)
    value: Floats = totals + PRIOR_IMAGES * np.square(log_temperature) / 2
    return value


def _descend(shifted: NDArray[np.float32], start: Floats, steps: int) -> Floats:
    """ln T by Newton's method on the sum of losses and prior, all epochs at once.

    With b = 1/T, d and v the mean and variance of the shifted logits under the softmax, the
    derivatives by ln T are -b d and b d + b^2 v; where the curvature is not positive, that of
    b^2 v alone serves (Gauss-Newton).
    """
    log_temperature = np.asarray(start, dtype=np.float64).copy()
    for _ in range(steps):
        inverse = np.exp(-log_temperature)
        divided = shifted * inverse.astype(np.float32)[:, None, None]
        weights = np.exp(divided - divided.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        weighted = weights * divided
        means = weighted.sum(-1)
        variances = np.einsum("...k,...k->...", weighted, divided) - np.square(means)
        slope = -means.sum(-1, dtype=np.float64) + PRIOR_IMAGES * log_temperature
        flat = variances.sum(-1, dtype=np.float64) + PRIOR_IMAGES
        curved = flat + means.sum(-1, dtype=np.float64)
        curvature = np.where(curved > 0.3 * flat, curved, flat)
        step = np.clip(-slope / curvature, -LONGEST_STEP, LONGEST_STEP)
        moved = np.clip(log_temperature + step, np.log(LOWEST), np.log(HIGHEST))
        if np.abs(moved - log_temperature).max(initial=0.0) < 1e-4:
            return np.asarray(moved)
        log_temperature = moved
    return log_temperature
