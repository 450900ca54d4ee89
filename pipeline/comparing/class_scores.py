"""F1 of each class, with what it would have been on other images of the same classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resampled:
    """Bootstrap weights of the images of one split, the same for all that is compared on it.

    Attributes:
        weights: `(1 + num_resamples, num_images)`; the first row is ones, the others say how often
            each image was drawn, with replacement and within its class.
        labels: `(num_images,)`.
    """

    weights: NDArray[np.float32]
    labels: NDArray[np.integer]
    num_classes: int

    @classmethod
    def draw(
        cls, labels: NDArray[np.integer], num_classes: int, num_resamples: int, seed: int = 0
    ) -> "Resampled":
        """Weights for `num_resamples` resamples, equal for equal arguments."""
        generator = np.random.default_rng([seed, num_resamples])
        weights = np.ones((1 + num_resamples, len(labels)), dtype=np.float32)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            share = np.full(len(members), 1 / len(members))
            weights[1:, members] = generator.multinomial(len(members), share, num_resamples)
        return cls(weights, np.asarray(labels), num_classes)

    def f1(self, predicted: NDArray[np.integer]) -> Floats:
        """F1 of each class `(1 + num_resamples, num_classes)`; 0 for a class never predicted.

        F1 = 2 TP / (2 TP + FP + FN). A class without images is NaN.
        """
        classes = np.arange(self.num_classes)
        true = (self.labels[:, None] == classes).astype(np.float32)
        said = (predicted[:, None] == classes).astype(np.float32)
        hits = self.weights @ (true * said)
        total = self.weights @ (true + said)
        with np.errstate(invalid="ignore"):
            result: Floats = (2 * hits / total).astype(np.float64)
        missing = ~true.any(axis=0)
        result[:, missing] = np.nan
        return result


def summaries(classes: Floats) -> dict[str, Floats]:
    """Mean, worst and spread (standard deviation) over the last axis; classes of NaN left out."""
    return {
        "macro_f1": np.nanmean(classes, axis=-1),
        "worst_class_f1": np.nanmin(classes, axis=-1),
        "f1_spread": np.nanstd(classes, axis=-1),
    }
