"""Prechelt's early stopping criteria GL, PQ and UP: when they would have stopped a fit.

Source: L. Prechelt, "Early Stopping - But When?" (1998). They stand beside the onset for
comparison. All are ratios to the lowest validation error so far, so they fire at a trifle where
that error is near 0. Epochs are 1-based; None means never.
"""

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.scoring.fits import Floats


def generalisation_loss(val: Floats) -> Floats:
    """GL(t) = 100 (E_va(t) / E_opt(t) - 1) in per cent `(num_epochs,)`, E_opt the lowest so far."""
    lowest = np.minimum.accumulate(val)
    worse = val - lowest
    with np.errstate(over="ignore"):  # a lowest loss of next to nothing: infinitely worse
        ratio = np.divide(worse, lowest, out=np.where(worse > 0, np.inf, 0.0), where=lowest > 0)
        return 100 * ratio


def progress(train: Floats, strip: int = 5) -> Floats:
    """P_k(t) in per mille: how far the mean training error of the last k epochs is above their min.

    NaN before the first full strip.
    """
    made = np.full(len(train), np.nan)
    for end in range(strip, len(train) + 1):
        window = train[end - strip : end]
        lowest = float(window.min())
        made[end - 1] = 1000 * (float(window.mean()) / lowest - 1) if lowest > 0 else np.nan
    return made


def gl_stop(val: Floats, alpha: float = 2.0) -> int | None:
    """The first epoch at which GL exceeds `alpha` (per cent)."""
    return _first(generalisation_loss(val) > alpha)


def pq_stop(val: Floats, train: Floats, alpha: float = 0.5, strip: int = 5) -> int | None:
    """The first end of a strip at which GL over the progress of the fit exceeds `alpha`."""
    loss, made = generalisation_loss(val), progress(train, strip)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite over infinite says nothing
        quotient = np.divide(loss, made, out=np.full(len(val), np.nan), where=made > 0)
    return _first((quotient > alpha) & _strip_ends(len(val), strip))


def up_stop(val: Floats, successive: int = 3, strip: int = 5) -> int | None:
    """The end of the `successive`-th strip in a row at whose end the validation error rose."""
    ends = np.flatnonzero(_strip_ends(len(val), strip))
    in_a_row = 0
    for previous, end in zip(ends, ends[1:], strict=False):
        in_a_row = in_a_row + 1 if val[end] > val[previous] else 0
        if in_a_row == successive:
            return int(end) + 1
    return None


def patience_stop(val: Floats, patience: int = 5) -> int | None:
    """When early stopping would end the fit: `patience` epochs after the last improvement."""
    best = np.minimum.accumulate(val)
    improved = np.concatenate([[True], val[1:] < best[:-1]])
    since = np.arange(len(val)) - np.maximum.accumulate(np.where(improved, np.arange(len(val)), 0))
    return _first(since >= patience)


def _strip_ends(num_epochs: int, strip: int) -> NDArray[np.bool_]:
    ends: NDArray[np.bool_] = np.arange(1, num_epochs + 1) % strip == 0
    return ends


def _first(fired: NDArray[np.bool_]) -> int | None:
    found = np.flatnonzero(fired)
    return int(found[0]) + 1 if len(found) else None
