"""What Keras' own history would have shown, beside the clean scores; and the learning rate."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from pipeline.plots import style
from pipeline.plots.curves import band, draw_band, set_limits

METRICS = ("loss", "accuracy")


@style.drawn
def running_gap(curves: Mapping[str, pd.DataFrame], language: str, metric: str = "loss") -> Figure:
    """The clean gap (solid) and the gap of Keras' running scores (dotted), a panel a model.

    `curves` are long tables by model, with splits running, probe, val and columns seed, epoch,
    split, `metric`, penalty. Models without running scores, such as an ensemble, are left out.
    """
    say = style.words(language)
    curves = with_running(curves)
    chosen = style.colours(curves)
    columns = max(1, min(len(curves), 4))
    rows = max(1, -(-len(curves) // columns))
    figure = style.sheet(height=2.9 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    bands = []
    for axes, (name, table) in zip(panels.flat, curves.items(), strict=False):
        both = gaps(table, metric)
        for split in ("probe", "running"):
            values = band(both, split, "gap")
            draw_band(axes, values, chosen[name], split)
            bands.append(values)
        axes.axhline(0, color=style.MUTED, linewidth=1)
        axes.set_title(style.short(name, 22))
        style.epoch_axis(axes, language)
    _limits_around_zero(panels.flat[0], bands, metric)
    for axes in list(panels.flat)[len(curves) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel(say(f"gap.axis_{metric}"))
    handles = [
        style.key(say("gap.clean"), color=style.INK, linestyle=style.SPLIT_LINES["probe"]),
        style.key(say("gap.running"), color=style.INK, linestyle=style.SPLIT_LINES["running"]),
    ]
    return style.frame(figure, say("gap.title"), say("gap.note"), handles, language)


def with_running(curves: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The models that were trained epoch by epoch; an ensemble has no running scores."""
    return {name: table for name, table in curves.items() if "running" in set(table["split"])}


def gaps(curves: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The gap of each seed and epoch, by `split`: "probe" is the clean one, "running" Keras'.

    Losses: validation minus training (Keras adds the penalty to both); accuracies: the reverse.
    """
    by_split = curves.pivot_table(index=["seed", "epoch"], columns="split", values=metric)
    sign = -1 if metric in ("accuracy", "true_accuracy") else 1
    penalty = pd.Series(0.0, index=by_split.index)
    if metric == "loss" and "penalty" in curves:
        running = curves[curves["split"] == "running"].set_index(["seed", "epoch"])
        penalty = running["penalty"].fillna(0.0)
    clean = sign * (by_split["val"] - by_split["probe"])
    keras = sign * (by_split["val"] + penalty - by_split["running"])
    tables = [clean.rename("gap").reset_index(), keras.rename("gap").reset_index()]
    named = zip(("probe", "running"), tables, strict=True)
    return pd.concat([table.assign(split=name) for name, table in named], ignore_index=True)


def _limits_around_zero(axes: Axes, bands: list[pd.DataFrame], metric: str) -> None:
    set_limits(axes, bands, bounded=False)
    lowest = min((float(values["low"].min()) for values in bands if len(values)), default=0.0)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, lowest) - 0.08 * (high - min(low, lowest)), high)
    if metric == "accuracy":
        style.percent(axes.yaxis)


@style.drawn
def learning_rate(curves: Mapping[str, pd.DataFrame], language: str) -> Figure:
    """The learning rate of each epoch; models with the same rates share a line.

    `curves` are long tables by model: epoch, split, learning_rate (filled where split is running).
    """
    say = style.words(language)
    curves = with_running(curves)
    figure = style.sheet(height=2.7)
    axes = figure.subplots()
    shared = _shared_rates(curves)
    chosen = style.colours(curves)
    handles = []
    for rates_of, names in shared.items():
        epochs = np.arange(1, len(rates_of) + 1)
        colour = chosen[names[0]] if len(names) == 1 else style.INK
        marker = "o" if len(rates_of) < 3 else ""
        axes.plot(epochs, rates_of, color=colour, drawstyle="steps-mid", marker=marker)
        handles.append(style.key(", ".join(style.short(n, 20) for n in names), color=colour))
    _rate_axis(axes, [rate for rates_of in shared for rate in rates_of])
    axes.set_ylabel(say("rate.axis"))
    style.epoch_axis(axes, language)
    return style.frame(figure, say("rate.title"), "", handles, language)


def _shared_rates(curves: Mapping[str, pd.DataFrame]) -> dict[tuple[float, ...], list[str]]:
    """Names by their rates; who only stops earlier than another shares the other's."""
    rates: dict[str, tuple[float, ...]] = {}
    for name, table in curves.items():
        rows = table[table["split"] == "running"]
        rates[name] = tuple(rows.groupby("epoch")["learning_rate"].median().dropna())
    shared: dict[tuple[float, ...], list[str]] = {}
    for name, own in rates.items():
        longest = max((r for r in rates.values() if r[: len(own)] == own), key=len)
        shared.setdefault(longest, []).append(name)
    return shared


def _rate_axis(axes: Axes, rates: list[float]) -> None:
    """Logarithmic where the rates differ more than tenfold; numbers as people write them."""
    positive = [rate for rate in rates if rate > 0]
    if positive and max(positive) > 10 * min(positive):
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif positive:
        axes.set_ylim(0, 1.25 * max(positive))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
