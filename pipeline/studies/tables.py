"""What the finished trials of a study say, as tables: pure functions of trials and a plan.

Every table is sorted by what it is about, never by trial number, and holds no time: so a study
that was killed and resumed gives the same tables as one that ran through.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from pipeline.diagnosis import double_descent
from pipeline.diagnosis.overfit_map import OverfitMap
from pipeline.studies.plan import Plan
from pipeline.studies.scoring import SCORES

SLICE = ["train_fraction", "label_noise", "epochs"]
POINT = ["width", "dropout"]
SMOOTHED = ("val_loss", "val_accuracy", "best_val_loss", "best_epoch")
"""What the surface is tabled for besides the gap."""


def map_table(plan: Plan, trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """One row a fit and budget: `SLICE`, `POINT`, seed, and the scores of `scoring.fit_rows`."""
    rows = [
        {**plan.full(trial.params), **row}
        for trial in _once(trials)
        for row in trial.user_attrs["fits"]
    ]
    table = pd.DataFrame(rows)
    numbers = [name for name in SCORES if name != "onset"]
    table[numbers] = table[numbers].astype(float)
    return _sorted(table, [*SLICE, *POINT, "seed"])


def curves_table(plan: Plan, trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """One row an epoch, split, seed and point: what `results/curves/MODEL.csv` is for a model."""
    parts = []
    for trial in _once(trials):
        table = pd.DataFrame(trial.user_attrs["curves"])
        point = plan.full(trial.params)
        for name in [*POINT, *SLICE[:2]][::-1]:
            table.insert(0, name, point[name])
        parts.append(table)
    order = [*SLICE[:2], *POINT, "seed", "epoch", "split"]
    return _sorted(pd.concat(parts, ignore_index=True), order)


def _once(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The first trial at each point: processes that shared a study may have fitted one twice."""
    first: dict[tuple[tuple[str, Any], ...], FrozenTrial] = {}
    for trial in trials:
        first.setdefault(tuple(sorted(trial.params.items())), trial)
    return list(first.values())


def points_table(plan: Plan, trials: Sequence[FrozenTrial], found: OverfitMap) -> pd.DataFrame:
    """One row a point of one slice at the last budget, with the verdict on it.

    Columns: `POINT`, num_seeds, gap_loss with its interval, gap_accuracy, probe_accuracy,
    underfit; verdict, onset (confirmed, none, censored) and onset_epoch (median over seeds).
    A verdict against the best fit of the whole map: what is underfit there is so here.
    """
    judged = pd.DataFrame(
        [
            {name: plan.full(trial.params)[name] for name in [*SLICE[:2], *POINT]}
            | {name: trial.user_attrs.get(name) for name in ("verdict", "onset", "onset_epoch")}
            for trial in _once(trials)
        ]
    )
    table = found.points.drop(columns=["shortfall", "closeness", "image_error"])
    for name in SLICE[:2]:
        judged = judged[judged[name] == found.fits[name].iloc[0]].drop(columns=name)
    table = table.merge(judged, on=POINT, how="left", validate="one_to_one")
    table.loc[table["underfit"], "verdict"] = "underfit"
    return table


def surface_table(found: OverfitMap) -> pd.DataFrame:
    """`OverfitMap.table`, with the other scores of the map (`SMOOTHED`) smoothed alike."""
    more = {name: found.smooth(name, found.lattice) for name in SMOOTHED}
    return found.table().assign(**more)


def descent_fits(plan: Plan, table: pd.DataFrame) -> pd.DataFrame:
    """The fits of `map_table` for double descent: the net with the least dropout, all data."""
    kept = table[
        (table["dropout"] == min(plan.tune.dropouts))
        & (table["epochs"] == plan.tune.epochs)
        & (table["train_fraction"] == max(plan.tune.train_fractions))
        & table["val_accuracy"].notna()
    ]
    errors = {f"{split}_error": 1 - kept[f"{split}_accuracy"] for split in ("probe", "val")}
    return kept.assign(**errors)[list(double_descent.COLUMNS)]


SEARCHED = ("width", "dropout", "learning_rate")


def search_table(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """One row a trial of the search, in the order in which they were proposed.

    Columns: order, state (complete, pruned), `SEARCHED`, num_seeds, then means over them: val_loss,
    gap_loss, val_accuracy (at the best epoch), final_gap_loss (at the last), best_epoch; and
    num_parameters, verdict.
    """
    rows = []
    for order, trial in enumerate(trials):
        fits = pd.DataFrame(trial.user_attrs["fits"])
        means = fits.select_dtypes("number").mean()
        row: dict[str, Any] = {"order": order, "state": trial.state.name.lower()}
        row |= {name: trial.params[name] for name in SEARCHED} | {"num_seeds": len(fits)}
        for name in ("val_loss", "gap_loss", "val_accuracy"):
            row[name] = means.get(f"best_{name}", np.nan)
        row |= {"final_gap_loss": means.get("gap_loss"), "best_epoch": means.get("best_epoch")}
        row |= {"num_parameters": fits["num_parameters"].iloc[0]}
        rows.append(row | {"verdict": trial.user_attrs.get("verdict")})
    return pd.DataFrame(rows)


def importance_table(trials: Sequence[FrozenTrial], target: str, seed: int) -> pd.DataFrame:
    """How much of the variance of a study's value each parameter explains, by two evaluators.

    Columns: target (the name of the value), evaluator, parameter, importance (sums to 1). They are
    often of two minds, so both are named. Empty where nothing varies.
    """
    columns = ["target", "evaluator", "parameter", "importance"]
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    ordered = sorted(done, key=lambda trial: sorted(trial.params.items()))
    if len(ordered) < 2 or np.ptp([_value(trial) for trial in ordered]) == 0:
        return pd.DataFrame(columns=columns)
    from optuna import importance  # a second of scikit-learn, which workers can do without

    evaluators: dict[str, importance.BaseImportanceEvaluator] = {
        "fANOVA": importance.FanovaImportanceEvaluator(seed=seed),
        "mean decrease in impurity": importance.MeanDecreaseImpurityImportanceEvaluator(seed=seed),
    }
    study = optuna.create_study(direction="minimize")
    study.add_trials([_bare(trial) for trial in ordered])
    rows = []
    for name, evaluator in evaluators.items():
        found = importance.get_param_importances(study, evaluator=evaluator)
        for parameter, share in sorted(found.items()):
            rows.append((target, name, parameter, round(float(share), 6)))
    return pd.DataFrame(rows, columns=columns)


def _bare(trial: FrozenTrial) -> FrozenTrial:
    return optuna.create_trial(
        params=trial.params, distributions=trial.distributions, value=trial.value
    )


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value


def _sorted(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    ordered = table.sort_values(keys, kind="stable").reset_index(drop=True)
    return ordered[keys + [name for name in ordered.columns if name not in keys]]
