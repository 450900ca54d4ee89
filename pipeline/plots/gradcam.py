"""Where the model looks: Grad-CAM maps over the images, for right and wrong answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.plots import style
from pipeline.plots.examples import Images, draw_image, percent, under

Maps = npt.NDArray[np.floating[Any]]
TILE = 1.45  # inches


@style.drawn
def grad_cam(
    table: pd.DataFrame,
    maps: tuple[Images, Maps, Maps],
    class_names: Sequence[str],
    language: str,
    layer: str,
    num_examples: int = 5,
) -> Figure:
    """Wrong answers (image, map for the true class, map for the predicted one) and right ones.

    Args:
        table: of `examples.answers`, one row an example: true, predicted, probability_true,
            probability_predicted.
        maps: the images (n, h, w[, channels]), and the maps (n, h, w) in 0..1 for the true and for
            the predicted class; row i belongs to row i of `table`.
        layer: the layer explained, with the size of its maps, for the note.
    """
    say = style.words(language)
    wrong = np.flatnonzero((table["true"] != table["predicted"]).to_numpy())[:num_examples]
    right = np.flatnonzero((table["true"] == table["predicted"]).to_numpy())[:num_examples]
    rows = max(len(wrong), len(right), 1)
    figure = style.sheet(width=5.35 * TILE, height=rows * (TILE + 0.2) + 0.3)
    panels = figure.subplots(rows, 6, squeeze=False, width_ratios=(1, 1, 1, 0.12, 1, 1))
    for axes in panels.flat:
        axes.set_axis_off()
    for line, place in zip(panels, wrong, strict=False):
        _example(line[:3], place, table, maps, class_names, say("gradcam.nothing"))
    for line, place in zip(panels, right, strict=False):
        _example(line[4:], place, table, maps, class_names, say("gradcam.nothing"))
    for number, key in (
        (0, "image"),
        (1, "true"),
        (2, "predicted"),
        (4, "image"),
        (5, "predicted"),
    ):
        if len(wrong if number < 3 else right):
            panels[0, number].set_title(say(f"gradcam.column_{key}"), loc="center", fontsize=10)
    note = say("gradcam.note", layer=layer)
    return style.frame(figure, say("gradcam.title"), note, (), language)


def _example(
    line: Sequence[Axes],
    place: int,
    table: pd.DataFrame,
    maps: tuple[Images, Maps, Maps],
    class_names: Sequence[str],
    nothing: str,
) -> None:
    """The image, and the map of each class that fits into `line`, each with its probability."""
    row = table.iloc[int(place)]
    images, of_true, of_predicted = maps
    draw_image(line[0], images[place])
    under(line[0], 0, style.fitted(class_names[int(row["true"])], TILE - 0.1, 9), style.INK)
    wrong = row["true"] != row["predicted"]
    looks = [("true", of_true, style.INK, "✓"), ("predicted", of_predicted, style.BAD, "✗")]
    for axes, (which, heat, colour, sign) in zip(line[1:], looks, strict=False):
        draw_overlay(axes, images[place], heat[place])
        if not np.any(heat[place] > 0):
            under(axes, 1, nothing, style.MUTED)
        share = percent(float(row[f"probability_{which}"]))
        room = TILE - 0.1 - style.text_inches(f"{sign}  {share}", 9)
        name = style.fitted(class_names[int(row[which])], room, 9)
        under(axes, 0, f"{sign if wrong else '✓'} {name} {share}", colour)


def draw_overlay(axes: Axes, image: Images, heat: Maps) -> None:
    """The image in grey with its map in colour: the more it counts, the brighter and denser."""
    picture = np.asarray(image, dtype=np.float64)
    if picture.ndim == 3:
        picture = picture.mean(axis=-1)
    height, width = picture.shape
    extent = (0, width, height, 0)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent)
    axes.imshow(
        heat,
        cmap="inferno",
        vmin=0,
        vmax=1,
        alpha=0.25 + 0.5 * np.asarray(heat, dtype=np.float64),
        extent=extent,
        interpolation="bilinear",
    )
    axes.set_axis_off()
