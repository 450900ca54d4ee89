"""The map in a few numbers: what a sentence about it is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from overfit_atlas.estimates import finite_or_none
from overfit_atlas.gap_map.double_descent import DoubleDescent
from overfit_atlas.gap_map.overfit_map import OverfitMap
from pipeline.studies.plan import Plan
from pipeline.studies.tables import SLICE


def summary(
    plan: Plan,
    maps: Sequence[OverfitMap],
    fits: pd.DataFrame,
    descents: Sequence[DoubleDescent],
) -> dict[str, Any]:
    """JSON content: how the map was made, each of its slices, double descent.

    What is said of widths and dropouts is of the map's `axes`, whichever they are.

    Args:
        fits: `tables.map_table`.
    """
    tune, last = plan.tune, fits[fits["epochs"] == plan.tune.epochs]
    return {
        "model": tune.model,
        "dataset": plan.manifest.dataset,
        "sampler": tune.sampler,
        "threshold": maps[0].settings.threshold,
        "turn_folds": tune.turn_folds,
        "confidence": plan.params.evaluate.confidence,
        "epochs": tune.epochs,
        "num_points": len(last.drop_duplicates([*SLICE, "width", "dropout"])),
        "num_seeds": len(tune.seeds),
        "num_fits": len(last),
        "num_failed": int(last["failed"].notna().sum()),
        "num_probe_images": plan.manifest.num_images("probe"),
        "num_val_images": plan.manifest.num_images("val"),
        "axes": [axis.name for axis in plan.axes],
        "widths": [last["width"].min().item(), last["width"].max().item()],
        "dropouts": [float(last["dropout"].min()), float(last["dropout"].max())],
        "slices": [_slice(found, tune.epochs) for found in maps],
        "double_descent": [asdict(found) for found in descents],
    }


def at_last(found: OverfitMap, epochs: int) -> bool:
    """Whether a slice is of all `epochs`, and not of an earlier budget."""
    return bool(found.fits["epochs"].iloc[0] == epochs)


def _slice(found: OverfitMap, epochs: int) -> dict[str, Any]:
    whole = at_last(found, epochs)  # the surface is checked where it is shown
    points, frontier = found.points, found.frontier()
    worst = points.sort_values("gap_loss").iloc[-1]
    return {
        **{name: finite_or_none(found.fits[name].iloc[0].item()) for name in SLICE},
        "crossing": found.crossing(),
        "overfits_from": asdict(found.overfits_from()),
        "widest": _plain(frontier.iloc[-1].drop("examined").to_dict()),
        "largest_gap": _plain(worst[["width", "dropout", "gap_loss"]].to_dict()),
        "num_underfit": int(points["underfit"].sum()),
        "leave_one_out": asdict(found.leave_one_out()) if whole else None,
    }


def _plain(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Numpy scalars as JSON has them; NaN as None."""
    plain = {name: getattr(value, "item", lambda v=value: v)() for name, value in values.items()}
    return {str(name): finite_or_none(value) for name, value in plain.items()}
