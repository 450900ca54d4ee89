"""The learning-rate range test (Smith 2017): one fit while the rate rises, and what it suggests."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMOOTHING = 0.8  # weight of the past in the running mean of the loss
DIVERGED = 2.0  # times the loss at the start; what comes after says nothing
BELOW_LEAST = 10.0  # the suggested rate lies so many times below that of the least loss


@dataclass(frozen=True)
class Suggestion:
    """What a range test says of the learning rate.

    Attributes:
        rates: `(num_steps,)`; losses the mean over seeds, smoothed, nats, NaN once diverged.
        least: the rate at which the loss is least.
        steepest: the rate at which it falls fastest.
        suggested: a tenth of `least`: below the edge, where the loss still falls well.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    least: float
    steepest: float
    suggested: float


def rates(lowest: float, highest: float, num_steps: int) -> NDArray[np.float64]:
    """Learning rates at equal ratios, both ends included."""
    return np.geomspace(lowest, highest, num_steps)


def suggest(tried: NDArray[np.float64], by_seed: NDArray[np.float64]) -> Suggestion:
    """What the losses `(num_seeds, num_steps)` at the rates `tried` suggest.

    Raises:
        ValueError: the loss never fell.
    """
    mean = _smoothed(by_seed.mean(axis=0))
    broken = np.flatnonzero(~np.isfinite(mean) | (mean > DIVERGED * mean[0]))
    end = int(broken[0]) if len(broken) else len(mean)
    least = int(np.argmin(mean[:end])) if end else 0
    if least == 0:
        raise ValueError("the loss did not fall at any of the rates")
    slopes = np.gradient(mean[: least + 1], np.log(tried[: least + 1]))
    steepest = float(tried[int(np.argmin(slopes))])
    shown = np.where(np.arange(len(mean)) < end, mean, np.nan)
    best = float(tried[least])
    return Suggestion(tried, shown, best, steepest, best / BELOW_LEAST)


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A running mean without the pull towards 0 at its start."""
    found, past = np.empty_like(values), 0.0
    for step, value in enumerate(values):
        past = SMOOTHING * past + (1 - SMOOTHING) * value
        found[step] = past / (1 - SMOOTHING ** (step + 1))
    return found
