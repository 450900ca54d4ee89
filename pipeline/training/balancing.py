"""Classes of unequal size: what an epoch draws, and how much an image of each class counts."""

import numpy as np

TermPair = tuple[np.ndarray, np.ndarray]


def order(
    labels: np.ndarray, num_classes: int, balance: str, generator: np.random.Generator
) -> np.ndarray:
    """The image indices of one epoch `(num_images,)`: each once, or for `sampling` by class.

    With `sampling` every class is equally likely at each draw, with replacement, so small classes
    repeat; the epoch keeps its length.
    """
    if balance != "sampling":
        return generator.permutation(len(labels)).astype(np.int32)
    counts = np.bincount(labels, minlength=num_classes)
    present = np.count_nonzero(counts)
    chance = 1.0 / (present * counts[labels])
    return generator.choice(len(labels), size=len(labels), p=chance).astype(np.int32)


def terms(labels: np.ndarray, num_classes: int, balance: str) -> TermPair:
    """The weight of an image of each class, and what is added to its logit in training.

    `class_weights`: n / (classes * n_class), so that the mean weight is 1. `logit_adjustment`: the
    log of the class's share (Menon et al. 2021, with tau = 1). Otherwise ones and zeros.
    """
    counts = np.bincount(labels, minlength=num_classes).astype(np.float64)
    weights, prior = np.ones(num_classes), np.zeros(num_classes)
    if balance == "class_weights":
        weights = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    if balance == "logit_adjustment":
        prior = np.log(np.maximum(counts, 1) / counts.sum())
    return weights.astype(np.float32), prior.astype(np.float32)
