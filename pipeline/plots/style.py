"""The look all figures share: theme, fonts, colours, and the frame of title, legend and note.

Nothing here touches pyplot, nor leaves matplotlib's global settings changed.
"""

import dataclasses
import functools
import importlib.util
import inspect
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib
import matplotlib.style
from matplotlib import font_manager, patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from overfit_atlas.words import text
from pipeline.plots.lettering import fitted as fitted
from pipeline.plots.lettering import short as short
from pipeline.plots.lettering import text_inches as text_inches
from pipeline.plots.lettering import wrapped as wrapped

P = ParamSpec("P")

INK, MUTED, FAINT, PAPER = "#1f2328", "#5b6470", "#d7dce1", "#ffffff"
GOOD, BAD, WARN = "#1667c9", "#b03a10", "#b28f00"
# Told apart by every kind of colour vision: at least 20 apart in CIELAB, by the simulation of
# Machado et al. 2009 (see the tests). Text is never in these colours, as orange is too pale for it.
MODEL_COLOURS = {
    "dense": "#1774e6",
    "cnn": "#cc6d14",
    "efficientnet": "#296642",
    "ensemble": "#99008c",
    "tuned": "#664b00",
}
OTHER_COLOURS = (*MODEL_COLOURS.values(), "#d6649f", "#2aa9d8")
BASELINE_COLOUR = "#4a4f57"
SPLIT_LINES: Mapping[str, Any] = {
    "probe": "-",
    "train": "-",
    "val": (0, (4.5, 1.8)),
    "test": (0, (4.5, 1.8)),
    "running": (0, (1, 1.4)),
}
# "kind" of a remedy's effect: colour, marker, filled?
KINDS: Mapping[str, tuple[str, str, bool]] = {
    "cures": (GOOD, "o", True),
    "improves": ("#296642", "s", True),
    "masks": (WARN, "D", False),
    "harms": (BAD, "X", True),
    "no_effect": ("#7b838d", "o", False),
    "unclear": ("#4b2a63", "^", False),
}

TITLE_POINTS, LEGEND_POINTS, NOTE_POINTS = 14.0, 10.5, 9.5
_MARGIN, _TITLE_LINE, _LEGEND_LINE, _NOTE_LINE = 0.14, 0.27, 0.245, 0.19


def drawn(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """`draw` under the theme of its argument `language`, laid out before it is returned.

    Laying out inside the theme makes all ticks, so that fonts are right whoever saves the figure.
    """
    signature = inspect.signature(draw)

    @functools.wraps(draw)
    def themed(*args: P.args, **kwargs: P.kwargs) -> Figure:
        language = str(signature.bind(*args, **kwargs).arguments["language"])
        with theme(language):
            figure = draw(*args, **kwargs)
            if engine := figure.get_layout_engine():
                engine.execute(figure)
                figure.set_layout_engine(None)  # it lies where it should: not once more when saved
        return figure

    return themed


@contextmanager
def theme(language: str) -> Iterator[None]:
    """matplotlib's defaults plus this project's look and the fonts of `language`."""
    families = ["DejaVu Sans", _japanese_font()]
    weight = "bold"
    if language == "ja":
        families, weight = families[::-1], "normal"
    settings: dict[str, Any] = {
        "font.family": families,
        "font.size": 10.5,
        "text.color": INK,
        "text.parse_math": False,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.labelsize": 10.5,
        "axes.titlesize": 11.5,
        "axes.titleweight": weight,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": language != "ja",
        "grid.color": "#e6e9ed",
        "grid.linewidth": 0.8,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": 9.5,
        "ytick.labelsize": 9.5,
        "lines.linewidth": 2.0,
        "lines.solid_capstyle": "round",
        "hatch.linewidth": 0.7,
        "legend.frameon": False,
        "legend.fontsize": LEGEND_POINTS,
        "figure.titleweight": weight,
        "figure.facecolor": PAPER,
        "savefig.facecolor": PAPER,
    }
    with matplotlib.style.context(["default", settings]):
        yield


@functools.cache
def _japanese_font() -> str:
    # Importing matplotlib_fontja would change the global font family; its font file is enough.
    spec = importlib.util.find_spec("matplotlib_fontja")
    if spec is None or not spec.submodule_search_locations:
        return "sans-serif"
    path = Path(spec.submodule_search_locations[0]) / "fonts" / "ipaexg.ttf"
    font_manager.fontManager.addfont(str(path))
    entry = font_manager.fontManager.ttflist[-1]
    # Its only weight stands in for bold, or every bold Japanese text would log a warning.
    font_manager.fontManager.ttflist.append(dataclasses.replace(entry, weight=700))
    return entry.name


def colours(names: Iterable[str], baseline: str | None = None) -> dict[str, str]:
    """A colour for each name: fixed for our models, grey for the baseline, else by order."""
    chosen: dict[str, str] = {}
    names = list(names)
    taken = {MODEL_COLOURS[name] for name in names if name in MODEL_COLOURS}
    free = [colour for colour in OTHER_COLOURS if colour not in taken] or list(OTHER_COLOURS)
    others = [name for name in names if name not in MODEL_COLOURS and name != baseline]
    for name in names:
        if name == baseline:
            chosen[name] = BASELINE_COLOUR
        elif name in MODEL_COLOURS:
            chosen[name] = MODEL_COLOURS[name]
        else:
            chosen[name] = free[others.index(name) % len(free)]
    return chosen


def sheet(width: float = 8.4, height: float = 3.6) -> Figure:
    """An empty figure; `height` (inches) is that of the drawing, `frame` adds what it needs."""
    return Figure(figsize=(width, height), layout="constrained")


def frame(
    figure: Figure, title: str, note: str = "", legend: Sequence[Artist] = (), language: str = "en"
) -> Figure:
    """Put title and legend above the drawing and a note below it, and make room for them.

    `legend` holds labelled artists. Legends never lie on data, and rows read left to right.
    """
    width, height = (float(inches) for inches in figure.get_size_inches())
    title = wrapped(title, width - 2 * _MARGIN, TITLE_POINTS * (1.0 if language == "ja" else 1.12))
    note = wrapped(note, width - 2 * _MARGIN, NOTE_POINTS)
    columns = _legend_columns(legend, width)
    rows = ceil(len(legend) / columns) if legend else 0
    top = _MARGIN + _TITLE_LINE * _lines(title) + _LEGEND_LINE * rows + (0.06 if rows else 0)
    bottom = (_NOTE_LINE * _lines(note) + _MARGIN) if note else 0.06
    total = height + top + bottom
    figure.set_size_inches(width, total)
    left = _MARGIN / width
    heading = figure.text(left, 1 - 0.1 / total, title, va="top", fontsize=TITLE_POINTS)
    emphasise(heading, language)
    if legend:
        below = 1 - (0.12 + _TITLE_LINE * _lines(title)) / total
        _legend(figure, legend, columns, (left, below))
    if note:
        at = 0.09 / total
        figure.text(left, at, note, va="bottom", fontsize=NOTE_POINTS, color=MUTED)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(
        rect=(0.005, bottom / total, 0.99, height / total),  # type: ignore[call-arg]
        w_pad=0.06,
        h_pad=0.05,
    )
    return figure


def _legend(
    figure: Figure, handles: Sequence[Artist], columns: int, corner: tuple[float, float]
) -> None:
    by_column = [i for column in range(columns) for i in range(column, len(handles), columns)]
    figure.legend(
        handles=[handles[i] for i in by_column],
        ncols=columns,
        loc="upper left",
        bbox_to_anchor=corner,
        borderaxespad=0,
        borderpad=0,
        columnspacing=1.6,
        handlelength=2.4,
    )


def _legend_columns(handles: Sequence[Artist], width: float) -> int:
    if not handles:
        return 1
    entries = [text_inches(str(handle.get_label()), LEGEND_POINTS) + 0.65 for handle in handles]
    for columns in range(len(entries), 1, -1):
        widest = [max(entries[column::columns]) for column in range(columns)]
        if sum(widest) <= width - 2 * _MARGIN:
            return columns
    return 1


def emphasise(heading: Text, language: str) -> None:
    """Make a text bold; the Japanese font has one weight, so there its strokes are widened."""
    if language == "ja":
        stroke = patheffects.withStroke(linewidth=0.7, foreground=str(heading.get_color()))
        heading.set_path_effects([stroke])
    else:
        heading.set_fontweight("bold")


def _lines(content: str) -> int:
    return content.count("\n") + 1 if content else 0


def key(label: str, **look: Any) -> Line2D:
    """One entry of a legend: a line or marker that is drawn nowhere else."""
    return Line2D([], [], label=label, **look)


def words(language: str) -> Callable[..., str]:
    """`text` for the section `figure` of one language: `words("ja")("axis.epoch")`."""

    def say(key: str, **values: Any) -> str:
        return text(f"figure.{key}", language, **values)

    return say


def epoch_axis(axes: Axes, language: str, label: bool = True) -> None:
    """Whole epochs on the x axis."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if label:
        axes.set_xlabel(text("figure.axis.epoch", language))


def log_axis(axes: Axes, which: Literal["x", "y"] = "x") -> None:
    """A logarithmic axis with plain numbers, for mathematical signs are not set here."""
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def percent(axis: Axis) -> None:
    """Show the fractions on `axis` as per cent, with ticks at round numbers."""
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}%"))


def png(figure: Figure, dpi: float = 144) -> bytes:
    """The figure as a PNG picture, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
