"""How much worse the search's winner is than the search said: fits it was not chosen by.

The search takes the setting with the lowest validation loss it saw, so that figure flatters: part
of it is luck with those seeds and those images. Fresh seeds, one for each validation fold, show
what the same setting reaches without that luck (Nagler et al.,
Reshuffling Resampling Splits, 2024).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from overfit_atlas.estimates import over_seeds
from pipeline.studies import scoring
from pipeline.studies.plan import Plan
from pipeline.training.task import FitResult, FitTask


def fresh(plan: Plan, parameters: Mapping[str, Any], num_folds: int) -> list[FitTask]:
    """Fits of the winner as the search fitted it, one a fold, with seeds that nothing else uses."""
    used = {*plan.tune.seeds, *plan.params.train_for(plan.tune.model).seeds}
    first = max(used) + 1
    (task,) = plan.tasks(dict(parameters), "search", [first])
    return [
        replace(task, seed=first + fold, vary=replace(task.vary, fold=fold))
        for fold in range(num_folds)
    ]


def overtuning(
    plan: Plan, winner: Mapping[str, Any], results: Sequence[FitResult]
) -> dict[str, Any]:
    """Fresh validation loss minus that of the search, at each fit's best epoch (nats).

    The figure of the search is what it is; the interval is that of the mean over fresh folds, which
    share training images, so that it is rather too narrow.

    Args:
        winner: `searched.winner`; results: of the tasks of `fresh`.
    """
    evaluate = plan.params.evaluate
    losses = {result.seed: scoring.best_loss(result, evaluate.smoothing) for result in results}
    finite = [loss for loss in losses.values() if np.isfinite(loss)]
    mean = over_seeds(finite, confidence=evaluate.confidence) if finite else None
    searched = float(winner["val_loss"])
    ends = {"value": mean.value, "low": mean.low, "high": mean.high} if mean else {}
    return {
        **winner,
        "fresh_val_loss": ends.get("value"),
        "fresh_seeds": sorted(losses),
        "num_failed": len(losses) - len(finite),
        "confidence": evaluate.confidence,
        "overtuning": {
            end: None if value is None else value - searched for end, value in ends.items()
        },
    }
