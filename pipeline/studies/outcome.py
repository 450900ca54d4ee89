"""All that comes out of a map: tables, the maps behind them, and the summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from overfit_atlas.gap_map import double_descent, overfit_map
from overfit_atlas.gap_map.overfit_map import MapSettings, OverfitMap
from overfit_atlas.words import LANGUAGES
from pipeline.studies import importance, tables, telling
from pipeline.studies.plan import Plan
from pipeline.studies.ruling import rule
from pipeline.studies.summary import at_last, summary
from pipeline.studies.tables import SLICE


@dataclass(frozen=True)
class Outcome:
    """What the stage `tune` writes.

    Attributes:
        tables: by file name without `.csv`: map, map_curves, epochs, points, frontier, surface,
            importance, double_descent.
        first: the slice that figures show: all data, least label noise, last epoch.
    """

    tables: Mapping[str, pd.DataFrame]
    summary: Mapping[str, Any]
    first: OverfitMap

    def of_first(self, name: str, all_budgets: bool = False) -> pd.DataFrame:
        """The rows of a table that belong to the first slice, or to its data after any budget."""
        return _like(self.tables[name], self.first, SLICE[:2] if all_budgets else SLICE)


def outcome(plan: Plan, trials: Sequence[FrozenTrial]) -> Outcome:
    """The outcome of the finished trials of a map.

    Raises:
        AtlasError: too few fits came through to lay a surface on them.
    """
    ruled = rule(plan, trials)
    fits = tables.map_table(plan, trials, ruled)
    settings = map_settings(plan, ruled.wide)
    maps = [overfit_map.fit(rows, settings) for _, rows in fits.groupby(SLICE)]
    maps.sort(key=_fullness, reverse=True)
    full = [found for found in maps if at_last(found, plan.tune.epochs)]
    descent = tables.descent_fits(plan, fits)
    found = {
        "map": fits,
        "map_curves": tables.curves_table(plan, trials),
        "epochs": tables.epochs_table(_like(fits, maps[0])),
        "points": _stacked([(one, tables.points_table(one)) for one in full]),
        "frontier": _stacked([(one, one.frontier()) for one in maps]),
        "surface": _stacked(
            [(one, tables.surface_table(one, at_last(one, plan.tune.epochs))) for one in maps]
        ),
        "double_descent": double_descent.table(descent),
        "importance": importance.importance_table(trials, "gap_loss", plan.params.seed),
    }
    descents = double_descent.judge(descent, plan.params.seed) if len(descent) else []
    said = summary(plan, maps, fits, descents)
    for part in said["slices"]:
        part["sentence"] = {name: telling.sentence(said, part, name) for name in LANGUAGES}
    return Outcome(found, said, maps[0])


def _like(
    table: pd.DataFrame, found: OverfitMap, columns: Sequence[str] = SLICE[:2]
) -> pd.DataFrame:
    """The rows of `table` that are about the same data as `found`."""
    for column in columns:
        table = table[table[column] == found.fits[column].iloc[0]]
    return table


def map_settings(plan: Plan, wide: float) -> MapSettings:
    """What the parameters ask of the map; `wide` is where a gap is wide (nats) if not told."""
    evaluate = plan.params.evaluate
    return MapSettings(
        threshold=plan.tune.threshold or wide,
        num_images=plan.manifest.num_images("val"),
        confidence=evaluate.confidence,
        num_resamples=evaluate.num_resamples,
        seed=plan.params.seed,
        log_width=plan.axes[0].log,
        log_dropout=plan.axes[1].log,
        folds=plan.tune.turn_folds and len(plan.tune.seeds) > 1,
    )


def _fullness(found: OverfitMap) -> tuple[float, float, float]:
    noise, share = _last(found, "label_noise"), _last(found, "train_fraction")
    return share, -noise, _last(found, "epochs")


def _last(found: OverfitMap, column: str) -> float:
    return float(found.fits[column].iloc[-1])


def _stacked(parts: Sequence[tuple[OverfitMap, pd.DataFrame]]) -> pd.DataFrame:
    """Tables of several slices as one, with the slice in front."""
    named = []
    for found, table in parts:
        table = table.copy()
        for column in SLICE[::-1]:
            table.insert(0, column, found.fits[column].iloc[0])
        named.append(table)
    return pd.concat(named, ignore_index=True)
