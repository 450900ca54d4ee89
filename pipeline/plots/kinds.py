"""What is said of each point of the plane of width and dropout, and how the frontier moves.

`points` has one row a fit or point: width, dropout, verdict, kind, probability. `frontiers` has one
row a budget and width: epochs, width, need, dropout, dropout_low, dropout_high.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overfit_atlas.rules import PLAINLY
from overfit_atlas.words import sentences, text
from pipeline.plots import plane, style
from pipeline.plots.plane import USUAL, Plane

COLOURS = {
    "underfit": "#c9d8e8",
    "good fit": "#a9d8b4",
    "overfit": "#f2a562",
    "data": "#d8c4e8",
    "undetermined": style.PAPER,
}
OVERFIT = {"by heart": "#fbd9b5", "too sure": "#f2a562", "wrong more often": "#d9692d"}


@style.drawn
def kinds_map(
    points: pd.DataFrame,
    surface: pd.DataFrame,
    language: str,
    threshold: float,
    epochs: int,
    of: Plane = USUAL,
) -> Figure:
    """Verdict and kind at every point, under the frontier of the gap: the regions of the plane.

    Uses gap_loss of `surface`; `epochs` is the budget, which the title names.
    """
    say = style.words(language)
    figure = style.sheet(height=4.4)
    axes = figure.subplots()
    first = points.groupby(["width", "dropout"])[["verdict", "kind", "probability"]].first()
    told = first.dropna(subset=["verdict"]).reset_index()
    for row in told.to_dict("records"):
        place = float(row["width"]), float(row["dropout"])
        looks: dict[str, Any] = {"color": colour(row["verdict"], row["kind"]), "marker": "s"}
        axes.plot(*place, markersize=30, clip_on=False, markeredgecolor="#aab2bb", **looks)
        axes.annotate(
            _label(row, language), place, ha="center", va="center", fontsize=6.5, zorder=5,
            color=style.INK, annotation_clip=False,
        )  # fmt: skip
    x, y, z = plane.lattice(surface, "gap_loss")
    handles = _handles(told, language)
    if z.min() < threshold < z.max():
        axes.contour(x, y, z, levels=[threshold], colors=[style.INK], linewidths=2.6)
        label = say("map.frontier", threshold=threshold)
        handles.append(style.key(label, color=style.INK, linewidth=2.6))
    plane.draw_axes(axes, points, points, of, language)
    _leave_room(axes, told)
    title = say("map.kinds_title", epochs=epochs)
    return style.frame(figure, title, say("map.kinds_note"), handles, language)


@style.drawn
def frontiers(
    frontiers: pd.DataFrame, language: str, threshold: float, of: Plane = USUAL
) -> Figure:
    """The frontier of the same fits after several budgets of epochs, the last one with its band."""
    say = style.words(language)
    figure = style.sheet(height=3.9)
    axes = figure.subplots()
    budgets = sorted(set(frontiers["epochs"]))
    shades = plane.blues()(np.linspace(0.3, 1, len(budgets)))
    handles: list[Artist] = []
    for budget, shade in zip(budgets, shades, strict=True):
        line = frontiers[frontiers["epochs"] == budget].sort_values("width")
        most = float(np.nanmax(frontiers["dropout_high"].fillna(0.0)))
        reached = line["need"] == "some"
        axes.plot(line["width"][reached], line["dropout"][reached], color=shade, linewidth=2.4)
        label = say("map.after" if reached.any() else "map.after_nowhere", epochs=int(budget))
        handles.append(style.key(label, color=shade, linewidth=2.4))
        if budget == budgets[-1]:
            low, high = (line[f"dropout_{end}"].fillna(most) for end in ("low", "high"))
            axes.fill_between(line["width"], low, high, color=shade, alpha=0.14, linewidth=0)
    plane.draw_axes(axes, frontiers, frontiers, of, language)
    if not of.log[1]:
        axes.set_ylim(bottom=0)
    title = say("map.frontiers_title", threshold=threshold)
    return style.frame(figure, title, say("map.frontiers_note"), handles, language)


def colour(verdict: str, kind: str) -> str:
    """The colour of a verdict; the more harm a kind of overfitting does, the darker."""
    known = OVERFIT.get(kind) if verdict == "overfit" else None
    return known or COLOURS.get(verdict, style.PAPER)


def _leave_room(axes: Axes, told: pd.DataFrame) -> None:
    """Limits that leave the squares at the edges whole."""
    for column, scale, limits in (
        ("width", axes.get_xscale(), axes.set_xlim),
        ("dropout", axes.get_yscale(), axes.set_ylim),
    ):
        ends = np.array([told[column].min(), told[column].max()], float)
        ends = np.log2(ends) if scale == "log" else ends
        room = 0.09 * (np.ptp(ends) or 1.0) * np.array([-1, 1])
        limits(*(2 ** (ends + room) if scale == "log" else ends + room))


def _label(row: dict[Any, Any], language: str) -> str:
    if row["verdict"] == "undetermined":
        return "?"
    said = row["kind"] if row["kind"] else row["verdict"]
    section = "kind" if said == row["kind"] else "name"
    if said == "unclear":
        section, said = "name", row["verdict"]
    words = text(f"verdict.{section}.{str(said).replace(' ', '_')}", language)
    unsure = row["probability"] is None or not float(row["probability"]) >= PLAINLY
    words = words.replace(" ", "\n") if language == "en" else style.wrapped(words, 0.5, 6.5)
    return words + ("?" if unsure else "")


def _handles(told: pd.DataFrame, language: str) -> list[Artist]:
    names = [name for name in COLOURS if name in set(told["verdict"])]
    looks: dict[str, Any] = {"marker": "s", "linestyle": "", "markeredgecolor": "#aab2bb"}
    return [
        style.key(sentences.named(name, "", language), color=COLOURS[name], **looks)
        for name in names
    ]
