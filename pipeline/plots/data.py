"""Figures of the data itself: how many images each class has, and what they look like."""

from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.plots import style
from pipeline.texts import text

SPLITS = ("train", "val", "test")
MANY_CLASSES = 30  # from here on numbers and every name no longer fit
_MAX_HEIGHT, _MAX_LABELS = 12.0, 110
_GAP = 0.08  # between images, in widths of one


@style.drawn
def class_counts(table: pd.DataFrame, language: str) -> Figure:
    """Bars of the number of images of each class, one panel for each of train, val and test.

    `table` has the columns split, class (number), class_name and count; rows of the split probe
    are only counted in the note.
    """
    splits = [split for split in SPLITS if (table["split"] == split).any()]
    num_classes = table["class"].nunique()
    row = 0.27 if num_classes <= MANY_CLASSES else 0.12
    figure = style.sheet(width=8.4, height=min(_MAX_HEIGHT, 0.75 + row * num_classes))
    panels = figure.subplots(1, len(splits), sharey=True, squeeze=False)[0]
    for axes, split in zip(panels, splits, strict=True):
        _bars(axes, table[table["split"] == split].sort_values("class"), split, language)
    _class_axis(panels[0], table)
    probe = int(table.loc[table["split"] == "probe", "count"].sum())
    note = text("data.counts.note", language, probe=probe)
    return style.frame(figure, text("data.counts.title", language), note, (), language)


def _bars(axes: Axes, rows: pd.DataFrame, split: str, language: str) -> None:
    bars = axes.barh(rows["class"], rows["count"], color=style.GOOD, height=0.75)
    if len(rows) <= MANY_CLASSES:
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8.5, color=style.MUTED)
        axes.margins(x=0.2)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=4, integer=True)
    name = text(f"figure.split.{split}", language)
    total = int(rows["count"].sum())
    axes.set_title(text("data.counts.panel", language, split=name, total=total), fontsize=10.5)
    axes.set_xlabel(text("data.counts.axis", language))


def _class_axis(axes: Axes, table: pd.DataFrame) -> None:
    """Class names from top to bottom, as many of them as fit."""
    classes = table.drop_duplicates("class").sort_values("class")
    step = ceil(len(classes) / _MAX_LABELS)
    shown = classes.iloc[::step]
    points = 9.5 if len(classes) <= MANY_CLASSES else 6.0
    names = [style.short(name, 22) for name in shown["class_name"]]
    axes.set_yticks(shown["class"], labels=names, fontsize=points)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(classes) - 0.4, -0.6)


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
