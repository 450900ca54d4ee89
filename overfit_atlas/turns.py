"""What mean curves say: onset and best epoch, trend, and what stopping early by a score costs."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Floats, smoothed

MOST_OF_A_TREND = 200


def prices(curves: Mapping[str, Floats], window: int) -> dict[tuple[str, str], float]:
    """What stopping at one score's best epoch costs in the others, from mean curves by score."""
    smooth = {score: smoothed(curve, window) for score, curve in curves.items()}
    best = {score: int(np.argmin(curve)) for score, curve in smooth.items()}
    return {
        (chosen, paid): float(smooth[paid][best[chosen]] - smooth[paid][best[paid]])
        for chosen in smooth
        for paid in smooth
        if chosen != paid
    }


def turn(curves: Floats, score: str, rules: Rules) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Onset and best epoch of curves `(..., num_epochs)`, indices from 0.

    The best epoch is the lowest point of the smoothed curve; the onset is the first that lies
    within half of material of it: what training on gains from there is less than what counts.
    """
    smooth = smoothed(curves, rules.smoothing)
    least = smooth.min(-1, keepdims=True)
    near = smooth <= least + rules.material(score, least) / 2
    return np.argmax(near, -1), np.argmin(smooth, -1)


def fall(curves: Floats) -> Floats:
    """How far half as many epochs again would lower each curve `(..., num_epochs)`, by its trend.

    The trend is the median of the slopes between all pairs of epochs of the last third (Theil-Sen),
    which one restless epoch does not turn; where it has more than MOST_OF_A_TREND, between every
    k-th of them, as pairs would fill the memory.
    """
    num_epochs = curves.shape[-1]
    tail = curves[..., -max(num_epochs // 3, 3) :]
    at = np.arange(0, tail.shape[-1], -(-tail.shape[-1] // MOST_OF_A_TREND))
    first, second = np.triu_indices(len(at), 1)
    early, late = at[first], at[second]
    slopes = (tail[..., late] - tail[..., early]) / (late - early)
    fallen: Floats = -np.median(slopes, axis=-1) * (num_epochs / 2)
    return fallen
