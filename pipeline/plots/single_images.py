"""Atlases of single train images: the most memorised, and those whose labels are most likely wrong.

`table` is `results/images/train.csv`, one row an image of `images`, in the same order.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overfit_atlas.images import memorisation
from pipeline.plots import style
from pipeline.plots.examples import SIDE, Images, grid, percent, under

ROOM = SIDE - 0.1  # inches of text that fit under one image


@style.drawn
def memorised(
    table: pd.DataFrame, images: Images, language: str, num_fits: int, num_examples: int = 24
) -> Figure:
    """The atlas of Feldman & Zhang (2020): each image with how often nets are right on it.

    Once of the fits that trained on it, and once of those that did not. Images that are not counted
    as memorised are left out.
    """
    say = style.words(language)
    placed = _placed(table)
    counted = placed[memorisation.memorised(placed)]
    chosen = counted.sort_values("memorisation", ascending=False, kind="stable").head(num_examples)

    def caption(axes: Axes, row: Mapping[str, Any]) -> None:
        under(axes, 0, style.fitted(str(row["class"]), ROOM, 9), style.INK)
        shares = {name: percent(row[name]) for name in ("right_in", "right_out")}
        under(axes, 1, say("memorised.caption", **shares), style.BAD)

    figure = grid(chosen, images, caption, caption_lines=2)
    title = say("memorised.title", fits=num_fits)
    return style.frame(figure, title, say("memorised.note"), (), language)


@style.drawn
def suspicious(
    table: pd.DataFrame, images: Images, language: str, num_fits: int, num_examples: int = 24
) -> Figure:
    """The images at the top of `rank`: the label, and the likeliest other class with its chance."""
    say = style.words(language)
    chosen = _placed(table).dropna(subset="rank").nsmallest(num_examples, "rank")

    def caption(axes: Axes, row: Mapping[str, Any]) -> None:
        under(axes, 0, style.fitted(str(row["class"]), ROOM, 9), style.INK)
        chance = percent(row["suggested_chance"])
        room = ROOM - style.text_inches(f"→  {chance}", 9)
        name = style.fitted(str(row["suggested"]), room, 9)
        under(axes, 1, say("suspicious.caption", name=name, chance=chance), style.BAD)

    figure = grid(chosen, images, caption, caption_lines=2)
    title = say("suspicious.title", fits=num_fits)
    return style.frame(figure, title, say("suspicious.note"), (), language)


def _placed(table: pd.DataFrame) -> pd.DataFrame:
    return table.reset_index(drop=True).rename_axis("image").reset_index()
