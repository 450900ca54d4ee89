"""The bootstrap of F1 and accuracy over images, for many fits at once.

`scipy.stats.bootstrap` calls a statistic once a resample (or hands it all resampled images at
once): for 100 classes, 10,000 images, 5 seeds and 1,000 resamples that is minutes, or gigabytes.
F1 and accuracy need only counts, so here a resample is a vector of how often each image was drawn,
and a sparse product turns many such vectors into counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BLOCK = 100
"""Resamples drawn at a time: memory is this times the number of images, times 8 bytes."""


@dataclass(frozen=True)
class Resampled:
    """Scores of each fit on each resample of the same images.

    Attributes:
        f1: `(num_resamples, num_fits, num_classes)`; NaN for a class without images.
        accuracy: `(num_resamples, num_fits)`.
    """

    f1: NDArray[np.float32]
    accuracy: NDArray[np.float32]


def f1_of_counts(hits: Floats, predicted: Floats, support: Floats) -> Floats:
    """2 TP / (predicted + actual), elementwise; NaN where the class has no images."""
    present = np.broadcast_to(support > 0, hits.shape)
    empty = np.full(hits.shape, np.nan)
    f1: Floats = np.divide(2 * hits, predicted + support, out=empty, where=present)
    return f1


def resample(
    labels: NDArray[np.integer],
    predicted: NDArray[np.integer],
    num_classes: int,
    num_resamples: int,
    seed: int = 0,
) -> Resampled:
    """Draw images with replacement within each class, the same ones for all fits.

    Args:
        labels: `(num_images,)`.
        predicted: `(num_fits, num_images)`: seeds of one model, or of several to be compared.
        seed: of the random draws; equal arguments give equal numbers.
    """
    num_fits = len(predicted)
    indicator = _indicator(labels, predicted, num_classes)
    support = np.bincount(labels, minlength=num_classes).astype(float)
    f1 = np.empty((num_resamples, num_fits, num_classes), np.float32)
    accuracy = np.empty((num_resamples, num_fits), np.float32)
    start = 0
    for weights in _draws(labels, num_resamples, seed):
        counts = (indicator @ weights).T.reshape(-1, 2, num_fits, num_classes)
        block = slice(start, start + len(counts))
        f1[block] = f1_of_counts(counts[:, 0], counts[:, 1], support)
        accuracy[block] = counts[:, 0].sum(-1) / len(labels)
        start += len(counts)
    return Resampled(f1, accuracy)


def _indicator(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], num_classes: int
) -> Any:
    """Sparse `(2 * num_fits * num_classes, num_images)`: hits first, then predictions."""
    from scipy import sparse

    num_fits, num_images = predicted.shape
    rows = np.arange(num_fits)[:, None] * num_classes + predicted
    columns = np.broadcast_to(np.arange(num_images), predicted.shape)
    hits = predicted == labels
    of_hits = sparse.csr_array(
        (np.ones(hits.sum()), (rows[hits], columns[hits])),
        shape=(num_fits * num_classes, num_images),
    )
    of_all = sparse.csr_array(
        (np.ones(rows.size), (rows.ravel(), columns.ravel())), shape=of_hits.shape
    )
    return sparse.vstack([of_hits, of_all], format="csr")


def _draws(labels: NDArray[np.integer], num_resamples: int, seed: int) -> Iterator[Floats]:
    """Blocks `(num_images, up to BLOCK)` of how often each image is drawn."""
    rng = np.random.default_rng(seed)
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    own_size = np.repeat(sizes, sizes)
    for start in range(0, num_resamples, BLOCK):
        count = min(BLOCK, num_resamples - start)
        drawn = (rng.random((count, len(labels))) * own_size).astype(np.int64) + starts
        drawn += np.arange(count)[:, None] * len(labels)
        weights = np.bincount(drawn.ravel(), minlength=count * len(labels))
        in_order = weights.reshape(count, len(labels)).T.astype(np.float64)
        block = np.empty_like(in_order)
        block[order] = in_order
        yield block


def over_fits(values: NDArray[np.float32], seed: int = 0) -> Floats:
    """The mean over fits of `(num_resamples, num_fits, ...)`, the fits resampled as well.

    So the interval covers another choice of seeds too; with one fit it is that fit.
    """
    num_resamples, num_fits = values.shape[:2]
    rng = np.random.default_rng([seed, 1])
    chosen = rng.multinomial(num_fits, np.full(num_fits, 1 / num_fits), size=num_resamples)
    mean: Floats = np.einsum("bf,bf...->b...", chosen / num_fits, values)
    return mean


def percentiles(values: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Ends of the percentile interval over the first axis; NaN where there are no values."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high


def f1(labels: NDArray[np.integer], predicted: NDArray[np.integer], num_classes: int) -> Floats:
    """F1 of each fit and class, not resampled `(num_fits, num_classes)`; NaN without images."""
    counts = _indicator(labels, predicted, num_classes).sum(1).reshape(2, -1, num_classes)
    support = np.bincount(labels, minlength=num_classes).astype(float)
    return f1_of_counts(counts[0], counts[1], support)
