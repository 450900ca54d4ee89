"""Which labels are probably wrong: a noise model, and confident learning (Northcutt et al. 2021).

C. Northcutt, L. Jiang, I. Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels
(2021). How likely a label is wrong comes from a model: the class of an image has the probabilities
of the nets after one temperature T, and of images of class k a share N[l, k] is labelled l. T and N
are those that make the given labels most likely (EM, as Dawid & Skene 1979): where classes overlap,
T accounts for other labels, where nets are sure of another class, N does.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from overfit_atlas.errors import AtlasError
from overfit_atlas.scoring.scores import softmax

Floats = NDArray[np.float64]
FOLDS, STEPS, RIGHT = 5, 40, 10
"""Parts of the images, each judged by the others; steps of EM; labels a class beforehand."""
TEMPERATURES, PRIOR = (-2.3, 2.3), 2.5
"""Ends of the natural logarithm of T, from 0.1 to 10; images that hold T at 1 where few speak."""


def suspicious_labels(probabilities: ArrayLike, labels: ArrayLike) -> pd.DataFrame:
    """How likely the label of each image is wrong; rows in the order of the images.

    Args:
        probabilities: (num_images, num_classes), of nets that did not train on the image.
        labels: (num_images,) class numbers, as given.

    Returns: columns
        image: 0..num_images-1; label: as given; suggested: the likeliest other class,
            and suggested_chance, how likely it is;
        probability: of the label, out of sample;
        suspicion: chance that the label is wrong, 0 to 1, by the model above; N is that of the
            other images (`FOLDS` parts), so that no label speaks for itself;
        rank: 1 for the most suspicious;
        suspicious: whether confident learning counts it as wrong: another class reaches the
            confidence that is usual for images with that label, and is the likeliest that does;
        expected_precision: share of wrong labels to expect among this image and all of lower rank.

    Raises:
        AtlasError: shapes or numbers do not fit.
    """
    sure, given = _checked(probabilities, labels)
    rows = np.arange(len(given))
    confident = _confident(sure, given)
    posterior = _posterior(sure, given)
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


def _posterior(sure: Floats, labels: NDArray[np.int64]) -> Floats:
    """P(class | image, label) as (num_images, num_classes)."""
    from scipy.optimize import minimize_scalar

    logs = np.log(np.maximum(sure, np.finfo(float).tiny))

    def misfit(log_temperature: float) -> float:
        scaled = _tempered(logs, log_temperature)
        likelihood = float(np.log(_joint(scaled, labels, _noise(scaled, labels)).sum(1)).sum())
        return PRIOR * log_temperature**2 - likelihood

    fitted = minimize_scalar(misfit, bounds=TEMPERATURES, method="bounded", options={"xatol": 0.02})
    scaled = _tempered(logs, fitted.x)
    found, fold = np.empty_like(scaled), _folds(labels)
    for number in range(FOLDS):
        here = fold == number
        noise = _noise(scaled[~here], labels[~here])
        found[here] = _joint(scaled[here], labels[here], noise)
    return np.asarray(found / found.sum(1, keepdims=True))


def _tempered(logs: Floats, log_temperature: float) -> Floats:
    return np.asarray(softmax(logs / np.exp(log_temperature)), dtype=np.float64)


def _folds(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The part of each image; every class is spread over all parts."""
    order = np.argsort(labels, kind="stable")
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % FOLDS
    return fold


def _noise(probabilities: Floats, labels: NDArray[np.int64]) -> Floats:
    """P(label | class) as (label, class), by EM from 10 % of wrong labels.

    `RIGHT` labels a class are added, 1 % of them wrong: what few images say is not taken at its
    word, and a label that is the only wrong one of its kind can be found.
    """
    number = probabilities.shape[1]
    given = np.eye(number)[labels].T
    noise = 0.9 * np.eye(number) + 0.1 / number
    beforehand = 0.99 * np.eye(number) + 0.01 / number
    for _ in range(STEPS):
        posterior = _joint(probabilities, labels, noise)
        posterior /= posterior.sum(1, keepdims=True)
        counts = given @ posterior + RIGHT * beforehand
        noise = counts / counts.sum(0, keepdims=True)
    return np.asarray(noise)


def _joint(probabilities: Floats, labels: NDArray[np.int64], noise: Floats) -> Floats:
    """P(class, label | image) of the labels as given; above 0."""
    return np.asarray(np.maximum(probabilities * noise[labels], np.finfo(float).tiny))


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
