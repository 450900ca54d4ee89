"""Which classes are taken for which: the confusion matrix, and the pairs confused most.

Input: the long table of `evaluate`: split, true, predicted, count, rate, low, high; `true` and
`predicted` are class numbers or names; `rate` is the share of the true class, `low` and `high`
its interval. Rows with count 0 may be missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, PowerNorm
from matplotlib.figure import Figure

from pipeline.plots import style

Matrix = npt.NDArray[np.float64]
ANNOTATED = 20  # classes; beyond, numbers in cells cannot be read
MOST_SHOWN = 50  # classes; beyond, neither can names, and 1,000 take gigabytes to draw


@style.drawn
def confusion_matrix(
    confusions: pd.DataFrame,
    class_names: Sequence[str],
    language: str,
    values: str = "rate",
    split: str = "test",
    num_pairs: int = 10,
) -> Figure:
    """The matrix (`values`: "rate" of the true class, or "count") and the worst pairs beside it.

    Up to 20 classes the cells carry numbers and keep the given order; above, classes are ordered
    so that those confused with each other stand together. Of more than 50 classes it shows the 50
    confused most; the title is about all of them.
    """
    say = style.words(language)
    rates, counts = matrix(confusions, class_names, split)
    large = len(class_names) > ANNOTATED
    order = np.arange(len(class_names))
    if large:
        chosen = most_confused(confusions, class_names, split)
        order = chosen[clustered(rates[np.ix_(chosen, chosen)])]
    size = 8.4 if large else max(3.4, 0.42 * len(class_names) + 1.1)
    figure = style.sheet(width=13 if large else size + 5.4, height=size)
    left, right = figure.subplots(1, 2, width_ratios=(size, 2.9 if large else 4.2))
    shown = (rates if values == "rate" else counts)[np.ix_(order, order)]
    names = [style.short(class_names[int(i)], 14) for i in order]
    _heat(left, shown, names, values, language)
    _pairs(right, top_pairs(confusions, class_names, split, num_pairs), split, language)
    accuracy = float(np.trace(counts) / max(counts.sum(), 1))
    images = int(counts.sum())
    title = say("confusion.title", split=say(f"split.{split}"), accuracy=accuracy, images=images)
    note = say("confusion.note_order" if large else f"confusion.note_{values}")
    if len(order) < len(class_names):
        note = f"{say('confusion.note_most', shown=len(order), total=len(class_names))} {note}"
    return style.frame(figure, title, note, (), language)


def matrix(
    confusions: pd.DataFrame, class_names: Sequence[str], split: str
) -> tuple[Matrix, Matrix]:
    """Rates and counts, (num_classes, num_classes) each, rows true, columns predicted.

    Rates are counts over the row's total; rows without images are 0.
    """
    rows = confusions[confusions["split"] == split]
    numbers = {name: number for number, name in enumerate(class_names)}
    counts = np.zeros((len(class_names), len(class_names)))
    true, predicted = (_numbered(rows[column], numbers) for column in ("true", "predicted"))
    np.add.at(counts, (true, predicted), rows["count"])
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return rates, counts


def _numbered(classes: "pd.Series[Any]", numbers: Mapping[str, int]) -> npt.NDArray[np.int64]:
    if pd.api.types.is_integer_dtype(classes):
        return classes.to_numpy(np.int64)
    return np.asarray([numbers.get(value, value) for value in classes], np.int64)


def most_confused(
    confusions: pd.DataFrame, class_names: Sequence[str], split: str
) -> npt.NDArray[np.int64]:
    """The numbers, ascending, of the 50 classes in the worst pairs; of all, where there are less.

    Where fewer are confused at all, the first of the others stand beside them.
    """
    if len(class_names) <= MOST_SHOWN:
        return np.arange(len(class_names))
    numbers = {name: number for number, name in enumerate(class_names)}
    # Every pair brings at least one class, or both were there: so many pairs hold enough classes.
    worst = top_pairs(confusions, class_names, split, MOST_SHOWN * MOST_SHOWN)
    named = worst[["true", "predicted"]].to_numpy().ravel()
    ranked = dict.fromkeys([*(numbers[name] for name in named), *range(len(class_names))])
    return np.sort(list(ranked)[:MOST_SHOWN])


def clustered(rates: Matrix) -> npt.NDArray[np.int64]:
    """An order of the classes in which those confused with each other are neighbours.

    Average linkage on 1 - (share confused, both ways), leaves ordered optimally (Bar-Joseph 2001).
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    mutual = (rates + rates.T) / 2
    np.fill_diagonal(mutual, 0)
    distance = 1 - mutual / max(float(mutual.max()), 1e-12)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree), dtype=np.int64)


def top_pairs(
    confusions: pd.DataFrame, class_names: Sequence[str], split: str, num_pairs: int
) -> pd.DataFrame:
    """The mistakes most frequent for their true class, by the lower bound of the rate if given."""
    rows = confusions[(confusions["split"] == split) & (confusions["count"] > 0)]
    wrong = rows[rows["true"] != rows["predicted"]]
    by = "low" if "low" in wrong else "rate"
    best = wrong.sort_values([by, "count"], ascending=False).head(num_pairs)
    named = {
        column: [_name(value, class_names) for value in best[column]]
        for column in ("true", "predicted")
    }
    return best.assign(**named)


def _name(value: object, class_names: Sequence[str]) -> str:
    return value if isinstance(value, str) else class_names[int(str(value))]


def _heat(axes: Axes, shown: Matrix, names: list[str], values: str, language: str) -> None:
    """Right answers in grey on the diagonal, mistakes in colour: mistakes are the subject."""
    say = style.words(language)
    diagonal = np.eye(len(shown), dtype=bool)
    wrong, right = np.where(diagonal, 0, shown), np.where(diagonal, shown, np.nan)
    annotated = len(shown) <= ANNOTATED
    sns.heatmap(
        wrong,
        ax=axes,
        cmap=_mistakes(),
        norm=PowerNorm(0.5 if annotated else 0.85, 0, max(float(wrong.max()), 1e-9)),
        annot=_labels(shown, values) if annotated else None,
        fmt="",
        annot_kws={"fontsize": 9 if len(shown) <= 12 else 7.5},
        cbar=not annotated,
        cbar_kws={"shrink": 0.4, "label": say(f"confusion.scale_{values}"), "pad": 0.02},
        square=True,
        linewidths=0.6 if annotated else 0,
        xticklabels=names,
        yticklabels=names,
    )
    sns.heatmap(
        right, ax=axes, mask=~diagonal, cmap=["#dfe4e9"], cbar=False, square=True,
        linewidths=0.6 if annotated else 0, xticklabels=names, yticklabels=names,
    )  # fmt: skip
    points = 9 if annotated else 5
    axes.tick_params(length=0, labelsize=points)
    axes.tick_params(axis="x", rotation=90 if not annotated else 45)
    if annotated:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.grid(False)
    axes.set_xlabel(say("confusion.predicted_class"))
    axes.set_ylabel(say("confusion.true_class"))


def _mistakes() -> Colormap:
    return sns.blend_palette(["#ffffff", "#f9c9a8", "#e2703a", "#8f2406"], as_cmap=True)


def _labels(shown: Matrix, values: str) -> npt.NDArray[np.str_]:
    """Numbers for the cells: per cent or counts; nothing for what rounds to zero."""
    scaled = np.rint(100 * shown if values == "rate" else shown).astype(int)
    return np.where(scaled > 0, scaled.astype(str), "")


def _pairs(axes: Axes, pairs: pd.DataFrame, split: str, language: str) -> None:
    say = style.words(language)
    axes.set_title(say("confusion.pairs"), loc="right")
    if pairs.empty:
        axes.set_axis_off()
        axes.text(0, 0.95, say("confusion.none"), transform=axes.transAxes, va="top")
        return
    places = np.arange(len(pairs))
    axes.barh(places, pairs["rate"], height=0.62, color="#e2703a")
    if {"low", "high"} <= set(pairs):
        axes.hlines(places, pairs["low"], pairs["high"], color=style.INK, linewidth=1.4)
    labels = [
        f"{style.short(row['true'], 15)} → {style.short(row['predicted'], 15)} ({row['count']:.0f})"
        for row in pairs.to_dict("records")
    ]
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(max(len(pairs), 5) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    style.percent(axes.xaxis)
    axes.set_xlim(left=0)
    axes.set_xlabel(say("confusion.rate_axis", split=say(f"split.{split}")))
