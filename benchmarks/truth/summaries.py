"""The committed table: one row a setting, what it was and what was true of it."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.truth import stored, tables, truths
from benchmarks.truth.settings import NUM_JUDGED, Setting
from benchmarks.truth.stored import StoredSetting
from benchmarks.truth.truths import SCORES, Damage, Floats

TABLE = stored.HERE / "summaries.csv"
OF_RECIPE = ("gap", "gap_best", "slope", "loss", "accuracy", "probe_loss", "probe_accuracy")


def write(folder: Path, table: Path) -> pd.DataFrame:
    """Add the rows of all settings kept in `folder` to `table`, and return all that it holds.

    Raises:
        SystemExit: there are none.
    """
    kept = [row(stored.read(path)) for path in stored.all_paths(folder)]
    return tables.grow(table, pd.DataFrame(kept))


def described(rows: pd.DataFrame) -> str:
    """A table in Markdown: how many settings there are, and of how many each damage is material.

    Shares are of the natural mix; the error of the truth is the median over settings whose rise is
    between a quarter and four times material, seeds and images taken together, over material.
    """
    lines = ["| part | score | settings | material | in the natural mix | error of the truth |"]
    lines.append("|---|---|---|---|---|---|")
    for part, group in rows.groupby("part", sort=False):
        for name in SCORES:
            severity = group[f"{name}_rise"] / group[f"{name}_material"]
            share = np.average(severity >= 1, weights=group["weight"])
            errors = np.hypot(group[f"{name}_rise_error_seeds"], group[f"{name}_rise_error_images"])
            near = severity.between(0.25, 4)
            error = (errors / group[f"{name}_material"])[near].median()
            cells = (part, name, len(group), int((severity >= 1).sum()), f"{share:.0%}")
            lines.append(f"| {' | '.join(map(str, cells))} | {error:.2f} of material |")
    return "\n".join(lines)


def row(kept: StoredSetting) -> dict[str, object]:
    """One setting: its fields, then what was true of the recipe and of each judged training.

    For each of `SCORES`: best epoch and onset (from 1), best, rise and material of the recipe; the
    standard errors of that rise from seeds and from images; the rise of each judged training.
    """
    setting, recipe = kept.setting, truths.of_recipe(kept)
    found: dict[str, object] = _fields(setting)
    for name in SCORES:
        found |= _damage_columns(name, recipe.damages[name])
        found[f"{name}_rise_error_seeds"] = _error_of_mean(truths.rises_by_seed(kept, name))
        at = recipe.damages[name].best_epoch - 1
        found[f"{name}_rise_error_images"] = float(kept.image_errors[SCORES.index(name), at])
        for seed in range(NUM_JUDGED):
            found[f"{name}_rise_seed{seed}"] = truths.of_training(kept, seed).damages[name].rise
    for name in OF_RECIPE:
        found[name] = getattr(recipe, name)
    return {name: _rounded(value) for name, value in found.items()}


def _fields(setting: Setting) -> dict[str, object]:
    fields = dict(vars(setting))
    fields["units"] = "-".join(map(str, setting.units))
    return fields


def _damage_columns(name: str, found: Damage) -> dict[str, object]:
    names = ("best_epoch", "onset", "best", "rise", "material")
    return {f"{name}_{key}": getattr(found, key) for key in names}


def _error_of_mean(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _rounded(value: object) -> object:
    return float(f"{value:.5g}") if isinstance(value, float) else value
