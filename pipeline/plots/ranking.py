"""How well the images of a class are ranked above all others: ROC, and precision with recall.

Input: the tables of `overfit_atlas.ranking`.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.plots import style

MOST_NAMED = 5
"""Classes in colour: those that are ranked worst. The others are grey lines."""


@style.drawn
def ranking(
    curves: pd.DataFrame, areas: pd.DataFrame, language: str, split: str = "test"
) -> Figure:
    """The curves of all classes in `curves`, the worst ones named with their areas.

    Args:
        curves: class_name, curve, x, y. areas: class_name, roc_auc, average_precision.
    """
    say = style.words(language)
    known = areas.dropna().sort_values("average_precision", kind="stable")
    worst = list(known["class_name"])[:MOST_NAMED]
    chosen = dict(zip(worst, style.OTHER_COLOURS, strict=False))
    figure = style.sheet(width=9.4, height=4.7)
    for axes, curve in zip(figure.subplots(1, 2), ("roc", "precision_recall"), strict=True):
        rows = curves[curves["curve"] == curve]
        _lines(axes, rows, chosen)
        axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), aspect="equal")
        axes.set_xlabel(say(f"ranking.{curve}.x"))
        axes.set_ylabel(say(f"ranking.{curve}.y"))
        style.percent(axes.xaxis)
        style.percent(axes.yaxis)
    handles = [
        style.key(
            say(
                "ranking.class",
                name=style.short(str(row.class_name), 24),
                auc=row.roc_auc,
                precision=row.average_precision,
            ),
            color=chosen[row.class_name],
        )
        for row in known.head(MOST_NAMED).itertuples()
    ]
    title = say("ranking.title", split=say(f"split.{split}"))
    note = say("ranking.note")
    num_drawn = curves["class_name"].nunique()
    if num_drawn < len(known):
        note = f"{say('ranking.note_most', shown=num_drawn, total=len(known))} {note}"
    return style.frame(figure, title, note, handles, language)


def _lines(axes: Axes, rows: pd.DataFrame, chosen: dict[str, str]) -> None:
    for name, points in rows.groupby("class_name", sort=False):
        colour = chosen.get(str(name))
        width, order = (1.8, 3) if colour else (0.9, 2)
        axes.plot(points["x"], points["y"], color=colour or style.FAINT, lw=width, zorder=order)
