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


def misclassified_finding(
    table: pd.DataFrame, class_names: Sequence[str], language: str, split: str = "test"
) -> str:
    """The most confident mistake in words."""
    say = style.words(language)
    if table.empty:
        return say("misclassified.finding_none", split=say(f"split.{split}"))
    first = table.iloc[0]
    return say(
        "misclassified.finding",
        split=say(f"split.{split}"),
        true=class_names[int(first["true"])],
        predicted=class_names[int(first["predicted"])],
        share=percent(float(first["probability_predicted"])),
        truth=percent(float(first["probability_true"])),
    )


@style.drawn
def hard_images(
    table: pd.DataFrame,
    images: Images,
    labels: Sequence[str],
    language: str,
    by: str = "forgotten",
    num_examples: int = 12,
) -> Figure:
    """The training images hardest to learn (`by` "mean_loss") or most often "forgotten".

    `table` is that of `diagnosis.forgetting`; `labels` are the class names of the images as
    trained, one an image.
    """
    say = style.words(language)
    chosen = hardest(table, by).head(num_examples)

    def caption(axes: Axes, row: Mapping[str, Any]) -> None:
        under(axes, 0, style.fitted(labels[int(row["image"])], SIDE - 0.1, 9), style.INK)
        key = "hard.never" if row["never_learned"] else "hard.learned"
        fits = int(row.get("num_seeds", 1))
        said = say("hard.forgotten", times=round(row["forgotten"] * fits), fits=fits)
        if by == "mean_loss":
            said = say(key, epoch=row["learned_epoch"], loss=row["mean_loss"])
        under(axes, 1, said, style.BAD)

    figure = grid(chosen, images, caption, caption_lines=2)
    return style.frame(figure, say(f"hard.title_{by}"), say(f"hard.note_{by}"), (), language)


def hardest(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """`table` sorted by `by`, hardest first; for "forgotten" only images that were forgotten."""
    if by == "forgotten":
        table = table[table["forgotten"] > 0]
    other = "mean_loss" if by == "forgotten" else "forgotten"
    return table.sort_values([by, other], ascending=False, kind="stable")


def hard_images_finding(table: pd.DataFrame, language: str) -> str:
    """How many training images were never learned, and how many were forgotten at least once."""
    return style.words(language)(
        "hard.finding",
        never=int(table["never_learned"].sum()),
        forgotten=int((table["forgotten"] > 0).sum()),
        total=len(table),
    )


@style.drawn
def confused_pairs(
    pairs: pd.DataFrame,
    examples: pd.DataFrame,
    images: Images,
    class_names: Sequence[str],
    language: str,
    num_examples: int = 6,
) -> Figure:
    """A row a confused pair: its rate and count, and the images taken for the other class.

    Args:
        pairs: columns true, predicted (class numbers or names), count, rate, low, high, and
            optionally also_on_probe (True: the pair is confused on training images too).
        examples: the table of `mistakes`, or of `answers`, for the same images.
    """
    say = style.words(language)
    numbers = {name: number for number, name in enumerate(class_names)}
    figure = style.sheet(height=1.12 * max(len(pairs), 1))
    columns = num_examples + 1
    panels = figure.subplots(
        max(len(pairs), 1), columns, squeeze=False, width_ratios=(2.5, *[1] * num_examples)
    )
    for axes in panels.flat:
        axes.set_axis_off()
    for row, pair in zip(panels, pairs.to_dict("records"), strict=False):
        true, predicted = (numbers.get(pair[c], pair[c]) for c in ("true", "predicted"))
        names = (class_names[int(true)], class_names[int(predicted)])
        _pair_text(row[0], {str(key): value for key, value in pair.items()}, names, language)
        wrong = examples[(examples["true"] == true) & (examples["predicted"] == predicted)]
        for axes, example in zip(row[1:], wrong.to_dict("records"), strict=False):
            draw_image(axes, images[int(example["image"])])
            under(axes, 0, percent(example["probability_predicted"]), style.BAD)
    return style.frame(figure, say("pairs.title"), say("pairs.note"), (), language)


def _pair_text(axes: Axes, pair: Mapping[str, Any], names: tuple[str, str], language: str) -> None:
    say = style.words(language)
    true, predicted = (style.short(name, 20) for name in names)
    heading = axes.text(0, 0.98, true, transform=axes.transAxes, va="top", fontsize=10.5)
    style.emphasise(heading, language)
    axes.text(0, 0.74, f"→ {predicted}", transform=axes.transAxes, va="top", color=style.BAD)
    said = say("pairs.rate", rate=pair["rate"], count=int(pair["count"]))
    if "low" in pair:
        said += "\n" + say("pairs.interval", low=pair["low"], high=pair["high"])
    if pair.get("also_on_probe") is not None:
        said += "\n" + say("pairs.probe_too" if pair["also_on_probe"] else "pairs.probe_not")
    axes.text(0, 0.5, said, transform=axes.transAxes, va="top", fontsize=8.5, color=style.MUTED)


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
