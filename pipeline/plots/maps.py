"""The map of overfitting over width (log2 axis) and dropout: gap, onset, validation, slices.

`points` has one row a fit: width, dropout, seed, and the values named in each function; rows whose
value is missing (fits that failed) are left out. `surface` has one row a lattice point: width,
dropout, the value with `_low` and `_high`, underfit; `frontier` one row a width: width, dropout,
dropout_low, dropout_high. They are the tables of `overfit_atlas.gap_map`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipeline.plots import plane, style
from pipeline.plots.plane import USUAL, Floats, Plane

BELOW, ABOVE = ["#f2f6fa", "#d3e4f2"], ["#fbd9b5", "#f2a562", "#d9692d", "#a33a10", "#611b04"]


@style.drawn
def gap_map(
    points: pd.DataFrame,
    surface: pd.DataFrame,
    frontier: pd.DataFrame,
    language: str,
    threshold: float,
    of: Plane = USUAL,
) -> Figure:
    """Where the model overfits: the gap in loss, its frontier with band, and the raw points.

    Uses gap_loss of `points` and `surface`, and underfit of `surface`.
    """
    say = style.words(language)
    figure = style.sheet(height=4.1)
    axes = figure.subplots()
    means = plane.means(points, "gap_loss")
    levels, colours = _gap_levels(surface["gap_loss"], means["gap_loss"], threshold)
    norm, colour_map = BoundaryNorm(levels, len(colours)), ListedColormap(colours)
    filled = plane.filled(axes, surface, "gap_loss", levels, colour_map, norm)
    _frontier(axes, surface, frontier, threshold)
    _hatch_underfit(axes, surface)
    plane.dots(axes, means, "gap_loss", colour_map, norm)
    bar = figure.colorbar(filled, ax=axes, ticks=levels[1:-1], pad=0.02, fraction=0.05)
    bar.ax.set_yticklabels([f"{level:.3g}" for level in levels[1:-1]])
    bar.set_label(say("map.gap_scale"))
    plane.draw_axes(axes, surface, points, of, language)
    title = say("map.gap_title", threshold=threshold)
    legend = _gap_legend(surface, say("map.frontier", threshold=threshold), language)
    return style.frame(figure, title, say("map.gap_note"), legend, language)


@style.drawn
def onset_map(points: pd.DataFrame, language: str, of: Plane = USUAL) -> Figure:
    """At which epoch overfitting begins, written at each point with its interval.

    Uses onset_epoch (NaN where there is none; the median over seeds where they differ) of `points`,
    and where given the columns epochs, onset (its status), onset_low and onset_high. A point whose
    seeds mostly show no onset is hollow.
    """
    say = style.words(language)
    figure = style.sheet(height=3.9)
    axes = figure.subplots()
    onsets = onset_by_point(points)
    shown = onsets[np.isfinite(onsets["onset_epoch"])]
    budget = points["epochs"].max() if "epochs" in points else 2
    last = float(np.nanmax([onsets["onset_epoch"].max(), budget]))
    without = onsets[~np.isfinite(onsets["onset_epoch"])]
    scatter: dict[str, Any] = {"s": 560, "linewidths": 1.0, "zorder": 4, "clip_on": False}
    dots = axes.scatter(
        shown["width"], shown["dropout"], c=shown["onset_epoch"], cmap=_early(), vmin=1, vmax=last,
        edgecolors=style.INK, **scatter,
    )  # fmt: skip
    axes.scatter(
        without["width"], without["dropout"], c=style.PAPER, edgecolors="#aab2bb", **scatter
    )
    for row in onsets.to_dict("records"):
        epoch = float(row["onset_epoch"])
        label = _onset(row, budget)
        colour = style.PAPER if epoch < 1 + 0.4 * (last - 1) else style.INK
        place = (float(row["width"]), float(row["dropout"]))
        axes.annotate(
            label, place, ha="center", va="center", color=colour, zorder=5, linespacing=0.9,
            fontsize=6.5 if "\n" in label else 8.5, annotation_clip=False,
        )  # fmt: skip
    if len(shown):
        bar = figure.colorbar(dots, ax=axes, pad=0.03, fraction=0.05)
        bar.set_label(say("map.onset_scale"))
    plane.draw_axes(axes, points, points, of, language)
    axes.margins(0.08, 0.12)
    return style.frame(figure, say("map.onset_title"), say("map.onset_note"), (), language)


def onset_by_point(points: pd.DataFrame) -> pd.DataFrame:
    """width, dropout, and the median onset epoch over seeds; NaN if most seeds show none.

    Seeds without onset count as later than all others.
    """
    late = points.assign(onset_epoch=points["onset_epoch"].astype(float).fillna(np.inf))
    groups = late.groupby(["width", "dropout"])
    medians = groups["onset_epoch"].quantile(0.5, interpolation="higher")
    more = [name for name in ("onset", "onset_low", "onset_high") if name in points]
    return medians.replace(np.inf, np.nan).to_frame().join(groups[more].first()).reset_index()


def _onset(row: Mapping[Any, Any], budget: float) -> str:
    if np.isfinite(epoch := float(row["onset_epoch"])):
        low, high = row.get("onset_low"), row.get("onset_high")
        known = low is not None and high is not None
        return f"{epoch:.0f}" + (f"\n{low:.0f}–{high:.0f}" if known else "")
    return f">{budget:.0f}" if row.get("onset") == "censored" else "–"


@style.drawn
def validation_map(
    points: pd.DataFrame,
    surface: pd.DataFrame,
    language: str,
    value: str = "val_loss",
    of: Plane = USUAL,
) -> Figure:
    """How far validation is from the best point of the plane, which carries a star.

    Uses `value` ("val_loss" or "val_accuracy") of `points` and `surface`.
    """
    say = style.words(language)
    figure = style.sheet(height=3.9)
    axes = figure.subplots()
    means = plane.means(points, value)
    accuracy = value.endswith("accuracy")
    sign, extreme = (-1, max) if accuracy else (1, min)
    best_value = extreme(means[value].tolist())
    worse = surface.assign(worse=sign * (surface[value] - best_value))
    means = means.assign(worse=sign * (means[value] - best_value))
    levels = _steps_from_best(float(max(worse["worse"].max(), means["worse"].max())))
    shades = plane.blues().reversed().resampled(len(levels) - 1)
    norm = BoundaryNorm(levels, shades.N)
    filled = plane.filled(axes, worse, "worse", levels, shades, norm)
    plane.dots(axes, means, "worse", shades, norm)
    best = means.sort_values("worse").iloc[0]
    star: dict[str, Any] = {"marker": "*", "color": "#ffb733", "markeredgecolor": style.INK}
    axes.plot(best["width"], best["dropout"], zorder=6, clip_on=False, markersize=19, **star)
    bar = figure.colorbar(filled, ax=axes, pad=0.02, fraction=0.05, ticks=levels[1:-1])
    bar.ax.set_yticklabels([_signed(-sign * level, accuracy) for level in levels[1:-1]])
    bar.set_label(say(f"map.scale_{value}"))
    plane.draw_axes(axes, surface, points, of, language)
    said = say(f"map.best_{value}", value=best_value)
    handles = [style.key(said, linestyle="", markersize=12, **star)]
    title = say("map.validation_title")
    return style.frame(figure, title, say("map.validation_note"), handles, language)


@style.drawn
def slices(
    points: pd.DataFrame,
    surface: pd.DataFrame,
    language: str,
    threshold: float,
    of: Plane = USUAL,
) -> Figure:
    """Cuts through the gap map: over dropout for some widths, over width for some dropouts.

    Lines are the surface with its interval (gap_loss_low, gap_loss_high), dots the raw fits.
    """
    say = style.words(language)
    figure = style.sheet(width=9.4, height=3.5)
    left, right = figure.subplots(1, 2, sharey=True)
    _cuts(left, points, surface, "width", "dropout")
    _cuts(right, points, surface, "dropout", "width")
    first, second = of.titles(language)
    left.set(xlabel=second, ylabel=say("gap.axis_loss"))
    if of.log[1]:
        style.log_axis(left)
    of.across(right, points["width"], language, short=True)
    for axes, header in ((left, first), (right, second)):
        axes.axhline(threshold, color=style.INK, linewidth=1.2, linestyle=(0, (2, 2)))
        axes.legend(title=header, loc="upper left", bbox_to_anchor=(1.0, 1.02), handlelength=1.2)
    title, note = say("map.slices_title"), say("map.slices_note", threshold=threshold)
    return style.frame(figure, title, note, (), language)


def _cuts(axes: Axes, points: pd.DataFrame, surface: pd.DataFrame, fixed: str, along: str) -> None:
    examined = sorted(set(points[fixed]) & set(surface[fixed]))
    if len(examined) > 5:
        examined = [examined[i] for i in np.linspace(0, len(examined) - 1, 5).round().astype(int)]
    shades = plane.blues()(np.linspace(0.3, 1, max(len(examined), 1)))
    for value, shade in zip(examined, shades, strict=False):
        line = surface[surface[fixed] == value].sort_values(along)
        raw = points[points[fixed] == value]
        axes.fill_between(
            line[along], line["gap_loss_low"], line["gap_loss_high"], color=shade, alpha=0.15, lw=0
        )
        axes.plot(line[along], line["gap_loss"], color=shade, label=f"{value:g}")
        axes.scatter(raw[along], raw["gap_loss"], color=[shade], s=11, zorder=3)


def _frontier(axes: Axes, surface: pd.DataFrame, frontier: pd.DataFrame, threshold: float) -> None:
    x, y, z = plane.lattice(surface, "gap_loss")
    if z.min() < threshold < z.max():
        axes.contour(x, y, z, levels=[threshold], colors=[style.INK], linewidths=2.6)
    band = frontier.sort_values("width")
    low = band["dropout_low"].fillna(y.max())
    high = band["dropout_high"].fillna(y.max())
    axes.fill_between(
        band["width"], low, high, where=(high > low).tolist(), facecolor=style.INK, alpha=0.16, lw=0
    )


def _hatch_underfit(axes: Axes, surface: pd.DataFrame) -> None:
    x, y, z = plane.lattice(surface.assign(underfit=surface["underfit"].astype(float)), "underfit")
    if z.max() > 0.5:
        hatched = axes.contourf(x, y, z, levels=[0.5, 1.5], colors="none", hatches=["////"])
        hatched.set_edgecolor(style.MUTED)
        hatched.set_linewidth(0)


def _gap_legend(surface: pd.DataFrame, frontier: str, language: str) -> list[Artist]:
    say = style.words(language)
    handles: list[Artist] = [
        style.key(frontier, color=style.INK, linewidth=2.6),
        Patch(facecolor=style.INK, alpha=0.16, label=say("map.band")),
        style.key(
            say("map.points"), marker="o", linestyle="", markerfacecolor=style.PAPER,
            markeredgecolor=style.INK,
        ),
    ]  # fmt: skip
    if surface["underfit"].any():
        looks: dict[str, Any] = {
            "facecolor": "none",
            "edgecolor": style.MUTED,
            "hatch": "////",
            "linewidth": 0,
        }
        handles.append(Patch(label=say("map.underfit"), **looks))
    return handles


def _gap_levels(surface: pd.Series, means: pd.Series, threshold: float) -> tuple[Floats, list[str]]:
    """Class borders at round multiples of the threshold, and a colour a class: blue below it."""
    lowest = float(min(surface.min(), means.min()))
    highest = float(max(surface.max(), means.max()))
    reach = highest / threshold
    factors = (1.5, 2, 3) if reach < 4 else (2, 5, 10, 20) if reach < 40 else (3, 10, 30, 100)
    borders = [threshold * factor for factor in factors if factor < reach]
    inner = [0.5 * threshold, threshold, *borders]
    bottom = min(lowest, 0.0) - 1e-6
    top = max(highest, inner[-1]) * 1.0001 + 1e-6
    colours = [*BELOW, *ABOVE[: len(inner) - 1]]
    return np.array([bottom, *inner, top]), colours


def _steps_from_best(largest: float) -> Floats:
    """Class borders at round distances from the best, close ones finest; inf-free and rising."""
    steps = [step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if step < largest]
    return np.array([-1e6, *steps[-6:], max(largest * 1.0001, 0.006)])


def _signed(level: float, share: bool) -> str:
    return f"{-100 * level:+.3g}%" if share else f"{-level:+.3g}"


def _early() -> LinearSegmentedColormap:
    return LinearSegmentedColormap.from_list("early", ["#7a2005", "#e2703a", "#fde3cb"])
