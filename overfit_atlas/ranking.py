"""How well probabilities rank the images of one class above all others: ROC, precision and recall.

Each class against all others; seeds see the same images. For MLflow's pages, by which people
compare such curves; the verdict needs none of it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from overfit_atlas.scoring import scores
from overfit_atlas.scoring.scores import Predictions

MOST_POINTS = 200
"""Of one curve: more cannot be seen."""


def areas(predictions: Predictions, class_names: Sequence[str]) -> pd.DataFrame:
    """Areas under both curves of each class, means over seeds.

    Columns: class, class_name, roc_auc, average_precision (both 0..1). NaN where a class has no
    images, or all.
    """
    under_roc, precision = scores.areas(predictions.probabilities, predictions.labels)
    return pd.DataFrame(
        {
            "class": np.arange(predictions.num_classes),
            "class_name": list(class_names),
            "roc_auc": under_roc.mean(0),
            "average_precision": precision.mean(0),
        }
    )


def worst(areas: pd.DataFrame, count: int) -> list[int]:
    """The classes with images whose average precision is lowest, at most `count`, lowest first."""
    known = areas.dropna().sort_values("average_precision", kind="stable")
    return [int(number) for number in known["class"].head(count)]


def curves(
    predictions: Predictions, class_names: Sequence[str], numbers: Sequence[int] | None = None
) -> pd.DataFrame:
    """Points of both curves of each class that has images, the seeds' predictions pooled.

    Columns: class_name, curve ("roc", "precision_recall"), x, y (all 0..1): false against true
    positives, and recall against precision.

    Args:
        numbers: of the classes wanted; None: all.
    """
    wanted = range(len(class_names)) if numbers is None else numbers
    found = [
        pd.DataFrame({"class_name": class_names[number], "curve": curve, "x": x, "y": y})
        for number in wanted
        for curve, x, y in _of_class(predictions, number)
    ]
    columns = ["class_name", "curve", "x", "y"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def _of_class(
    predictions: Predictions, number: int
) -> Iterator[tuple[str, NDArray[np.floating], NDArray[np.floating]]]:
    from sklearn.metrics import precision_recall_curve, roc_curve

    is_class = np.tile(predictions.labels == number, predictions.num_seeds)
    if is_class.all() or not is_class.any():
        return
    chances = predictions.probabilities[:, :, number].ravel()
    false_positives, true_positives, _ = roc_curve(is_class, chances)
    yield "roc", _thinned(false_positives), _thinned(true_positives)
    precision, recall, _ = precision_recall_curve(is_class, chances)
    yield "precision_recall", _thinned(recall), _thinned(precision)


def _thinned(values: NDArray[np.floating]) -> NDArray[np.floating]:
    kept = np.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).round().astype(int)
    chosen: NDArray[np.floating] = values[kept]
    return chosen


def top_accuracy(predictions: Predictions, count: int) -> float:
    """Share of images whose class is among the `count` likeliest, seeds averaged (0..1)."""
    rank = np.empty(predictions.probabilities.shape[:2], np.int64)
    for block in scores.blocks(predictions.probabilities.shape):
        chances = predictions.probabilities[block]
        labels = predictions.labels[block[-1]][:, None]
        own = np.take_along_axis(chances, np.broadcast_to(labels, (*chances.shape[:2], 1)), -1)
        before = np.arange(chances.shape[-1]) < labels  # of equals the first comes first
        rank[block] = ((chances > own) | ((chances == own) & before)).sum(-1)
    return float((rank < count).mean())
