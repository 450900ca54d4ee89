"""What else the Optuna studies show: importance, validation against gap, double descent."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.plots import style
from pipeline.plots.plane import width_axis


@style.drawn
def importances(table: pd.DataFrame, language: str, target: str = "gap_loss") -> Figure:
    """How much each parameter matters for `target`; the evaluator is named, as they differ.

    Columns: parameter, importance (0..1), and evaluator ("PED-ANOVA", "fANOVA", ...).
    """
    say = style.words(language)
    evaluators = list(dict.fromkeys(table["evaluator"]))
    ranked = table.pivot_table(index="parameter", columns="evaluator", values="importance")
    ranked = ranked[evaluators].sort_values(evaluators[0], ascending=False)
    figure = style.sheet(height=0.5 + len(ranked) * (0.22 + 0.2 * len(evaluators)))
    axes = figure.subplots()
    places, thickness = np.arange(len(ranked)), 0.72 / len(evaluators)
    shades = (style.GOOD, "#8ab9dc", "#c7dcec", "#e3edf5")
    handles = []
    for number, evaluator in enumerate(evaluators):
        shift = (number - (len(evaluators) - 1) / 2) * thickness
        values, shade = ranked[evaluator].fillna(0), shades[number % len(shades)]
        axes.barh(places + shift, values, height=thickness * 0.92, color=shade)
        for place, value in zip(places + shift, values, strict=True):
            axes.text(value, place, f" {value:.2f}", va="center", fontsize=style.NOTE_POINTS)
        handles.append(style.key(str(evaluator), color=shade, linewidth=6))
    axes.set_yticks(places, [_parameter(name, language) for name in ranked.index])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(ranked) - 0.5, -0.5)
    axes.set_xlim(0, 1.12 * max(float(ranked.max().max()), 1e-3))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(say("importance.axis"))
    title = say("importance.title", target=say(f"importance.target_{target}"))
    return style.frame(figure, title, say("importance.note"), handles, language)


def _parameter(name: object, language: str) -> str:
    known = ("width", "dropout", "epochs", "train_fraction", "label_noise", "learning_rate")
    short = str(name).removeprefix("train.")
    return style.words(language)(f"parameter.{short}") if short in known else style.short(short, 24)


@style.drawn
def pareto(trials: pd.DataFrame, language: str) -> Figure:
    """Validation loss against gap, a point a trial; the trials nothing else beats are joined.

    Columns: val_loss, gap_loss, and dropout where it was searched. Trials without both scores are
    left out; those far off are counted in the note.
    """
    say = style.words(language)
    figure = style.sheet(width=7.4, height=3.9)
    axes = figure.subplots()
    finite = trials[np.isfinite(trials[["val_loss", "gap_loss"]].astype(float)).all(axis=1)]
    near = finite[_near(finite["val_loss"]) & _near(finite["gap_loss"])]
    front = pareto_front(pd.DataFrame(near))
    axes.plot(front["val_loss"], front["gap_loss"], color=style.INK, linewidth=1.4, zorder=2)
    shades = near.get("dropout", 0.0 * near["val_loss"])
    dots = axes.scatter(
        near["val_loss"], near["gap_loss"], c=shades, cmap="viridis_r", s=34,
        edgecolors=style.PAPER, linewidths=0.5, zorder=3,
    )  # fmt: skip
    axes.scatter(
        front["val_loss"], front["gap_loss"], s=80, facecolors="none", edgecolors=style.INK,
        linewidths=1.4, zorder=4,
    )  # fmt: skip
    axes.axhline(0, color=style.MUTED, linewidth=1)
    if "dropout" in near:
        figure.colorbar(dots, ax=axes, pad=0.02, fraction=0.05).set_label(say("map.dropout"))
    axes.set_xlabel(say("pareto.val_loss"))
    axes.set_ylabel(say("gap.axis_loss"))
    handles: list[Artist] = [
        style.key(say("pareto.front"), color=style.INK, marker="o", mfc="none", lw=1.4, ms=8),
        style.key(say("pareto.trial"), color=style.MUTED, marker="o", linestyle="", ms=6),
    ]
    away = len(finite) - len(near)
    note = say("pareto.note") + (" " + say("pareto.away", count=away) if away else "")
    return style.frame(figure, say("pareto.title"), note, handles, language)


def pareto_front(trials: pd.DataFrame) -> pd.DataFrame:
    """The rows than which no other has both a lower val_loss and a lower gap_loss.

    A gap below zero is noise and counts as zero.
    """
    ordered = trials.sort_values(["val_loss", "gap_loss"], kind="stable")
    gap = ordered["gap_loss"].clip(lower=0)
    return ordered[gap < gap.cummin().shift(fill_value=np.inf)]


def _near(values: pd.Series) -> pd.Series:
    low, high = values.quantile(0.25), values.quantile(0.75)
    return values <= high + 6 * max(float(high - low), 1e-9)


@style.drawn
def double_descent(
    table: pd.DataFrame,
    language: str,
    interpolation: pd.DataFrame | None = None,
    model: str = "dense",
) -> Figure:
    """Error on probe (solid) and validation (dashed) over width, a panel a label noise.

    Args:
        table: of `diagnosis.double_descent`: label_noise, width, probe_error, probe_error_se,
            val_error, val_error_se (fractions).
        interpolation: columns label_noise, interpolation_width (NaN: not reached), status.
    """
    say = style.words(language)
    noises = sorted(set(table["label_noise"]))
    figure = style.sheet(width=max(6.4, 3.1 * len(noises)), height=3.1)
    panels = figure.subplots(1, len(noises), sharey=True, squeeze=False)[0]
    for axes, noise in zip(panels, noises, strict=True):
        rows = table[table["label_noise"] == noise].sort_values("width")
        _errors(axes, rows)
        width_axis(axes, rows["width"], model, language, short=len(noises) > 1)
        axes.tick_params(axis="x", labelsize=8, rotation=45 if len(rows) > 6 else 0)
        found = (
            None if interpolation is None else interpolation[interpolation["label_noise"] == noise]
        )
        axes.set_title(_descent_title(float(noise), found, language))
        if found is not None:
            _interpolation_lines(axes, found)
    style.percent(panels[0].yaxis)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel(say("descent.axis"))
    lines = [
        style.key(say(f"split_long.{split}"), color=style.GOOD, linestyle=style.SPLIT_LINES[split])
        for split in ("probe", "val")
    ]
    mark = style.key(say("descent.threshold"), color=style.INK, lw=1.2, linestyle=(0, (2, 2)))
    handles: Sequence[Artist] = lines if interpolation is None else [*lines, mark]
    return style.frame(figure, say("descent.title"), say("descent.note"), handles, language)


def _errors(axes: Axes, rows: pd.DataFrame) -> None:
    for split in ("probe", "val"):
        error, spread = rows[f"{split}_error"], rows[f"{split}_error_se"].fillna(0)
        line = {"color": style.GOOD, "linestyle": style.SPLIT_LINES[split], "marker": "o"}
        axes.plot(rows["width"], error, markersize=3.5, **line)
        low, high = error - 1.96 * spread, error + 1.96 * spread
        axes.fill_between(
            rows["width"], low.clip(lower=0), high, color=style.GOOD, alpha=0.15, lw=0
        )


def _interpolation_lines(axes: Axes, found: pd.DataFrame) -> None:
    for width in found["interpolation_width"].dropna().astype(float):
        axes.axvline(width, color=style.INK, linewidth=1.2, linestyle=(0, (2, 2)))


def _descent_title(noise: float, found: pd.DataFrame | None, language: str) -> str:
    say = style.words(language)
    title = say("descent.noise", noise=noise)
    if found is None or found.empty:
        return title
    keys = {"observed": "observed", "not observed in this range": "none"}
    status = str(found.iloc[0].get("status", ""))
    return f"{title}\n{say('descent.' + keys.get(status, 'unknown'))}"
