"""Judgements as a notebook shows them: a table of verdicts, and the curves of each model.

The figure needs matplotlib (extra `plot`), which is imported on request; the table needs nothing.
"""

import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from overfit_atlas.errors import AtlasError
from overfit_atlas.record import Judgement
from overfit_atlas.words import Probability, text

COLOURS = {"probe": "#1667c9", "val": "#b03a10", "running": "#8a929b"}
LINES = {"probe": "-", "val": "--", "running": ":"}
MUTED = "#5b6470"
WIDTH, HEIGHT, COLUMNS = 5.6, 3.4, 2


class NoPlot(AtlasError):
    """A figure is asked for, but matplotlib is not installed."""


def html(made: Sequence[Judgement], language: str) -> str:
    """Verdict, probability and reason of each model, and the figure where matplotlib is there."""
    rows = []
    for one in made:
        sure = "" if one.probability is None else f"{Probability(one.probability):.0%}"
        cells = [one.title(language), sure, one.why().text(language)]
        inner = "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr><th>{escape(one.name)}</th>{inner}</tr>")
    table = f"<table>{''.join(rows)}</table>"
    try:
        drawn = figure(made, language)
    except NoPlot:
        return table
    picture = io.StringIO()
    drawn.savefig(picture, format="svg", bbox_inches="tight")
    svg = picture.getvalue()
    return f"{table}{svg[svg.index('<svg') :]}"


def figure(made: Sequence[Judgement], language: str) -> Any:
    """Loss by epoch of each model: clean on training images and on val, and what Keras shows.

    Means over seeds; the best epoch by loss is marked where longer training did damage.

    Raises:
        NoPlot: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NoPlot('plot() needs matplotlib: pip install "overfit-atlas[plot]".') from None
    columns = min(COLUMNS, len(made))
    rows = -(-len(made) // columns)
    drawn = Figure((WIDTH * columns, HEIGHT * rows), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False)
    for place, one in zip(axes.flat, made, strict=False):
        _curves(place, one, language)
    for empty in axes.flat[len(made) :]:
        empty.set_axis_off()
    return drawn


def _curves(axes: Any, made: Judgement, language: str) -> None:
    whole = [fit for fit in made.fits if fit.failed is None] or list(made.fits)
    num_epochs = min(fit.num_epochs for fit in whole)
    epochs = whole[0].epochs[:num_epochs]
    marker = "o" if num_epochs == 1 else ""
    for split, colour in COLOURS.items():
        series = [fit.series(split, "loss")[:num_epochs] for fit in whole]
        mean = np.mean(series, axis=0)
        if np.isfinite(mean).any():
            label = text(f"live.curve_{split}", language)
            style = {"color": colour, "linestyle": LINES[split], "marker": marker}
            axes.plot(epochs, mean, label=label, linewidth=1 if split == "running" else 2, **style)
    onset = made.onset.get("loss")
    if onset is not None and onset.epoch is not None:
        said = text("live.turns", language, epoch=onset.epoch)
        axes.axvline(onset.epoch, color=MUTED, linewidth=1)
        axes.annotate(
            said, (onset.epoch, 1), (4, -3), ("data", "axes fraction"), "offset points",
            va="top", color=MUTED,
        )  # fmt: skip
    axes.set_title(f"{made.name}: {made.title(language)}", loc="left", fontsize=11)
    axes.set_xlabel(text("live.epoch", language))
    axes.set_ylabel(text("live.nats", language))
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
