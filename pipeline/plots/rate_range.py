"""The picture of a learning-rate range test."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.plots import style
from pipeline.training.rate_range import Suggestion


@style.drawn
def rate_range(
    found: Suggestion, by_seed: NDArray[np.float64], language: str, model: str, num_images: int
) -> Figure:
    """The loss while the rate rises: each seed thin, their smoothed mean thick.

    Args:
        by_seed: losses `(num_seeds, num_steps)`, nats.
        num_images: learnt from at each rate.
    """
    say = style.words(language)
    figure = style.sheet(width=7.6, height=3.6)
    axes = figure.subplots()
    for losses in by_seed:
        axes.plot(found.rates, losses, color=style.FAINT, linewidth=1)
    axes.plot(found.rates, found.losses, color=style.GOOD, linewidth=2.4)
    handles = []
    for name, colour in (
        ("steepest", style.MUTED),
        ("least", style.BAD),
        ("suggested", style.GOOD),
    ):
        rate = getattr(found, name)
        axes.axvline(rate, color=colour, linestyle=(0, (2, 2)))
        said = say(f"rate_range.{name}", rate=rate)
        handles.append(style.key(said, color=colour, linestyle=(0, (2, 2))))
    known = found.losses[np.isfinite(found.losses)]
    axes.set_ylim(max(0.0, known.min() - 0.1 * np.ptp(known)), known.max() + 0.3 * np.ptp(known))
    style.log_axis(axes)
    axes.set_xlabel(say("rate_range.axis"))
    axes.set_ylabel(say("rate_range.loss"))
    note = say("rate_range.note", images=num_images, seeds=len(by_seed))
    return style.frame(figure, say("rate_range.title", model=model), note, handles, language)
