"""The plane of width and dropout that the maps are drawn on: axes, lattice, filled surface."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap
from matplotlib.contour import ContourSet
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from pipeline.plots import style

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """What a map was made of: the model, and the parameters that its axes are.

    Tables call them width and dropout, whatever they are.
    """

    model: str = "dense"
    names: tuple[str, str] = ("width", "dropout")
    log: tuple[bool, bool] = (True, False)

    def across(
        self, axes: Axes, values: Sequence[float] | pd.Series, language: str, short: bool = False
    ) -> None:
        """The x axis; `short`: the label is one word, for narrow panels."""
        if self.names[0] == "width":
            width_axis(axes, values, self.model, language, short)
            return
        axes.set_xlabel(self.titles(language)[0])
        if self.log[0]:
            style.log_axis(axes)

    def up(self, axes: Axes, language: str) -> None:
        """The y axis."""
        axes.set_ylabel(self.titles(language)[1])
        if self.log[1]:
            style.log_axis(axes, "y")

    def titles(self, language: str) -> tuple[str, str]:
        """Labels of both axes: the parameter's key where it is none of the usual two."""
        say = style.words(language)
        usual = {"width": say("map.width_short"), "dropout": say("map.dropout")}
        first, second = (usual.get(name, name) for name in self.names)
        return first, second


USUAL = Plane()


def width_axis(
    axes: Axes,
    widths: Sequence[float] | pd.Series,
    model: str,
    language: str,
    short: bool = False,
) -> None:
    """The x axis for widths: powers of two, or the variants B0, B1, ... of EfficientNet.

    `short`: the label is one word, for narrow panels.
    """
    ticks = sorted({float(width) for width in widths})
    if model == "efficientnet":
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda width, _: f"B{width:.0f}"))
    else:
        axes.set_xscale("log", base=2)
        if len(ticks) > 10:
            low, high = np.log2(ticks[0]), np.log2(ticks[-1])
            step = max(1, round((high - low) / 8))
            ticks = [2.0**power for power in range(int(np.ceil(low)), int(high) + 1, step)]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda width, _: f"{width:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    say = style.words(language)
    known = ("dense", "cnn", "efficientnet")
    long = model in known and not short
    axes.set_xlabel(say(f"map.width_{model}" if long else "map.width_short"))


def draw_axes(
    axes: Axes, extent: pd.DataFrame, points: pd.DataFrame, of: Plane, language: str
) -> None:
    """Label both axes; limits are those of `extent` unless it is `points` itself."""
    of.across(axes, points["width"], language)
    of.up(axes, language)
    axes.grid(False)
    if extent is not points:
        x, y, _ = lattice(extent.assign(value=0.0), "value")
        axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))


def means(points: pd.DataFrame, value: str) -> pd.DataFrame:
    """width, dropout and the mean of `value` over the seeds whose value is finite."""
    finite = points[np.isfinite(points[value].astype(float))]
    return finite.groupby(["width", "dropout"])[value].mean().reset_index()


def lattice(surface: pd.DataFrame, value: str) -> tuple[Floats, Floats, Floats]:
    """The widths (w,), the dropouts (d,), and `value` on that lattice (d, w)."""
    table = surface.pivot_table(index="dropout", columns="width", values=value)
    x, y = (axis.to_numpy(dtype=float) for axis in (table.columns, table.index))
    z = table.to_numpy(dtype=float)
    if len(y) == 1:  # one dropout examined: a stripe, as contours need two rows
        y, z = np.array([y[0] - 0.05, y[0] + 0.05]), np.repeat(z, 2, axis=0)
    if len(x) == 1:
        x, z = np.array([x[0] / 1.2, x[0] * 1.2]), np.repeat(z, 2, axis=1)
    return x, y, z


def filled(
    axes: Axes,
    surface: pd.DataFrame,
    value: str,
    levels: Floats,
    shades: Colormap,
    norm: BoundaryNorm,
) -> ContourSet:
    """Draw `value` of the surface in the classes that `levels` border."""
    x, y, z = lattice(surface, value)
    inside = np.clip(z, levels[0], levels[-1])
    return axes.contourf(x, y, inside, levels=levels, cmap=shades, norm=norm)


def dots(
    axes: Axes, points: pd.DataFrame, value: str, shades: Colormap, norm: BoundaryNorm
) -> None:
    """Draw measured points in the colours of the surface, so that both can be compared."""
    axes.scatter(
        points["width"],
        points["dropout"],
        c=points[value],
        cmap=shades,
        norm=norm,
        edgecolors=style.INK,
        linewidths=0.9,
        s=46,
        zorder=5,
        clip_on=False,
    )


def blues() -> LinearSegmentedColormap:
    """From light to dark, readable in grey too."""
    return LinearSegmentedColormap.from_list("blues", ["#e6f0f8", "#7fb3d8", "#2b7bb5", "#0b3c66"])
