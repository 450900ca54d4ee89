"""What variants do to single classes: an average can rise while a class collapses."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from pipeline.plots import style

SHOWN = 24  # classes; of more, those that change most are shown


@style.drawn
def class_effects(table: pd.DataFrame, language: str, baseline: str) -> Figure:
    """The change of each class' F1 by variant, in points; pale where it may be chance.

    Columns: name (of the variant), class_name, effect, low, high (variant minus baseline, with its
    interval, 0..1). Of more than 24 classes those with the largest changes are shown.
    """
    say = style.words(language)
    variants = list(dict.fromkeys(table["name"]))
    effects, sure = _grids(table, variants)
    figure = style.sheet(
        width=max(5.5, 2.8 + 0.8 * len(variants)), height=0.31 * len(effects) + 0.9
    )
    axes = figure.subplots()
    limit = max(float(np.nanmax(np.abs(effects.to_numpy()), initial=0)), 0.01)
    sns.heatmap(
        effects.where(sure),
        ax=axes,
        cmap=sns.blend_palette(
            [style.BAD, "#fbe3d8", "#f7f8fa", "#d8e6f2", style.GOOD], as_cmap=True
        ),
        vmin=-limit,
        vmax=limit,
        linewidths=0.8,
        cbar_kws={
            "label": say("class_effects.scale"),
            "format": FuncFormatter(lambda share, _: f"{100 * share:+.3g}"),
            "pad": 0.02,
        },
        xticklabels=[style.short(name, 16) for name in variants],
        yticklabels=[style.short(name, 20) for name in effects.index],
    )
    _numbers(axes, effects, sure, limit)
    axes.set(xlabel="", ylabel="")
    axes.tick_params(length=0, rotation=0)
    axes.tick_params(axis="x", rotation=30)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    axes.grid(False)
    title = say("class_effects.title", baseline=baseline)
    return style.frame(figure, title, say("class_effects.note"), (), language)


def _grids(table: pd.DataFrame, variants: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Effects by class and variant, the most harmed class first, and which are surely not 0."""
    marked = table.assign(sure=((table["low"] > 0) | (table["high"] < 0)).astype(float))
    effects, sure = (
        marked.pivot_table(index="class_name", columns="name", values=value)[variants]
        for value in ("effect", "sure")
    )
    largest = effects.abs().max(axis=1).nlargest(SHOWN).index
    order = effects.loc[largest].min(axis=1).sort_values(kind="stable").index
    return effects.loc[order], sure.loc[order] > 0


def _numbers(axes: Axes, effects: pd.DataFrame, sure: pd.DataFrame, limit: float) -> None:
    for (row, column), value in np.ndenumerate(effects.to_numpy()):
        if not np.isfinite(value):
            continue
        certain = bool(sure.iat[row, column])
        dark = certain and abs(value) > 0.78 * limit
        colour = style.PAPER if dark else style.INK if certain else "#7b838d"
        said = f"{100 * value:+.0f}" if abs(value) >= 0.005 else "0"
        axes.text(column + 0.5, row + 0.5, said, ha="center", va="center", color=colour, fontsize=9)
