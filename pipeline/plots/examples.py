"""Figures made of images: mistakes, hard training images, augmented samples.

Images are uint8 (num_images, height, width, channels) or without channels; tables say which image
stands where by its row, column `image`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.plots import style

Images = npt.NDArray[Any]
SIDE = 1.4  # inches an image of a grid takes


def mistakes(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> pd.DataFrame:
    """The wrongly classified images, the most confident first.

    `probabilities` (num_images, num_classes) in 0..1 and `labels` (num_images,) give the columns
    image, true, predicted (class numbers), probability_true, probability_predicted.
    """
    table = answers(probabilities, labels)
    wrong = table[table["true"] != table["predicted"]]
    return wrong.sort_values("probability_predicted", ascending=False, kind="stable")


def answers(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> pd.DataFrame:
    """What the model says of every image; the columns of `mistakes`, in the given order."""
    shares, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=int)
    rows, predicted = np.arange(len(true)), shares.argmax(axis=1)
    return pd.DataFrame(
        {
            "image": rows,
            "true": true,
            "predicted": predicted,
            "probability_true": shares[rows, true],
            "probability_predicted": shares[rows, predicted],
        }
    )


@style.drawn
def misclassified(
    table: pd.DataFrame,
    images: Images,
    class_names: Sequence[str],
    language: str,
    split: str = "test",
    num_examples: int = 20,
) -> Figure:
    """A grid of wrongly classified images, each with both classes and both probabilities.

    `table` is that of `mistakes`: the first `num_examples` rows are shown.
    """
    say = style.words(language)
    chosen = table.head(num_examples)

    def caption(axes: Axes, row: Mapping[str, Any]) -> None:
        for line, which, colour in ((0, "predicted", style.BAD), (1, "true", style.INK)):
            share = percent(row[f"probability_{which}"])
            room = SIDE - 0.08 - style.text_inches(f"✗  {share}", 9)
            name = style.fitted(class_names[int(row[which])], room, 9)
            under(axes, line, f"{'✗✓'[line]} {name} {share}", colour)

    figure = grid(chosen, images, caption, caption_lines=2)
    title = say("misclassified.title", split=say(f"split.{split}"))
    return style.frame(figure, title, say("misclassified.note"), (), language)


@style.drawn
def augmented(
    originals: Images, samples: Mapping[str, Images], language: str, num_examples: int = 8
) -> Figure:
    """The same images as they are (first row) and as each augmentation makes them.

    `samples` holds, by name, uint8 or 0..255 float arrays of the shape of `originals`.
    """
    say = style.words(language)
    rows = {say("augmented.original"): originals, **samples}
    columns = min(num_examples, len(originals))
    figure = style.sheet(width=1.6 + 0.85 * columns, height=0.92 * len(rows))
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, pictures) in zip(panels, rows.items(), strict=True):
        for axes, picture in zip(line, pictures, strict=False):
            draw_image(axes, picture)
        line[0].set_axis_on()
        line[0].set(xticks=[], yticks=[])
        line[0].spines[:].set_visible(False)
        line[0].set_ylabel(style.short(name, 18), rotation=0, ha="right", va="center")
    return style.frame(figure, say("augmented.title"), say("augmented.note"), (), language)


def grid(
    table: pd.DataFrame,
    images: Images,
    caption: Callable[[Axes, Mapping[str, Any]], None],
    caption_lines: int,
) -> Figure:
    """A figure with one image a row of `table` (column `image`), `caption` written under each."""
    full = min((6, 5, 4), key=lambda columns: -len(table) % columns)
    columns = max(1, min(full, len(table)))
    rows = max(1, -(-len(table) // columns))
    figure = style.sheet(
        width=max(SIDE * columns, 5.6), height=rows * (SIDE * 0.86 + 0.19 * caption_lines)
    )
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, row in zip(panels.flat, table.to_dict("records"), strict=False):
        draw_image(axes, images[int(row["image"])])
        caption(axes, {str(key): value for key, value in row.items()})
    return figure


def draw_image(axes: Axes, image: Images) -> None:
    """One image, grey or colour, without ticks; small ones keep their pixels."""
    picture = np.asarray(image)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    if picture.dtype != np.uint8:
        picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes.set_axis_off()


def under(axes: Axes, line: int, said: str, colour: str) -> None:
    """Write one line of text under an image; line 0 is the upper one."""
    axes.annotate(
        said,
        (0.5, 0),
        xycoords="axes fraction",
        xytext=(0, -4 - 12.5 * line),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=9,
        color=colour,
    )


def percent(share: float) -> str:
    """A probability as people say it; never "100%" or "0%" for what is not quite that."""
    if 0.99 < share < 1:
        return ">99%"
    return "<1%" if 0 < share < 0.01 else f"{100 * share:.0f}%"
