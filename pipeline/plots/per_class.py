"""Scores class by class, on probe and on test, and the gap between them.

Input: the table of `evaluate`: class_name, split, f1, f1_low, f1_high, and class_gap,
class_gap_low, class_gap_high, flagged (the same in all rows of a class, or on the rows of `held`).
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.plots import style

SHOWN = 20  # classes with names; more are shown as one ranked line beside


@style.drawn
def per_class(
    scores: pd.DataFrame, language: str, held: str = "test", fit: str = "probe"
) -> Figure:
    """F1 of each class on `fit` (filled) and `held` (open) with intervals, and the class gap.

    Classes stand worst first. Above 20 classes the 20 worst are named, and a panel ranks them all.
    """
    say = style.words(language)
    table = by_class(scores, held, fit)
    worst = table.head(SHOWN)
    many = len(table) > SHOWN
    figure = style.sheet(width=10.4 if many else 8.4, height=0.27 * max(len(worst), 4) + 0.9)
    ratios = (1.15, 1.5, 1) if many else (1.5, 1)
    panels = list(figure.subplots(1, len(ratios), width_ratios=ratios))
    if many:
        _ranked(panels.pop(0), table, language, held)
    _dumbbells(panels[0], worst, say("per_class.f1"))
    _gaps(panels[1], worst, say("per_class.gap"))
    colour = style.GOOD
    handles = [
        style.key(say(f"split_long.{fit}"), marker="o", color=colour, linestyle=""),
        style.key(
            say(f"split_held.{held}"), marker="o", color=colour, ls="", mfc=style.PAPER, mew=1.8
        ),
        style.key(say("per_class.flagged"), marker="s", color=style.BAD, linestyle=""),
    ]
    title = say("per_class.title_worst", shown=len(worst), total=len(table)) if many else ""
    note = say("per_class.note")
    return style.frame(figure, title or say("per_class.title"), note, handles, language)


def by_class(scores: pd.DataFrame, held: str, fit: str) -> pd.DataFrame:
    """One row a class, worst F1 on `held` first.

    Columns: f1_fit, f1_held, low, high (of the held F1), gap, gap_low, gap_high, flagged.
    """
    keyed = scores.assign(class_name=scores["class_name"].astype(str)).set_index("class_name")
    kept, known = keyed[keyed["split"] == held], keyed[keyed["split"] == fit]
    table = pd.DataFrame(
        {
            "f1_fit": known["f1"].reindex(kept.index),
            "f1_held": kept["f1"],
            "low": kept.get("f1_low", np.nan),
            "high": kept.get("f1_high", np.nan),
        }
    )
    source = kept if "class_gap" in kept and kept["class_gap"].notna().any() else known
    names = {"class_gap": "gap", "class_gap_low": "gap_low", "class_gap_high": "gap_high"}
    for column, name in names.items():
        given = source.get(column)
        table[name] = np.nan if given is None else given.reindex(table.index)
    table["gap"] = table["gap"].fillna(table["f1_fit"] - table["f1_held"])
    flags = source.get("flagged", pd.Series(False, index=source.index))
    table["flagged"] = flags.reindex(table.index).fillna(False).astype(bool)
    return table.sort_values("f1_held", kind="stable")


def _rows(axes: Axes, table: pd.DataFrame, names: bool) -> np.ndarray:
    places = np.arange(len(table))
    axes.set_ylim(max(len(table), 4) - 0.4, -0.6)
    axes.set_yticks(places, [style.short(name, 20) for name in table.index] if names else [])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    return places


def _colours(table: pd.DataFrame) -> list[str]:
    return [style.BAD if flagged else style.GOOD for flagged in table["flagged"]]


def _dumbbells(axes: Axes, table: pd.DataFrame, label: str) -> None:
    places, colours = _rows(axes, table, names=True), _colours(table)
    axes.hlines(places, table["f1_held"], table["f1_fit"], color=style.FAINT, linewidth=5)
    axes.hlines(places, table["low"], table["high"], color=colours, linewidth=1.6)
    axes.scatter(table["f1_fit"], places, c=colours, s=38, zorder=3)
    axes.scatter(
        table["f1_held"], places, c=style.PAPER, edgecolors=colours, linewidths=1.8, s=38, zorder=4
    )
    low = float(np.nanmin(table[["low", "f1_held"]].to_numpy(dtype=float)))
    axes.set_xlim(max(-0.02, low - 0.06), 1.02)
    axes.set_xlabel(label)


def _gaps(axes: Axes, table: pd.DataFrame, label: str) -> None:
    places, colours = _rows(axes, table, names=False), _colours(table)
    axes.axvline(0, color=style.MUTED, linewidth=1.2)
    axes.hlines(places, table["gap_low"], table["gap_high"], color=colours, linewidth=1.6)
    axes.scatter(table["gap"], places, c=colours, marker="s", s=30, zorder=3)
    axes.set_xlabel(label)


def _ranked(axes: Axes, table: pd.DataFrame, language: str, held: str) -> None:
    """All classes as two ranked clouds, with the named ones shaded."""
    say = style.words(language)
    ranks = np.arange(1, len(table) + 1)
    axes.axvspan(0.5, SHOWN + 0.5, color=style.FAINT, alpha=0.6, linewidth=0)
    axes.fill_between(ranks, table["low"], table["high"], color=style.GOOD, alpha=0.15, lw=0)
    axes.scatter(ranks, table["f1_fit"], c=_colours(table), s=9)
    axes.plot(ranks, table["f1_held"], color=style.GOOD, linewidth=1.8)
    axes.set_xlabel(say("per_class.rank", split=say(f"split.{held}")))
    axes.set_ylabel(say("per_class.f1"))
    axes.set_ylim(0, 1.02)
