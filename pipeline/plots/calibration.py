"""Whether probabilities can be believed: the reliability diagram.

Input: the reliability table of `evaluate`: split, bin, confidence, accuracy, count.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.plots import style


@style.drawn
def reliability(tables: Mapping[str, pd.DataFrame], language: str, split: str = "test") -> Figure:
    """How often the model is right when it claims a given probability, a line a model.

    `tables` by model, columns split, confidence, accuracy (both 0..1), count.
    """
    say = style.words(language)
    chosen = style.colours(tables)
    figure = style.sheet(width=6.4, height=4.7)
    axes = figure.subplots()
    handles: list[Artist] = []
    for name, table in tables.items():
        bins = _bins(table, split)
        axes.plot(bins["confidence"], bins["accuracy"], "o-", color=chosen[name], ms=5)
        said = f"{style.short(name, 24)} (ECE {calibration_error(table, split):.3f})"
        handles.append(style.key(said, color=chosen[name], marker="o"))
    lowest = min((_bins(table, split).min().min() for table in tables.values()), default=0.0)
    _reference(axes, language, max(0.0, float(np.nan_to_num(lowest)) - 0.04))
    axes.set_xlabel(say("reliability.claimed"))
    axes.set_ylabel(say("reliability.reached"))
    title = say("reliability.title", split=say(f"split.{split}"))
    return style.frame(figure, title, say("reliability.note"), handles, language)


def _bins(table: pd.DataFrame, split: str) -> pd.DataFrame:
    rows = table[(table["split"] == split) & (table["count"] > 0)]
    return rows.sort_values("confidence")[["confidence", "accuracy"]]


def _reference(axes: Axes, language: str, low: float) -> None:
    """The diagonal of perfect calibration, and what lies on either side of it."""
    say = style.words(language)
    axes.plot([low, 1], [low, 1], color=style.MUTED, linewidth=1.2, zorder=1)
    axes.fill_between([low, 1], [low, 1], [low, low], color=style.FAINT, alpha=0.45, lw=0)
    axes.set(xlim=(low, 1.015), ylim=(low, 1.015), aspect="equal")
    looks: dict[str, Any] = {
        "transform": axes.transAxes,
        "color": style.MUTED,
        "fontsize": style.NOTE_POINTS,
    }
    axes.text(0.97, 0.03, say("reliability.over"), ha="right", va="bottom", **looks)
    axes.text(0.03, 0.97, say("reliability.under"), ha="left", va="top", **looks)
    style.percent(axes.xaxis)
    style.percent(axes.yaxis)


def calibration_error(table: pd.DataFrame, split: str) -> float:
    """Expected calibration error: mean |accuracy - confidence| over bins, weighted by images."""
    rows = table[(table["split"] == split) & (table["count"] > 0)]
    if rows.empty:
        return float("nan")
    off = (rows["accuracy"] - rows["confidence"]).abs()
    return float(np.average(off, weights=rows["count"]))
