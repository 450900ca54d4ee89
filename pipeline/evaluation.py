"""Everything `evaluate` reports, from predictions and histories: pure, and the same for each model.

Test images are looked at here and nowhere else; what is chosen is chosen on validation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas import comparison, per_class, summary
from overfit_atlas.per_class import ClassTables
from overfit_atlas.scoring.fits import Fit
from overfit_atlas.scoring.scores import Predictions, cross_entropy
from pipeline.diagnosis import diagnose
from pipeline.diagnosis.record import Diagnosis
from pipeline.params import Evaluate

SPLITS = ("probe", "val", "test")
Json = dict[str, Any]


@dataclass(frozen=True)
class Evaluated:
    """One model: its predictions, and what follows from them.

    Attributes:
        splits: predictions by split.
        metrics: scores by split, each with interval, seeds and images.
        classes: tables by class.
        reliability: confidence against accuracy, by split and bin.
        diagnosis: the verdict, and the numbers behind it.
    """

    splits: Mapping[str, Predictions]
    metrics: Json
    classes: ClassTables
    reliability: pd.DataFrame
    diagnosis: Diagnosis


def evaluate(
    predictions: Mapping[str, Mapping[str, Predictions]],
    histories: Mapping[str, Sequence[Fit]],
    class_names: Sequence[str],
    settings: Evaluate,
) -> dict[str, Evaluated]:
    """All models by name.

    Args:
        predictions: by model and split (probe, val, test).
        histories: by model, one a seed; a model without one (an ensemble) is judged by its
            predictions alone.
    """
    reference = diagnose.best_reference(histories, settings)
    made = {}
    for name, splits in predictions.items():
        if name in histories:
            judged = diagnose.diagnose(name, histories[name], settings, reference, len(class_names))
        else:
            judged = diagnose.diagnose_predictions(name, splits, settings, reference)
        made[name] = Evaluated(
            splits=splits,
            metrics={
                split: summary.summarise(one, settings).as_json() for split, one in splits.items()
            },
            classes=per_class.class_tables(splits, class_names, settings),
            reliability=calibration.reliability_table(splits, settings),
            diagnosis=judged,
        )
    return made


def comparisons(models: Mapping[str, Evaluated], settings: Evaluate) -> Json:
    """Each pair of models on the test images, keyed "A vs B"; A minus B.

    Where one has more seeds than the other, the first of them count: seeds are paired in order.
    """
    found = {}
    for a, b in combinations(models, 2):
        ours, theirs = _paired(models[a].splits["test"], models[b].splits["test"])
        found[f"{a} vs {b}"] = comparison.compare(ours, theirs, settings).as_json()
    return found


def _paired(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    common = min(a.num_seeds, b.num_seeds)
    if common == 1:
        return a, b
    return _first(a, common), _first(b, common)


def _first(predictions: Predictions, count: int) -> Predictions:
    return replace(predictions, probabilities=predictions.probabilities[:count])


def ensemble_comparison(
    ensemble: Mapping[str, Predictions],
    members: Mapping[str, Predictions],
    equal_cost: Predictions | None,
    settings: Evaluate,
) -> Json:
    """The ensemble on test against its mean member, its best by validation, and one of its cost."""
    best = comparison.best_of(members["val"])
    return comparison.compare_ensemble(
        ensemble["test"], members["test"], best, settings, equal_cost
    ).as_json()


def champion(models: Mapping[str, Evaluated]) -> tuple[str, int]:
    """The model and the index of its seed with the lowest validation loss."""
    losses = {
        name: cross_entropy(one.splits["val"].probabilities, one.splits["val"].labels).mean(1)
        for name, one in models.items()
    }
    best = min(losses, key=lambda name: float(losses[name].min()))
    return best, int(np.argmin(losses[best]))


def shown_examples(predictions: Predictions, seed: int, count: int) -> np.ndarray:
    """Indices of images worth a look: the surest mistakes, then the surest right answers.

    Half of `count` each, as far as there are so many.
    """
    probabilities = predictions.probabilities[seed]
    sure, wrong = probabilities.max(-1), probabilities.argmax(-1) != predictions.labels
    order = np.argsort(-sure, kind="stable")
    half = (count + 1) // 2
    return np.concatenate([order[wrong[order]][:half], order[~wrong[order]][: count - half]])
