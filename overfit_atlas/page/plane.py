"""The map for the page: each point's curves, gap and verdict, and the frontier between them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from overfit_atlas.estimates import Json
from overfit_atlas.page.courses import curves_by, plainly
from overfit_atlas.page.numbers import known

if TYPE_CHECKING:
    import pandas as pd

AT = ["width", "dropout"]
CURVES = ("epochs", "probe", "val", "probe_accuracy", "val_accuracy", "gap")
HALF_POINT = 0.06  # half the side of a point off a grid, as a share of the axis


def plane(
    tables: Mapping[str, "pd.DataFrame"],
    threshold: float,
    model: str,
    said: Mapping[int, str] | None = None,
) -> Json | None:
    """The map as the page shows it; None where there is none.

    Args:
        tables: `points` (one row a point, at the last epoch), `map_curves` (one row a fit, epoch
            and split), `frontier`, and `epochs` (verdicts by epoch), as far as they are there.
        threshold: nats of gap that count as overfitting.
        said: a sentence on the frontier after so many epochs.

    Returns: points: width, dropout, cell (x, x2, y, y2), verdict, kind, plainly (said without
        "probably"), onset (status, best_epoch, low, high), gap and curves an epoch, judged: the
        verdicts by epoch where they are known; epochs;
        frontiers: one a budget, fewest epochs first: epochs (None: the last), said, and rows of
        width, dropout, low, high.
    """
    if "points" not in tables or tables["points"].empty:
        return None
    points = _slice(tables["points"])
    if "epochs" in points:
        points = points[points["epochs"] == points["epochs"].max()]
    points = points.sort_values(AT).reset_index(drop=True)
    curves = _curves(tables.get("map_curves"))
    stages = _stages(tables.get("epochs"))
    cells = _cells(points)
    found = [
        {**_point(row), "cell": cell, **curves.get(_key(row), {}), **stages.get(_key(row), {})}
        for row, cell in zip(points.to_dict("records"), cells, strict=True)
    ]
    return {
        "model": model,
        "threshold": threshold,
        "epochs": _epochs(curves),
        "points": found,
        "frontiers": _frontiers(tables.get("frontier"), said or {}),
    }


def _key(row: Mapping[Any, Any]) -> tuple[float, float]:
    return round(float(row["width"]), 6), round(float(row["dropout"]), 6)


def _slice(table: "pd.DataFrame") -> "pd.DataFrame":
    """The part of a table that is about all of the training images, with the least label noise."""
    for column, pick in (("train_fraction", "max"), ("label_noise", "min")):
        if column in table:
            table = table[table[column] == getattr(table[column], pick)()]
    return table


def _point(row: Mapping[Any, Any]) -> Json:
    numbers = ("gap_loss", "probability")
    return {
        "width": float(row["width"]),
        "dropout": round(float(row["dropout"]), 6),
        **{name: _text(row.get(name)) for name in ("verdict", "kind")},
        "onset": _onset(row),
        **{name: _number(row.get(name)) for name in numbers},
        "plainly": plainly(row.get("probability")),
    }


def _onset(row: Mapping[Any, Any]) -> Json | None:
    status = _text(row.get("onset"))
    names = {"best_epoch": "onset_epoch", "low": "onset_low", "high": "onset_high"}
    ends = {name: _number(row.get(column)) for name, column in names.items()}
    return {"status": status, **ends} if status else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return round(float(value), 4) if known(value) else None


def _curves(table: "pd.DataFrame | None") -> dict[tuple[float, float], Json]:
    """By point, means over seeds at each epoch: probe, val, accuracies, and the gap."""
    if table is None or table.empty:
        return {}
    return {
        _key({"width": width, "dropout": dropout}): {key: found[key] for key in CURVES}
        for (width, dropout), found in curves_by(_slice(table), AT)
    }


def _stages(table: "pd.DataFrame | None") -> dict[tuple[float, float], Json]:
    """By point, of each epoch that was judged: epoch, verdict, kind, and whether it is sure."""
    if table is None or table.empty:
        return {}
    return {
        _key({"width": width, "dropout": dropout}): {
            "judged": [
                [
                    int(one["epoch"]),
                    _text(one.get("verdict")),
                    _text(one.get("kind")),
                    plainly(one.get("probability")),
                ]
                for one in rows.sort_values("epoch").to_dict("records")
            ]
        }
        for (width, dropout), rows in _slice(table).groupby(AT)
    }


def _epochs(curves: Mapping[Any, Json]) -> list[int]:
    found: list[list[int]] = [one["epochs"] for one in curves.values()]
    return max(found, key=len, default=[])


def _cells(points: "pd.DataFrame") -> list[list[float]]:
    """The rectangle (x, x2, y, y2) of each point: it reaches half way to its neighbours on a grid.

    Off a grid all points are small and alike.
    """
    widths, dropouts = np.log2(points["width"].to_numpy(float)), points["dropout"].to_numpy(float)
    ticks = np.unique(widths.round(9)), np.unique(dropouts.round(9))
    on_grid = len(ticks[0]) * len(ticks[1]) == len(points) and min(map(len, ticks)) > 1
    sides = [
        _sides(axis, values, on_grid)
        for axis, values in zip(ticks, (widths, dropouts), strict=True)
    ]
    return [
        [*(round(2**x, 4) for x in of_width), *(round(y, 4) for y in of_dropout)]
        for of_width, of_dropout in zip(*sides, strict=True)
    ]


def _sides(ticks: np.ndarray, values: np.ndarray, on_grid: bool) -> list[tuple[float, float]]:
    if not on_grid:
        half = HALF_POINT * (float(ticks[-1] - ticks[0]) or 1.0) / 2
        return [(float(one) - half, float(one) + half) for one in values]
    middles = (ticks[1:] + ticks[:-1]) / 2
    first, last = ticks[0] - (middles[0] - ticks[0]), ticks[-1] + (ticks[-1] - middles[-1])
    edges = np.concatenate([[first], middles, [last]])
    places = np.searchsorted(ticks, values.round(9))
    return [(float(edges[place]), float(edges[place + 1])) for place in places]


def _frontiers(table: "pd.DataFrame | None", said: Mapping[int, str]) -> list[Json]:
    """After each budget, the least dropout that keeps the gap small: where some is needed."""
    if table is None or table.empty:
        return []
    rows = _slice(table).sort_values("width")
    if "epochs" not in rows:
        return [{"epochs": None, "said": "", "rows": _needed(rows)}]
    return [
        {
            "epochs": budget,
            "said": said.get(budget, ""),
            "rows": _needed(rows[rows["epochs"] == budget]),
        }
        for budget in sorted({int(one) for one in rows["epochs"]})
    ]


def _needed(rows: "pd.DataFrame") -> list[Json]:
    names = {"dropout": "dropout", "low": "dropout_low", "high": "dropout_high"}
    return [
        {
            "width": float(row["width"]),
            **{name: _number(row.get(column)) for name, column in names.items()},
        }
        for row in rows.to_dict("records")
        if row.get("need", "some") == "some" and known(row["dropout"])
    ]
