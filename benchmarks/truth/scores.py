"""Loss, accuracy and calibrated loss of one net on many images, from its logits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.nets import Floats, Integers

BOUNDS = (0.05, 20.0)
"""Between which temperatures are sought."""
MOST_STEPS, TOLERANCE = 30, 0.02
"""Newton's error is squared by each step: after one of 2 % the loss is right to a millionth."""
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """Of one net at one moment: per-image `loss` in nats and `correct`, (num_images,)."""

    loss: Floats
    correct: Bools


def of(logits: Floats, labels: Integers) -> Scores:
    """Scores per image; logits (num_images, num_classes)."""
    below, own = _below(logits, labels)
    return Scores(np.log(np.exp(below).sum(0)) - own, logits.argmax(1) == labels)


def calibrated(logits: Floats, labels: Integers, start: float = 1.0) -> tuple[Floats, float]:
    """(per-image loss, T) at the one temperature T that makes the mean loss of these images least.

    The loss is convex in 1 / T; Newton's steps, none of which more than doubles or halves it, from
    `start`. T stays within `BOUNDS`.
    """
    below, own = _below(logits, labels)
    mean_own = float(own.mean())
    inverse, low, high = 1 / start, 1 / BOUNDS[1], 1 / BOUNDS[0]
    for _ in range(MOST_STEPS):
        mean, curvature = _moments(below, inverse)
        step = (mean - mean_own) / max(curvature, 1e-12)
        new = float(np.clip(inverse - step, max(low, inverse / 2), min(high, inverse * 2)))
        done = abs(new - inverse) <= TOLERANCE * inverse
        inverse = new
        if done:
            break
    spread = np.log(np.exp(below * np.float32(inverse)).sum(0))
    return spread - np.float32(inverse) * own, 1 / inverse


def _below(logits: Floats, labels: Integers) -> tuple[Floats, Floats]:
    """How far each logit is below the image's largest, and how far that of the label is.

    Shapes (num_classes, num_images), the classes first, and (num_images,).
    """
    turned = np.ascontiguousarray(logits.T)
    turned -= turned.max(0)
    return turned, turned[labels, np.arange(len(labels))]


def _moments(below: Floats, inverse: float) -> tuple[float, float]:
    """Mean over images of the mean and the variance of `below` under softmax(inverse * below)."""
    shares = below * np.float32(inverse)
    np.exp(shares, out=shares)
    shares /= shares.sum(0)
    shares *= below
    mean = shares.sum(0)
    shares *= below
    return float(mean.mean()), float((shares.sum(0) - mean * mean).mean())
