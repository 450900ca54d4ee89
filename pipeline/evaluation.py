"""Everything `evaluate` reports, from predictions and histories: pure, and the same for each model.

Test images are looked at here and nowhere else; what is chosen is chosen on validation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas import comparison, draws, judgement, per_class, reliability, summary
from overfit_atlas.facts import Facts
from overfit_atlas.per_class import ClassTables
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Fit
from overfit_atlas.scoring.scores import Predictions

SPLITS = ("probe", "val", "test")
Json = dict[str, Any]
Splits = Mapping[str, Predictions]


@dataclass(frozen=True)
class Evaluated:
    """One model: its predictions, and what follows from them.

    Attributes:
        splits: predictions by split.
        metrics: scores by split, each with interval, seeds and images.
        classes: tables by class.
        reliability: confidence against accuracy, by split and bin.
        judgement: the verdict, and the numbers behind it.
    """

    splits: Splits
    metrics: Json
    classes: ClassTables
    reliability: pd.DataFrame
    judgement: Judgement

    @property
    def held_out(self) -> str:
        """The split that scores are reported on: test, or val where test was left alone."""
        return _held_out(self.splits)


def _held_out(splits: Splits) -> str:
    return "test" if "test" in splits else "val"


def evaluate(
    predictions: Mapping[str, Splits],
    fits: Mapping[str, Sequence[Fit]],
    class_names: Sequence[str],
    rules: Rules,
    alone: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Evaluated]:
    """All models by name, each judged with the others as its siblings.

    Args:
        predictions: by model and split (probe, val, and test where it is read).
        fits: by model, one a seed; a model without (an ensemble) is judged by its predictions.
        alone: by split, a mask of the images without a copy in an earlier part; where some have
            one, there are scores `SPLIT_without_copies` too.
    """
    judged = judgements(predictions, fits, len(class_names), rules)
    return {
        name: Evaluated(
            splits=splits,
            metrics={
                split: summary.summarise(one, rules).as_json()
                for split, one in {**splits, **_without_copies(splits, alone or {})}.items()
            },
            classes=per_class.class_tables(
                splits, class_names, rules, "test" if "test" in splits else "val"
            ),
            reliability=reliability.reliability_table(splits, rules),
            judgement=judged[name],
        )
        for name, splits in predictions.items()
    }


def _without_copies(splits: Splits, alone: Mapping[str, np.ndarray]) -> dict[str, Predictions]:
    return {
        f"{split}_without_copies": splits[split].take(mask)
        for split, mask in alone.items()
        if split in splits and mask.any() and not mask.all()
    }


def judgements(
    predictions: Mapping[str, Splits],
    fits: Mapping[str, Sequence[Fit]],
    num_classes: int,
    rules: Rules,
) -> dict[str, Judgement]:
    """The verdict on each model; the draws of the others are what it could have reached."""
    found = {}
    for name, splits in predictions.items():
        whole = [fit for fit in fits.get(name, ()) if fit.failed is None]
        if whole:
            found[name] = judgement.drawn(whole, rules)
        elif name not in fits:
            found[name] = draws.of_predictions(splits["val"], splits["probe"], rules)
    judged = {}
    for name, splits in predictions.items():
        facts = Facts.of_labels(splits["val"].labels, num_classes)
        siblings = {other: one for other, one in found.items() if other != name}
        if name in fits:
            judged[name] = judgement.judge(name, fits[name], rules, facts, siblings)
        else:
            judged[name] = judgement.judged(name, found[name], rules, facts, siblings)
    return judged


def verdicts(models: Mapping[str, Evaluated]) -> Json:
    """Each model in half a dozen values, for DVC's tables of experiments.

    All are of validation, by which experiments are chosen: the verdict with its kind and its
    probability, the gap in loss at the last epoch (nats), the onset ("none", "censored"; "-" where
    there are no epochs), and the scores of the delivered weights.
    """
    return {name: _in_short(one.judgement, one.metrics["val"]) for name, one in models.items()}


def _in_short(judgement: Judgement, val: Json) -> Json:
    gap, onset = judgement.estimate("gap/loss"), judgement.onset.get("loss")
    return {
        "verdict": judgement.title("en"),
        "probability": _rounded(judgement.probability),
        "gap": _rounded(gap.value if gap else None),
        "onset": (onset.epoch or onset.status) if onset else "-",
        "val_loss": _rounded(val["loss"]),
        "val_accuracy": _rounded(val["accuracy"]),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def comparisons(models: Mapping[str, Evaluated], rules: Rules) -> Json:
    """Each pair of models on the held-out images, keyed "A vs B"; A minus B.

    Where one has more seeds than the other, the first of them count: seeds are paired in order.
    """
    found = {}
    for a, b in combinations(models, 2):
        ours, theirs = _paired(*(models[name].splits[models[name].held_out] for name in (a, b)))
        found[f"{a} vs {b}"] = comparison.compare(ours, theirs, rules).as_json()
    return found


def _paired(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    common = min(a.num_seeds, b.num_seeds)
    if common == 1:
        return a, b
    return _first(a, common), _first(b, common)


def _first(predictions: Predictions, count: int) -> Predictions:
    kept: dict[str, Any] = {
        name: None if array is None else array[:count]
        for name, array in (
            ("probabilities", predictions.probabilities),
            ("logits", predictions.logits),
            ("calibrated", predictions.calibrated),
            ("temperatures", predictions.temperatures),
        )
    }
    return replace(predictions, **kept)


def ensemble_comparison(
    ensemble: Mapping[str, Predictions],
    members: Mapping[str, Predictions],
    equal_cost: Predictions | None,
    rules: Rules,
) -> Json:
    """The ensemble against its mean member, its best by validation, and one of its cost."""
    best = comparison.best_of(members["val"])
    held_out = _held_out(ensemble)
    return comparison.compare_ensemble(
        ensemble[held_out], members[held_out], best, rules, equal_cost
    ).as_json()


def champion(models: Mapping[str, Evaluated]) -> tuple[str, int]:
    """The model and the index of its seed with the lowest calibrated loss on validation."""
    losses = {name: one.splits["val"].calibrated_losses.mean(1) for name, one in models.items()}
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
