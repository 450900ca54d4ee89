"""Learning curves over epochs: probe against validation, for one model or several.

Inputs are the curves tables of `train`: columns seed, epoch, split, and one column a metric.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipeline.plots import style

BOUNDED = ("accuracy", "true_accuracy")


@style.drawn
def learning_curves(
    curves: Mapping[str, pd.DataFrame],
    language: str,
    marks: pd.DataFrame | None = None,
    metrics: Sequence[str] = ("loss", "accuracy"),
    baseline: str | None = None,
) -> Figure:
    """Each metric of probe (solid) and validation (dashed) over epochs, models in their colours.

    Args:
        curves: by model, long tables with columns seed, epoch, split (probe, val; running is drawn
            where probe is missing) and one column for each of `metrics`.
        marks: columns model, kind ("best" or "onset"), epoch, low, high, and optionally metric
            (default "loss") and status ("confirmed", "none", "censored"); NaN where there is none:
            the tables of `Diagnosis.marks()`, one after another.
        baseline: the name drawn in grey, behind the others.
    """
    say = style.words(language)
    chosen = style.colours(curves, baseline)
    shown = {metric: marks_of(marks, metric, curves) for metric in metrics}
    marked = [metric for metric, rows in shown.items() if rows["epoch"].notna().any()]
    strip = 0.28 + 0.27 * max(rows["model"].nunique() for rows in shown.values()) if marked else 0.0
    figure = style.sheet(height=3.5 + strip)
    grid = figure.add_gridspec(2, len(metrics), height_ratios=(3.5, max(strip, 0.01)))
    for column, metric in enumerate(metrics):
        top = figure.add_subplot(grid[0, column] if metric in marked else grid[:, column])
        draw_metric(top, curves, metric, chosen, language)
        _phases(top, curves, language)
        if metric in marked:
            below = figure.add_subplot(grid[1, column], sharex=top)
            _strip(below, shown[metric], chosen, language)
            _onset_lines(top, shown[metric], chosen)
            top.tick_params(labelbottom=False)
            top.set_xlabel("")
    title = say("curves.title_one", model=next(iter(curves))) if len(curves) == 1 else ""
    clean = all("running" not in _splits(table) for table in curves.values())
    note = say("curves.note" if clean else "curves.note_running")
    note += " " + _seeds_note(curves.values(), language)
    note += " " + say("curves.bars") if marked else ""
    return style.frame(
        figure,
        title or say("curves.title"),
        note,
        legend(curves, chosen, language, bool(marked)),
        language,
    )


def draw_metric(
    axes: Axes,
    curves: Mapping[str, pd.DataFrame],
    metric: str,
    chosen: Mapping[str, str],
    language: str,
) -> None:
    """Draw one metric of all models into `axes`, with limits that one wild epoch cannot spoil."""
    say = style.words(language)
    bands = {
        (name, split): band(table, split, metric)
        for name, table in curves.items()
        for split in _splits(table)
    }
    for (name, split), values in bands.items():
        draw_band(axes, values, chosen[name], split)
    if len(curves) == 1:
        _shade_gap(axes, list(bands.values()))
    for name, table in curves.items():
        _mark_broken(axes, table, metric, chosen[name])
    cut = set_limits(axes, list(bands.values()), metric in BOUNDED)
    if cut is not None:
        _note_cut(axes, say("curves.beyond", value=cut))
    axes.set_title(say(f"metric.{metric}.name"))
    axes.set_ylabel(say(f"metric.{metric}.axis"))
    if metric in BOUNDED:
        style.percent(axes.yaxis)
    style.epoch_axis(axes, language)


def band(curves: pd.DataFrame, split: str, metric: str) -> pd.DataFrame:
    """By epoch: median (`mid`), lowest and highest over seeds, and how many `seeds` got there."""
    rows = curves.loc[curves["split"] == split, ["epoch", metric]]
    finite = rows[np.isfinite(rows[metric].to_numpy(dtype=float))]
    by_epoch = finite.groupby("epoch")[metric]
    summary = {"mid": by_epoch.median(), "low": by_epoch.min(), "high": by_epoch.max()}
    return pd.DataFrame({**summary, "seeds": by_epoch.count()}).sort_index()


def draw_band(axes: Axes, values: pd.DataFrame, colour: str, split: str) -> None:
    """A line with its band; paler from where some seeds have already stopped."""
    if values.empty:
        return
    whole = values[values["seeds"] == values["seeds"].max()]
    tail = values.loc[whole.index[-1] :]
    look = {"color": colour, "linestyle": style.SPLIT_LINES[split], "zorder": 3}
    if len(values) < 3:  # a line that short is hard to see
        look |= {"marker": "o", "mfc": style.PAPER if split in ("val", "test") else colour}
    axes.plot(whole.index, whole["mid"], **look)
    if len(tail) > 1:
        axes.plot(tail.index, tail["mid"], alpha=0.4, **look)
    if values["seeds"].max() > 1:
        axes.fill_between(
            whole.index, whole["low"], whole["high"], color=colour, alpha=0.15, linewidth=0
        )


def set_limits(axes: Axes, bands: Iterable[pd.DataFrame], bounded: bool) -> float | None:
    """Set limits from what lasts: one or two wild epochs are cut off.

    Returns: the highest value, where the limits cut it off; else None.
    """
    drawn = [values for values in bands if len(values)]
    if not drawn:
        return None
    lasting = [_without_spikes(values["mid"]) for values in drawn]
    low, high = min(map(np.min, lasting)), max(map(np.max, lasting))
    lowest = min(float(values["low"].min()) for values in drawn)
    highest = max(float(values["high"].max()) for values in drawn)
    room = 0.06 * max(high - low, 1e-3)
    if bounded:
        bottom = lowest if low - lowest < 10 * room else low
        axes.set_ylim(max(-0.01, float(bottom) - room), min(1.01, highest + room))
        return None
    lines = max(float(values["mid"].max()) for values in drawn)
    top = lines if lines < low + 2.5 * (high - low) else low + 1.25 * (high - low)
    top = highest if highest < low + 1.3 * (top - low) else top
    axes.set_ylim(min(0.0, lowest), float(top) + room)
    return highest if highest > top else None


def _note_cut(axes: Axes, said: str) -> None:
    axes.annotate(
        said,
        (0.99, 0.985),
        xycoords="axes fraction",
        ha="right",
        va="top",
        fontsize=style.NOTE_POINTS,
        color=style.MUTED,
    )


def _without_spikes(column: pd.Series) -> np.ndarray:
    steady = column.rolling(5, center=True, min_periods=3).median()
    return np.asarray(steady.dropna() if len(column) >= 3 else column, dtype=float)


def _splits(table: pd.DataFrame) -> list[str]:
    present = set(table["split"])
    return ["probe" if "probe" in present else "running", "val"]


def _shade_gap(axes: Axes, bands: Sequence[pd.DataFrame]) -> None:
    both = bands[0].add_suffix("_fit").join(bands[1].add_suffix("_held"), how="inner")
    axes.fill_between(
        both.index,
        both["mid_fit"],
        both["mid_held"],
        color=style.FAINT,
        alpha=0.5,
        lw=0,
        zorder=0.5,
    )


def _phases(axes: Axes, curves: Mapping[str, pd.DataFrame], language: str) -> None:
    """Bands behind the curves for what the epochs were for, where all models share the schedule."""
    first, *others = [phases_of(table) for table in curves.values()]
    if not first or any(other != first for other in others):
        return
    for place, (_, start, end) in enumerate(first):
        shade = style.FAINT if place % 2 == 0 else style.PAPER
        axes.axvspan(start - 0.5, end + 0.5, color=shade, alpha=0.45, lw=0, zorder=0)
    _name_phases(axes, first, language)


def _name_phases(axes: Axes, phases: list[tuple[int, int, int]], language: str) -> None:
    """Names on top inside the bands: upright where a band is too narrow for its own."""
    say = style.words(language)
    left, right = axes.get_xlim()
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.14 * (high - low))
    for number, start, end in phases:
        axes.annotate(
            say(f"curves.phase_{number}"),
            ((max(start - 0.5, left) + min(end + 0.5, right)) / 2, 0.985),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
            fontsize=8,
            color=style.MUTED,
            rotation=90 if 11 * (end - start + 1) < right - left else 0,
        )


def phases_of(curves: pd.DataFrame) -> list[tuple[int, int, int]]:
    """Number, first and last epoch of each phase of the schedule; empty where it has none."""
    if "phase" not in curves:
        return []
    known = curves.dropna(subset=["phase"]).groupby("epoch")["phase"].first().astype(int)
    epochs = {number: np.asarray(known.index[known == number]) for number in sorted(set(known))}
    return [(int(number), int(found.min()), int(found.max())) for number, found in epochs.items()]


def _mark_broken(axes: Axes, table: pd.DataFrame, metric: str, colour: str) -> None:
    """A cross at the last finite point of every seed whose later scores are not finite."""
    rows = table[table["split"] == "val"].sort_values("epoch")
    for _, seed in rows.groupby("seed"):
        finite = np.isfinite(seed[metric].to_numpy(dtype=float))
        if finite.any() and not finite[-1]:
            last = seed[finite].iloc[-1]
            axes.plot(last["epoch"], last[metric], "x", color=colour, markersize=9, mew=2.2)


def marks_of(
    marks: pd.DataFrame | None, metric: str, curves: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """The rows of `marks` that belong to `metric` and to the models shown."""
    if marks is None or marks.empty:
        return pd.DataFrame(columns=["model", "kind", "epoch", "low", "high", "status"])
    metrics = marks["metric"] if "metric" in marks else pd.Series("loss", index=marks.index)
    rows = marks[metrics == metric]
    said = rows["epoch"].notna() | (rows["kind"] == "onset")
    return rows[said & rows["model"].isin(list(curves))]


def _onset_lines(axes: Axes, marks: pd.DataFrame, chosen: Mapping[str, str]) -> None:
    for mark in marks[marks["kind"] == "onset"].dropna(subset=["epoch"]).to_dict("records"):
        colour = chosen[str(mark["model"])]
        axes.axvline(float(mark["epoch"]), color=colour, linewidth=1.2, linestyle=(0, (2, 2)))


def _strip(axes: Axes, marks: pd.DataFrame, chosen: Mapping[str, str], language: str) -> None:
    """Under the curves: a row a model with best epoch, onset, and their intervals."""
    names = [name for name in chosen if name in set(marks["model"])]
    for row, name in enumerate(names):
        for mark in marks[marks["model"] == name].to_dict("records"):
            _mark(axes, pd.Series(mark), row, chosen[name], language)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [style.short(name, 14) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines[["left"]].set_visible(False)
    style.epoch_axis(axes, language)


def _mark(axes: Axes, mark: pd.Series, row: int, colour: str, language: str) -> None:
    onset = mark["kind"] == "onset"
    epoch, low, high = (float(mark[column]) for column in ("epoch", "low", "high"))
    if not np.isfinite(epoch):
        if onset:
            _note_no_onset(axes, str(mark.get("status")), row, language)
        return
    y = row + (0.12 if onset else -0.14)
    if np.isfinite(low) and np.isfinite(high):
        axes.hlines(y, low, high, color=colour, linewidth=3.5, alpha=0.35)
    face = colour if onset else style.PAPER
    axes.plot(
        epoch, y, "^" if onset else "o", color=colour, markerfacecolor=face, ms=7, zorder=4, mew=1.6
    )


def _note_no_onset(axes: Axes, status: str, row: int, language: str) -> None:
    status = status if status == "censored" else "none"
    marked = max((float(np.max(line.get_xdata())) for line in axes.lines), default=0.0)
    left = marked > sum(axes.get_xlim()) / 2
    axes.annotate(
        style.words(language)(f"curves.onset_{status}"),
        (0.01 if left else 0.99, row),
        xycoords=("axes fraction", "data"),
        ha="left" if left else "right",
        va="center",
        fontsize=8.5,
        color=style.MUTED,
    )


def legend(
    curves: Mapping[str, pd.DataFrame], chosen: Mapping[str, str], language: str, marked: bool
) -> list[Artist]:
    """What colours, lines and marks mean."""
    say = style.words(language)
    one = next(iter(chosen.values())) if len(curves) == 1 else style.INK
    handles: list[Artist] = []
    if len(curves) > 1:
        handles += [style.key(style.short(n, 24), color=c, lw=3) for n, c in chosen.items()]
    splits = {split for table in curves.values() for split in _splits(table)}
    for split in ("probe", "running", "val"):
        if split in splits:
            line = style.SPLIT_LINES[split]
            handles.append(style.key(say(f"split_long.{split}"), color=one, linestyle=line))
    if len(curves) == 1:
        handles.append(Patch(color=style.FAINT, label=say("curves.gap")))
    if marked:
        look = {"color": one, "linestyle": "", "markersize": 7}
        hollow = {**look, "markerfacecolor": style.PAPER}
        handles.append(style.key(say("curves.best"), marker="o", **hollow))
        handles.append(style.key(say("curves.onset"), marker="^", **look))
    return handles


def _seeds_note(tables: Iterable[pd.DataFrame], language: str) -> str:
    counts = sorted({int(table["seed"].nunique()) for table in tables})
    say = style.words(language)
    if counts in ([], [0], [1]):
        return say("curves.one_seed")
    shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    return say("curves.seeds", seeds=shown)
