"""The weights of a first layer as pictures: what each unit or filter looks for."""

from math import ceil

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.plots import style

MOST = 40
A_ROW = 10


@style.drawn
def kernels(
    kernel: NDArray[np.float32],
    image_shape: tuple[int, int, int],
    language: str,
    model: str,
    layer: str,
) -> Figure:
    """One picture a unit or filter, the longest weights first; one scale of colours for all.

    Args:
        kernel: `(pixels, units)` of a dense layer, `(height, width, channels, filters)` of a
            convolution. Of colour images the mean over channels is shown.
        image_shape: height, width and channels of the images a dense layer sees.
    """
    say = style.words(language)
    spatial = kernel if kernel.ndim == 4 else kernel.reshape(*image_shape, -1)
    lengths = np.sqrt(np.square(spatial).sum((0, 1, 2)))
    chosen = np.argsort(-lengths, kind="stable")[:MOST]
    pictures = spatial.mean(2)[..., chosen]
    limit = float(np.abs(pictures).max()) or 1.0
    rows = ceil(len(chosen) / A_ROW)
    figure = style.sheet(width=8.4, height=0.86 * rows)
    grid = figure.subplots(rows, A_ROW, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, picture in zip(grid, np.moveaxis(pictures, -1, 0), strict=False):
        shown = axes.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
    bar = figure.colorbar(shown, ax=list(grid), shrink=0.9, aspect=12 * rows**0.5)
    bar.set_label(say("kernels.scale"))
    kind = "unit" if kernel.ndim == 2 else "filter"
    note = say(f"kernels.{kind}", shown=len(chosen), count=kernel.shape[-1], layer=layer)
    return style.frame(figure, say("kernels.title", model=model), note, (), language)
