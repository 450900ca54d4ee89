"""The scores of one variant at one moment, seed by seed; start at `of_fits` or `of_ensemble`.

Held-out scores are those on validation images. The test images are left to `evaluate`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.scoring import scores
from pipeline.comparing import class_scores, ensembles
from pipeline.comparing.class_scores import Resampled
from pipeline.training.task import FitResult

Floats = NDArray[np.float64]
Moment = Literal["best", "last"]
MOMENTS: tuple[Moment, ...] = ("best", "last")
SPLITS = ("probe", "val")
OF_IMAGE = {
    "loss": "loss",
    "calibrated_loss": "calibrated",
    "accuracy": "correct",
    "brier": "brier",
}
"""Metric -> the field of `PerImage` that it is the mean of."""


@dataclass(frozen=True)
class Scores:
    """What a variant scores at one moment.

    Attributes:
        epochs: 1-based, one a seed; empty for an ensemble.
        values: metric -> one number a seed `(num_seeds,)`.
        images: metric -> one number a seed and image `(num_seeds, num_images)`; for standard errors
            over images.
        resamples: the scores that are no mean over images (see `class_scores.summaries`)
            `(num_seeds, 1 + num_resamples)`: as measured, then with resampled images.
        classes: F1 of each class `(num_seeds, 1 + num_resamples, num_classes)`; None where
            predictions were not kept.
    """

    epochs: tuple[int, ...]
    values: Mapping[str, Floats]
    images: Mapping[str, Floats] = field(default_factory=dict)
    resamples: Mapping[str, Floats] = field(default_factory=dict)
    classes: Floats | None = None

    def complete(self) -> "Scores":
        """The same with the gaps, positive where val is worse, and the scores over classes."""
        values = dict(self.values)
        for loss in ("loss", "calibrated_loss"):
            if f"val_{loss}" in values:
                values[f"gap_{loss}"] = values[f"val_{loss}"] - values[f"probe_{loss}"]
        values["gap_accuracy"] = values["probe_accuracy"] - values["val_accuracy"]
        values |= {name: array[:, 0] for name, array in self.resamples.items()}
        return replace(self, values=values)


def of_fits(results: Sequence[FitResult], moment: Moment, resampled: Resampled) -> Scores:
    """The scores of single fits at their best or last epoch, raw: without a temperature.

    A fit that was stopped early counts with its best epoch as its last one: that is the model early
    stopping hands over.
    """
    epochs = [epoch_of(result, moment) for result in results]
    pairs = list(zip(results, epochs, strict=True))
    rows = [_row(result, epoch) for result, epoch in pairs]
    images = [_images(result, epoch) for result, epoch in pairs]
    made = Scores(tuple(epochs), _stacked(rows), _stacked(images))
    if all(epoch == result.best_epoch for result, epoch in pairs):
        by_class = _stacked([_f1(result.probabilities, resampled) for result in results])
        classes = by_class.pop("f1")
        made = replace(made, resamples=by_class, classes=classes)
    return made.complete()


def tempered(scores: Scores) -> Scores:
    """The same fits with one temperature: their loss is the calibrated loss.

    No prediction changes; ECE and Brier score would need all probabilities, and are left out.
    """

    def of(known: Mapping[str, Floats]) -> dict[str, Floats]:
        kept = {name: one for name, one in known.items() if not name.endswith(("_ece", "_brier"))}
        calibrated = {f"{part}_loss": f"{part}_calibrated_loss" for part in ("val", "probe", "gap")}
        found = {loss: known[name] for loss, name in calibrated.items() if name in known}
        return {**kept, **found}

    return replace(scores, values=of(scores.values), images=of(scores.images))


def epoch_of(result: FitResult, moment: Moment) -> int:
    """The epoch (1-based) whose weights count at `moment`."""
    finite = int(result.history.curves["epoch"].max())
    return result.best_epoch if moment == "best" else finite


def of_ensemble(
    probabilities: Mapping[str, NDArray[np.floating]],
    labels: Mapping[str, NDArray[np.integer]],
    members: int,
    resampled: Resampled,
) -> Scores:
    """The scores of ensembles of `members` fits: one pseudo-value a seed (see `ensembles`).

    Args:
        probabilities: of splits probe and val `(num_seeds, num_images, num_classes)`.
        labels: of the same splits.
    """
    images: dict[str, Floats] = {}
    values: dict[str, Floats] = {}
    for split in SPLITS:
        score = partial(_of_probabilities, labels=labels[split])
        for name, one in ensembles.averaged(probabilities[split], members, score).items():
            values[f"{split}_{name}"] = one.seeds if name == "ece" else one.seeds.mean(axis=1)
            if name != "ece":
                images[f"{split}_{name}"] = one.repeated
    by_class = {
        name: _first_by_seed(one)
        for name, one in ensembles.averaged(
            probabilities["val"], members, partial(_f1, resampled=resampled)
        ).items()
    }
    classes = by_class.pop("f1")
    return Scores((), values, images, by_class, classes).complete()


def _first_by_seed(one: ensembles.Averaged) -> Floats:
    """The score as measured seed by seed, and the shared mean for the resampled images."""
    found: Floats = one.repeated.copy()
    found[:, 0] = one.seeds[:, 0]
    return found


def _f1(probabilities: NDArray[np.floating], resampled: Resampled) -> dict[str, Floats]:
    f1 = resampled.f1(probabilities.argmax(-1))
    return {"f1": f1, **class_scores.summaries(f1)}


def _of_probabilities(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> dict[str, Floats]:
    correct = probabilities.argmax(-1) == labels
    error = scores.ece(probabilities.max(-1), correct)
    return {
        "loss": scores.cross_entropy(probabilities, labels),
        "accuracy": correct.astype(np.float64),
        "brier": scores.brier(probabilities, labels),
        "ece": np.asarray(error),
    }


def _row(result: FitResult, epoch: int) -> dict[str, float]:
    curves = result.history.curves
    now = curves[curves["epoch"] == epoch].set_index("split")
    names = ("loss", "calibrated_loss", "accuracy", "ece", "brier", "true_accuracy")
    return {f"{split}_{name}": float(now[name][split]) for split in SPLITS for name in names}


def _images(result: FitResult, epoch: int) -> dict[str, Floats]:
    per_image = result.history.per_image
    if per_image is None:
        return {}
    return {
        f"{split}_{metric}": per_image.epoch(split, score, epoch - 1)
        for split in SPLITS
        for metric, score in OF_IMAGE.items()
    }


def _stacked(rows: Sequence[Mapping[str, float | Floats]]) -> dict[str, Floats]:
    return {name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]}
