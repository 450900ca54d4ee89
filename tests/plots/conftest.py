"""Whether people can read a figure: nothing cut off, nothing on top of something else."""

from collections.abc import Callable
from itertools import combinations

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

TOLERANCE = 1.5  # pixels


@pytest.fixture(scope="session")
def problems() -> Callable[[Figure], list[str]]:
    """A function that says what a reader would complain about; an empty list for a good figure."""
    return complaints


def complaints(figure: Figure) -> list[str]:
    """What a reader would complain about, in words; empty for a figure that can be read.

    Everything is measured as it is drawn, in pixels at 100 dpi. Missing glyphs are warnings of
    matplotlib, which the tests turn into errors.
    """
    figure.draw_without_rendering()
    shown = [(text, text.get_window_extent()) for text in _texts(figure)]
    found = [f"cut off: {_name(text)}" for text, box in shown if not _inside(box, figure.bbox)]
    found += [f"too small: {_name(text)}" for text, _ in shown if text.get_fontsize() < 5]
    for axes in figure.axes:
        found += [f"ticks overlap: {pair}" for pair in _overlapping(_ticks(axes, "x"))]
        found += [f"ticks overlap: {pair}" for pair in _overlapping(_ticks(axes, "y"))]
    found += [f"labels overlap: {pair}" for pair in _overlapping(_labels(figure))]
    frames = [axes.get_tightbbox() for axes in figure.axes if axes.axison]
    for text in [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]:
        box = text.get_window_extent()
        if any(frame is not None and _overlap(box, frame) for frame in frames):
            found.append(f"on the drawing: {_name(text)}")
    return found


def _texts(figure: Figure) -> list[Text]:
    every = figure.findobj(Text)
    hidden = {id(t) for axes in figure.axes for axis in "xy" for t in _unshown(axes, axis)}
    hidden |= {
        id(t)
        for axes in figure.axes
        if not axes.axison
        for t in (axes.xaxis.label, axes.yaxis.label)
    }
    return [
        text
        for text in every
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]


def _unshown(axes: Axes, name: str) -> list[Text]:
    """Tick labels that are not drawn: outside the limits, switched off, or of spare ticks."""
    axis = getattr(axes, f"{name}axis")
    every = axis.findobj(Text)
    drawn = {id(text) for text in _ticks(axes, name)}
    return [text for text in every if id(text) not in drawn and text is not axis.label]


def _ticks(axes: Axes, name: str) -> list[Text]:
    if not axes.axison:
        return []
    axis = getattr(axes, f"{name}axis")
    labels = [label for tick in axis._update_ticks() for label in (tick.label1, tick.label2)]
    return [label for label in labels if label.get_visible() and label.get_text().strip()]


def _labels(figure: Figure) -> list[Text]:
    """Titles and axis labels, of which two neighbours may collide."""
    found: list[Text] = list(figure.texts)
    for axes in figure.axes:
        found += [axes.title, axes._left_title, axes._right_title]
        if axes.axison:
            found += [axes.xaxis.label, axes.yaxis.label]
    found += [text for legend in figure.legends for text in legend.get_texts()]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def _overlapping(texts: list[Text]) -> list[str]:
    """Pairs that overlap; slanted labels are left out, as their boxes say little."""
    level = [text for text in texts if text.get_rotation() in (0, 90, 180, 270)]
    boxes = [(text, text.get_window_extent()) for text in level]
    return [
        f"{_name(a)} and {_name(b)}"
        for (a, first), (b, second) in combinations(boxes, 2)
        if _overlap(first, second)
    ]


def _overlap(first: Bbox, second: Bbox) -> bool:
    shared = Bbox.intersection(first, second)
    return shared is not None and shared.width > TOLERANCE and shared.height > TOLERANCE


def _inside(box: Bbox, frame: Bbox) -> bool:
    return (
        box.x0 >= frame.x0 - TOLERANCE
        and box.y0 >= frame.y0 - TOLERANCE
        and box.x1 <= frame.x1 + TOLERANCE
        and box.y1 <= frame.y1 + TOLERANCE
    )


def _name(text: Text) -> str:
    return repr(text.get_text()[:60])
