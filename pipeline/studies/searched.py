"""What the finished trials of a search say, and which of them is the best."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from pipeline.studies.importance import value_of
from pipeline.studies.plan import Plan


def search_table(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """One row a trial of the search, in the order in which they were proposed.

    Columns: order, state (complete, pruned), its parameters, num_seeds, then means over them:
    val_loss, gap_loss, val_accuracy (at the best epoch), final_gap_loss (at the last), best_epoch;
    and num_parameters.
    """
    rows = []
    for order, trial in enumerate(trials):
        fits = pd.DataFrame(trial.system_attrs["fits"])
        means = fits.select_dtypes("number").mean()
        row: dict[str, Any] = {"order": order, "state": trial.state.name.lower()}
        row |= {**trial.params, "num_seeds": len(fits)}
        for name in ("val_loss", "gap_loss", "val_accuracy"):
            row[name] = means.get(f"best_{name}", np.nan)
        row |= {"final_gap_loss": means.get("gap_loss"), "best_epoch": means.get("best_epoch")}
        rows.append(row | {"num_parameters": fits["num_parameters"].iloc[0]})
    return pd.DataFrame(rows)


def winner(plan: Plan, trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    """The complete trial of the search with the lowest validation loss; empty where there is none.

    model; parameters: by key of a study; val_loss: of the search, at each seed's best epoch (nats,
    mean over seeds); num_trials that it was chosen from; seeds and epochs of its fits.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        return {}
    best = min(complete, key=value_of)
    return {
        "model": plan.tune.model,
        "parameters": best.params,
        "val_loss": best.value,
        "num_trials": len(trials),
        "seeds": list(plan.tune.seeds),
        "epochs": plan.tune.epochs,
    }
