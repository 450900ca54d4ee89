"""Figures of the data itself: how many images each class has, and what they look like."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overfit_atlas.words import text
from pipeline.plots import style

if TYPE_CHECKING:
    import pandas as pd

Table = Union["pd.DataFrame", Mapping[str, Sequence[object]]]
Array = npt.NDArray[Any]
SPLITS = ("train", "val", "test")
MANY_CLASSES = 30  # from here on numbers and every name no longer fit
_MAX_HEIGHT, _MAX_LABELS = 12.0, 110
_GAP = 0.08  # between images, in widths of one


@style.drawn
def class_counts(table: Table, language: str) -> Figure:
    """Bars of the number of images of each class, one panel for each of train, val and test.

    `table` has the columns split, class (number), class_name and count: a data frame, or a dict of
    sequences (which spares a light stage the import of pandas). Rows of the split probe are only
    counted in the note.
    """
    split, number, name, count = (
        np.asarray(table[column]) for column in ("split", "class", "class_name", "count")
    )
    classes, first = np.unique(number, return_index=True)
    splits = [known for known in SPLITS if (split == known).any()]
    row = 0.27 if len(classes) <= MANY_CLASSES else 0.12
    figure = style.sheet(width=8.4, height=min(_MAX_HEIGHT, 0.75 + row * len(classes)))
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for axes, shown in zip(panels, splits, strict=True):
        _bars(axes, number[split == shown], count[split == shown], language)
        label = text(f"figure.split.{shown}", language)
        total = int(count[split == shown].sum())
        axes.set_title(text("data.counts.panel", language, split=label, total=total), fontsize=10.5)
    _class_axis(panels[0], classes, name[first])
    note = text("data.counts.note", language, probe=int(count[split == "probe"].sum()))
    return style.frame(figure, text("data.counts.title", language), note, (), language)


def _bars(axes: Axes, classes: Array, counts: Array, language: str) -> None:
    bars = axes.barh(classes, counts, color=style.GOOD, height=0.75)
    if len(classes) <= MANY_CLASSES:
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8.5, color=style.MUTED)
        axes.margins(x=0.2)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.set_xlabel(text("data.counts.axis", language))


def _class_axis(axes: Axes, classes: Array, names: Array) -> None:
    """Class names from top to bottom, as many of them as fit."""
    step = ceil(len(classes) / _MAX_LABELS)
    points = 9.5 if len(classes) <= MANY_CLASSES else 6.0
    shown = [style.short(name, 22) for name in names[::step]]
    axes.set_yticks(classes[::step], labels=shown, fontsize=points)
    axes.set_ylim(float(classes.max()) + 0.6, -0.6)


@style.drawn
def samples(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.integer],
    class_names: Sequence[str],
    language: str,
) -> Figure:
    """A row of images for each class that `labels` name, in the order they are given.

    `images` is uint8 (n, height, width, 1 or 3), `labels` (n,) the numbers of their classes.
    """
    shown = np.unique(labels)
    rows = [images[labels == label] for label in shown]
    sheet, centres = _montage(rows)
    inches = 0.62
    columns = max(map(len, rows))
    figure = style.sheet(width=2.0 + inches * columns, height=inches * len(rows))
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest")
    names = [style.short(class_names[label], 22) for label in shown]
    axes.set_yticks(centres, labels=names)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    total = len(class_names)
    key = "note_all" if len(shown) == total else "note"
    note = text(f"data.samples.{key}", language, shown=len(shown), total=total)
    return style.frame(figure, text("data.samples.title", language), note, (), language)


def _montage(
    rows: Sequence[npt.NDArray[np.uint8]],
) -> tuple[npt.NDArray[np.uint8], list[float]]:
    """All rows of images on one white sheet (one picture draws faster than many); row centres."""
    height, width = rows[0].shape[1:3]
    gap = ceil(_GAP * max(height, width))
    columns = max(map(len, rows))
    down, across = height + gap, width + gap
    sheet = np.full((len(rows) * down - gap, columns * across - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            sheet[i * down : i * down + height, j * across : j * across + width] = image
    return sheet, [i * down + (height - 1) / 2 for i in range(len(rows))]
