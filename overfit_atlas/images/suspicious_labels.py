"""Which labels are probably wrong, by confident learning (Northcutt, Jiang & Chuang 2021).

C. Northcutt, L. Jiang, I. Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels
(2021), by its published method: nothing but out-of-sample probabilities and labels is needed.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from overfit_atlas.errors import AtlasError

Floats = NDArray[np.float64]


def suspicious_labels(probabilities: ArrayLike, labels: ArrayLike) -> pd.DataFrame:
    """How likely the label of each image is wrong; rows in the order of the images.

    Args:
        probabilities: (num_images, num_classes), of nets that did not train on the image.
        labels: (num_images,) class numbers, as given.

    Returns: columns
        image: 0..num_images-1; label: as given; suggested: the likeliest other class,
            and suggested_chance, how likely it is;
        probability: of the label, out of sample;
        suspicion: chance that the label is wrong, 0 to 1: Bayes' rule with the probabilities and
            with the confident joint, the estimate of how often which class carries which label;
        rank: 1 for the most suspicious;
        suspicious: whether confident learning counts it as wrong: another class reaches the
            confidence that is usual for images with that label, and is the likeliest that does;
        expected_precision: share of wrong labels to expect among this image and all of lower rank.
            Too high where classes overlap: images that look like another class are counted.

    Raises:
        AtlasError: shapes or numbers do not fit.
    """
    sure, given = _checked(probabilities, labels)
    rows = np.arange(len(given))
    confident = _confident(sure, given)
    noise = _noise(confident, given, sure.shape[1])
    posterior = sure * noise[given]
    posterior /= np.maximum(posterior.sum(1, keepdims=True), np.finfo(float).tiny)
    suspicion = 1 - posterior[rows, given]
    posterior[rows, given] = -1  # so that another class is suggested
    order = np.lexsort((rows, sure[rows, given], -suspicion))
    rank = np.empty(len(order), np.int64)
    rank[order] = rows + 1
    so_far = np.cumsum(suspicion[order]) / (rows + 1)
    return pd.DataFrame(
        {
            "image": rows,
            "label": given,
            "suggested": posterior.argmax(1),
            "suggested_chance": posterior.max(1),
            "probability": sure[rows, given],
            "suspicion": suspicion,
            "rank": rank,
            "suspicious": (confident >= 0) & (confident != given),
            "expected_precision": so_far[rank - 1],
        }
    )


def _confident(sure: Floats, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class each image confidently belongs to, -1 where it is none.

    A class's threshold is the mean probability of that class over the images labelled as it.
    """
    counts = np.bincount(labels, minlength=sure.shape[1])
    sums = np.bincount(labels, sure[np.arange(len(labels)), labels], sure.shape[1])
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    reached = sure >= thresholds
    likeliest = np.where(reached, sure, -1).argmax(1)
    return np.where(reached.any(1), likeliest, -1)


def _noise(confident: NDArray[np.int64], labels: NDArray[np.int64], num_classes: int) -> Floats:
    """P(label | class) as (label, class), from the confident joint, its rows as often as labels."""
    joint = np.zeros((num_classes, num_classes))
    known = confident >= 0
    np.add.at(joint, (labels[known], confident[known]), 1)
    counts = np.bincount(labels, minlength=num_classes)
    sums = joint.sum(1)
    empty = (sums == 0) & (counts > 0)
    joint[empty, empty] = 1  # no image of it is confident: its labels are taken as they are
    joint *= (counts / np.maximum(joint.sum(1), 1))[:, None]
    return np.asarray(joint / np.maximum(joint.sum(0, keepdims=True), 1e-12))


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    sure, given = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if sure.ndim != 2 or given.shape != sure.shape[:1] or not len(given):
        raise AtlasError(
            f"got probabilities of shape {sure.shape} and labels of {given.shape}, expected "
            "(num_images, num_classes) and (num_images,)."
        )
    if (
        not np.issubdtype(given.dtype, np.integer)
        or given.min() < 0
        or given.max() >= sure.shape[1]
    ):
        raise AtlasError(
            f"got labels of {given.dtype} from {given.min()} to {given.max()}, expected whole "
            f"numbers from 0 to {sure.shape[1] - 1}, the columns of probabilities."
        )
    if not np.isfinite(sure).all() or sure.min() < 0:
        raise AtlasError("got probabilities that are negative or not finite, expected 0 to 1.")
    return sure, given.astype(np.int64)
