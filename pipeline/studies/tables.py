"""What the finished trials of a map say, as tables: pure functions of trials and a plan.

Every table is sorted by what it is about, never by trial number, and holds no time: so a study
that was killed and resumed gives the same tables as one that ran through.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from overfit_atlas.gap_map import double_descent
from overfit_atlas.gap_map.overfit_map import OverfitMap
from pipeline.params import WIDTH
from pipeline.studies.judged import OF_POINT, SCORES
from pipeline.studies.plan import Plan
from pipeline.studies.ruling import Ruled
from pipeline.studies.scoring import WORDS

SLICE = ["train_fraction", "label_noise", "epochs"]
POINT = ["width", "dropout"]
SMOOTHED = ("val_loss", "val_accuracy", "best_val_loss", "best_epoch")
"""What the surface is tabled for besides the gap."""


def map_table(plan: Plan, trials: Sequence[FrozenTrial], ruled: Ruled) -> pd.DataFrame:
    """One row a fit and budget: `SLICE`, `POINT`, seed, and the scores of `judged.fit_rows`.

    The verdict on a point is against all other points of its slice: one that another point beats
    on probe and on validation is too simple.
    """
    rows = []
    for trial in _once(trials):
        for row in trial.system_attrs["fits"]:
            said = ruled.said.get((trial.number, row["epochs"]), {}) if row["verdict"] else {}
            rows.append({**plan.full(trial.params), **row, **said})
    table = pd.DataFrame(rows)
    numbers = [name for name in SCORES if name not in WORDS]
    table[numbers] = table[numbers].astype(float)
    return _sorted(table, [*SLICE, *POINT, "seed"])


def epochs_table(fits: pd.DataFrame) -> pd.DataFrame:
    """The map after each budget: one row a point and epoch, for one kind of data.

    Columns: width, dropout, epoch, gap with gap_low and gap_high, val_loss (nats, means over seeds;
    the interval is that of the judgement), verdict, kind, probability.

    Args:
        fits: `map_table`.
    """
    groups = fits.groupby([*POINT, "epochs"], sort=True)
    table = groups[["gap_loss", "val_loss"]].mean()
    said = ["gap_loss_low", "gap_loss_high", "verdict", "kind", "probability"]
    table = table.join(groups[said].first()).reset_index()
    names = {"epochs": "epoch", "gap_loss": "gap"}
    names |= {"gap_loss_low": "gap_low", "gap_loss_high": "gap_high"}
    columns = [*POINT, "epoch", "gap", "gap_low", "gap_high", "val_loss"]
    return table.rename(columns=names)[[*columns, "verdict", "kind", "probability"]]


def curves_table(plan: Plan, trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """One row an epoch, split, seed and point: what `results/curves/MODEL.csv` is for a model."""
    parts = []
    for trial in _once(trials):
        table = pd.DataFrame(trial.system_attrs["curves"])
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


def points_table(found: OverfitMap) -> pd.DataFrame:
    """One row a point of one slice and budget, with the verdict on it.

    Columns: `POINT`, num_seeds, gap_loss with its interval, underfit; means over seeds of
    gap_accuracy and probe_accuracy; verdict, kind, probability, damage of the scores, onset
    (confirmed, none, censored) and onset_epoch with its interval.
    """
    judged = found.fits.groupby(POINT)[list(OF_POINT)].first()  # equal for all seeds of a point
    means = found.fits.groupby(POINT)[["gap_accuracy", "probe_accuracy"]].mean()
    own = [name for name in found.points if name in OF_POINT]  # the judgement's are in `judged`
    table = found.points.drop(columns=["image_error", *own])
    return table.merge(means.join(judged).reset_index(), on=POINT, validate="one_to_one")


def surface_table(found: OverfitMap, whole: bool = True) -> pd.DataFrame:
    """`OverfitMap.table`, with the other scores of the map (`SMOOTHED`) smoothed alike.

    Those of earlier budgets are left empty: nobody asks for them, and each costs a surface.
    """
    if not whole:
        return found.table()
    more = {name: found.smooth(name, found.lattice) for name in SMOOTHED}
    return found.table().assign(**more)


def descent_fits(plan: Plan, table: pd.DataFrame) -> pd.DataFrame:
    """The fits of `map_table` for double descent: the net with the least dropout, all data.

    None where the map's first axis is not the width.
    """
    width, dropout = plan.axes
    kept = table[
        (width.name == WIDTH)
        & (table["dropout"] == min(dropout.values))
        & (table["epochs"] == plan.tune.epochs)
        & (table["train_fraction"] == max(plan.tune.train_fractions))
        & table["val_accuracy"].notna()
    ]
    errors = {f"{split}_error": 1 - kept[f"{split}_accuracy"] for split in ("probe", "val")}
    return kept.assign(**errors)[list(double_descent.COLUMNS)]


def _sorted(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    ordered = table.sort_values(keys, kind="stable").reset_index(drop=True)
    return ordered[keys + [name for name in ordered.columns if name not in keys]]
