"""Several settings side by side: their curves, what remedies do, what data and ensembles bring."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from pipeline.plots import style
from pipeline.plots.curves import BOUNDED, band, draw_band, learning_curves, set_limits

OVERLAID = 6  # variants; more get a panel each, or nobody can follow the lines


def comparison(
    curves: Mapping[str, pd.DataFrame],
    language: str,
    baseline: str,
    metric: str = "loss",
    kinds: Mapping[str, str] | None = None,
    marks: pd.DataFrame | None = None,
) -> Figure:
    """The curves of all variants: overlaid up to six, else a panel each over the grey baseline.

    Args:
        curves: by variant, the long tables of `curves.learning_curves`.
        kinds: by variant, one of `style.KINDS`: the colour of its panel.
        marks: as in `curves.learning_curves`; used where variants are overlaid.
    """
    if len(curves) <= OVERLAID:
        return learning_curves(curves, language, marks=marks, baseline=baseline)
    return variant_panels(curves, language, baseline, metric, kinds)


@style.drawn
def variant_panels(
    curves: Mapping[str, pd.DataFrame],
    language: str,
    baseline: str,
    metric: str = "loss",
    kinds: Mapping[str, str] | None = None,
) -> Figure:
    """A panel a variant: its probe (solid) and validation (dashed) over those of the baseline."""
    say = style.words(language)
    variants = [name for name in curves if name != baseline]
    columns = 4
    rows = -(-len(variants) // columns)
    figure = style.sheet(width=10.4, height=1.95 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    bands = []
    for place, (axes, name) in enumerate(zip(panels.flat, variants, strict=False)):
        for split in ("probe", "val"):
            behind, own = (band(curves[n], split, metric) for n in (baseline, name))
            draw_band(axes, behind, "#a9b1ba", split)
            draw_band(axes, own, _kind_colour(kinds, name), split)
            bands += [behind, own]
        axes.set_title(style.short(name, 24), fontsize=10.5)
        style.epoch_axis(axes, language, label=place >= len(variants) - columns)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.tick_params(labelbottom=place >= len(variants) - columns)
    for axes in list(panels.flat)[len(variants) :]:
        axes.set_axis_off()
    set_limits(panels[0, 0], bands, metric in BOUNDED)
    if metric in BOUNDED:
        style.percent(panels[0, 0].yaxis)
    figure.supylabel(say(f"metric.{metric}.axis"), fontsize=10.5)
    title = say("compare.title", metric=say(f"metric.{metric}.name"))
    handles = _panel_legend(baseline, kinds, variants, language)
    return style.frame(figure, title, say("compare.note"), handles, language)


def _kind_colour(kinds: Mapping[str, str] | None, name: str) -> str:
    if not kinds or name not in kinds:
        return style.GOOD
    return style.KINDS[kind_of(kinds[name])][0]


def _panel_legend(
    baseline: str, kinds: Mapping[str, str] | None, variants: Sequence[str], language: str
) -> list[Artist]:
    say = style.words(language)
    handles: list[Artist] = [
        style.key(say(f"split_long.{split}"), color=style.INK, ls=style.SPLIT_LINES[split])
        for split in ("probe", "val")
    ]
    handles.append(style.key(say("compare.baseline", name=baseline), color="#a9b1ba", lw=4))
    present = {kind_of((kinds or {})[name]) for name in variants if name in (kinds or {})}
    for kind, (colour, _, _) in style.KINDS.items():
        if kind in present:
            handles.append(style.key(say(f"kind.{kind}"), color=colour, linewidth=4))
    return handles


def kind_of(kind: str) -> str:
    """The class of a remedy as it is called in code: "no effect" becomes "no_effect"."""
    return kind.strip().replace(" ", "_")


@style.drawn
def remedies(table: pd.DataFrame, language: str, baseline: str) -> Figure:
    """What each remedy changes against the baseline: a forest plot, a panel a metric.

    Columns: name, metric ("val_accuracy", "test_loss", "gap_loss", ...: see the texts
    `figure.effect`), effect, low, high (remedy minus baseline, with its interval), kind (one of
    `style.KINDS`; the same in all rows of a name). The first three metrics are shown.
    """
    say = style.words(language)
    metrics = list(dict.fromkeys(table["metric"]))[:3]
    names = _ranked(table, metrics[0])
    figure = style.sheet(width=10.0, height=0.31 * max(len(names), 3) + 1.0)
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        rows = table[table["metric"] == metric].set_index("name").reindex(names)
        _forest(axes, rows, metric, language)
    panels[0].set_yticks(range(len(names)), [style.short(name, 26) for name in names])
    panels[0].set_ylim(max(len(names), 3) - 0.4, -0.6)
    present = {kind_of(kind) for kind in table["kind"]}
    handles = [
        style.key(
            say(f"kind.{kind}"), color=colour, marker=marker, markersize=8, linestyle="",
            markerfacecolor=colour if full else style.PAPER, markeredgewidth=1.6,
        )
        for kind, (colour, marker, full) in style.KINDS.items()
        if kind in present
    ]  # fmt: skip
    title = say("remedies.title", baseline=baseline)
    return style.frame(figure, title, say("remedies.note"), handles, language)


def _ranked(table: pd.DataFrame, metric: str) -> list[str]:
    """Names by class (cures first), then by effect on the first metric, best first."""
    order = {kind: place for place, kind in enumerate(style.KINDS)}
    rows = table[table["metric"] == metric]
    sign = 1 if metric.endswith("loss") else -1
    ranked = rows.assign(place=[order[kind_of(k)] for k in rows["kind"]], by=sign * rows["effect"])
    return [str(name) for name in ranked.sort_values(["place", "by"])["name"]]


def _forest(axes: Axes, rows: pd.DataFrame, metric: str, language: str) -> None:
    say = style.words(language)
    axes.axvline(0, color=style.MUTED, linewidth=1.2)
    for place, row in enumerate(rows.to_dict("records")):
        if not np.isfinite(float(row["effect"])):
            continue
        colour, marker, full = style.KINDS[kind_of(str(row["kind"]))]
        axes.hlines(place, row["low"], row["high"], color=colour, linewidth=2)
        axes.plot(
            row["effect"], place, marker, color=colour, markersize=7.5, markeredgewidth=1.6,
            markerfacecolor=colour if full else style.PAPER, zorder=3,
        )  # fmt: skip
    if metric.endswith("accuracy"):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: _signed(100 * share)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _signed(value)))
    higher = (metric.endswith("accuracy") and not metric.startswith("gap")) or "onset" in metric
    way = "higher" if higher else "lower"
    axes.set_title(say(f"remedies.{way}"), fontsize=9.5, loc="center")
    axes.set_xlabel(say(f"effect.{metric}"))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.08)


def _signed(value: float) -> str:
    return f"{value:+.3g}" if abs(value) > 1e-9 else "0"


@style.drawn
def data_size(
    points: pd.DataFrame,
    fit: pd.DataFrame | None,
    language: str,
    metric: str = "gap_loss",
    formula: str = "",
) -> Figure:
    """The gap over the number of training images, with the fitted curve a n^-b + c and its band.

    Args:
        points: columns num_images, and `metric`, one row a fit.
        fit: columns num_images, mean, low, high; what lies beyond the largest measured number is
            drawn as an extrapolation. None: no curve could be fitted.
        formula: the fitted curve in numbers, for the legend.
    """
    say = style.words(language)
    figure = style.sheet(width=7.6, height=3.7)
    axes = figure.subplots()
    sizes = sorted(set(points["num_images"]))
    reached = max(sizes)
    handles: list[Artist] = []
    if fit is not None and len(fit):
        inside, beyond = _split_at(fit.sort_values("num_images"), float(reached))
        for part, dashes in ((inside, "-"), (beyond, (0, (4, 2)))):
            axes.plot(part["num_images"], part["mean"], color=style.GOOD, linestyle=dashes)
        axes.fill_between(
            fit["num_images"], fit["low"], fit["high"], color=style.GOOD, alpha=0.15, lw=0
        )
        if len(beyond) > 1:
            axes.axvspan(reached, beyond["num_images"].max(), color=style.FAINT, alpha=0.4, lw=0)
        handles.append(style.key(formula or say("data_size.fit"), color=style.GOOD))
    axes.scatter(points["num_images"], points[metric], color=style.INK, s=20, zorder=3)
    handles.append(style.key(say("data_size.points"), color=style.INK, marker="o", ls="", ms=5))
    axes.axhline(0, color=style.MUTED, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(_readable(sizes)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(say("data_size.axis"))
    axes.set_ylabel(say("gap.axis_accuracy" if metric.endswith("accuracy") else "gap.axis_loss"))
    return style.frame(figure, say("data_size.title"), say("data_size.note"), handles, language)


def _split_at(fit: pd.DataFrame, reached: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The fitted curve up to the largest number measured, and from there on."""
    sizes = fit["num_images"].to_numpy(dtype=float)
    if not sizes[0] < reached < sizes[-1]:
        return fit[sizes <= reached], fit[sizes >= reached]
    values = fit[["mean", "low", "high"]].astype(float)
    border = {name: float(np.interp(reached, sizes, values[name])) for name in values}
    one = pd.DataFrame([{"num_images": reached, **border}])
    inside, beyond = fit[sizes < reached], fit[sizes > reached]
    return pd.concat([inside, one]), pd.concat([one, beyond])


def _readable(sizes: Sequence[float]) -> list[float]:
    """The sizes that stay apart on a logarithmic axis: each at least 1.35 times the last shown."""
    shown: list[float] = []
    for size in sizes:
        if not shown or size >= 1.35 * shown[-1]:
            shown.append(float(size))
    return shown
