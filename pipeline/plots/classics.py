"""The picture of a classic: a score of every variant with its interval, by row or over a number."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.plots import style


@style.drawn
def rows(table: pd.DataFrame, language: str, axis: str) -> Figure:
    """A row a variant, in the order of the table.

    Args:
        table: columns name, value, low, high, and published (NaN: nothing is).
        axis: what the score is called.
    """
    figure = style.sheet(width=7.2, height=0.34 * len(table) + 0.9)
    axes = figure.subplots()
    places = np.arange(len(table))
    axes.hlines(places, table["low"], table["high"], color=style.GOOD, linewidth=2)
    axes.plot(table["value"], places, "o", color=style.GOOD, markersize=6)
    axes.plot(table["published"], places, "D", color=style.BAD, markersize=7, fillstyle="none")
    axes.set_yticks(places, [style.short(str(name), 28) for name in table["name"]])
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel(axis)
    axes.grid(axis="y", visible=False)
    return figure


@style.drawn
def sweep(tables: Sequence[tuple[str, pd.DataFrame]], language: str, key: str, axis: str) -> Figure:
    """Scores over the values of one setting, each a line with a band.

    Args:
        tables: by split, columns at (the setting's value), value, low, high.
    """
    figure = style.sheet(width=7.2, height=3.2)
    axes = figure.subplots()
    for split, table in tables:
        ordered = table.sort_values("at")
        at = ordered["at"].to_numpy(float)
        axes.plot(
            at, ordered["value"], "o", linestyle=style.SPLIT_LINES[split], color=style.GOOD,
            markersize=4, label=split,
        )  # fmt: skip
        axes.fill_between(at, ordered["low"], ordered["high"], color=style.GOOD, alpha=0.15, lw=0)
        if at.min() > 0 and at.max() / at.min() >= 20:
            style.log_axis(axes)
    if len(tables) > 1:
        axes.legend(frameon=False)
    axes.set_xlabel(key)
    axes.set_ylabel(axis)
    return figure
