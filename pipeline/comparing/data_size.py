"""How the gap falls with the number of training images: gap(n) = a n^-b + c, and what it promises.

A power law with a floor (Hestness et al., Deep Learning Scaling is Predictable, Empirically, 2017).
It is trusted up to twice the images there are, and no further.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.comparing.scoring import Scores

Floats = NDArray[np.float64]
FURTHEST = 2.0
WORTH = 0.1
NUM_GRID = 41
FEWEST_SIZES = 4
STEEPEST = 3.0


@dataclass(frozen=True)
class PowerLaw:
    """a n^-b + c, with a, b and c not below 0."""

    a: float
    b: float
    c: float

    def at(self, num_images: Any) -> Floats:
        """The value at `num_images`."""
        sizes = np.asarray(num_images, dtype=np.float64)
        return np.asarray(self.a * sizes**-self.b + self.c, dtype=np.float64)


@dataclass(frozen=True)
class Points:
    """One score at several training set sizes.

    Attributes:
        sizes: images in train `(num_sizes,)`, ascending.
        values: `(num_sizes,)`, means over seeds.
        resamples: `(num_resamples, num_sizes)`: what it might have been with other seeds and other
            images of the same kind.
    """

    sizes: Floats
    values: Floats
    resamples: Floats


def points(
    sizes: Sequence[int], measured: Sequence[Scores], metric: str, num_resamples: int, seed: int = 0
) -> Points:
    """`gap_loss` or `gap_accuracy` at each size, resampled over seeds and images together.

    One resample takes the same seeds and the same validation images at all sizes, for they share
    them; probe images are drawn anew for each size.
    """
    generator = np.random.default_rng([seed, len(sizes)])
    score = metric.removeprefix("gap_")
    sign = 1.0 if score == "loss" else -1.0
    num_seeds = len(measured[0].values[metric])
    drawn = generator.integers(num_seeds, size=(num_resamples, num_seeds))
    val_weights = _weights(generator, measured[0].images[f"val_{score}"].shape[1], num_resamples)
    columns = []
    for scores in measured:
        val = val_weights @ scores.images[f"val_{score}"].T
        probe_images = scores.images[f"probe_{score}"]
        probe = _weights(generator, probe_images.shape[1], num_resamples) @ probe_images.T
        columns.append(np.take_along_axis(sign * (val - probe), drawn, axis=1).mean(axis=1))
    order = np.argsort(sizes)
    values = np.array([scores.values[metric].mean() for scores in measured])
    ascending = np.asarray(sizes, dtype=np.float64)[order]
    return Points(ascending, values[order], np.stack(columns, axis=1)[:, order])


def _weights(generator: np.random.Generator, num_images: int, num_resamples: int) -> Floats:
    share = np.full(num_images, 1 / num_images)
    drawn: Floats = generator.multinomial(num_images, share, num_resamples) / num_images
    return drawn


def fit(sizes: Floats, values: Floats, start: PowerLaw | None = None) -> PowerLaw | None:
    """The power law nearest to `values`, errors counted relative to them; None if none is found.

    Raises:
        ValueError: fewer than four sizes, for a law of three numbers.
    """
    from scipy.optimize import OptimizeWarning, curve_fit

    if len(sizes) < FEWEST_SIZES:
        raise ValueError(f"a power law needs {FEWEST_SIZES} sizes or more, got {len(sizes)=}")
    largest, scale = float(sizes.max()), float(np.abs(values).max()) or 1.0
    errors = np.maximum(np.abs(values), 0.05 * scale)

    def law(relative: Floats, amount: float, power: float, floor: float) -> Floats:
        return np.asarray(amount * relative**-power + floor)

    begin = [max(float(values[-1]), 1e-9), 0.5, 0.0]
    if start is not None:
        begin = [start.a * largest**-start.b, start.b, start.c]
    bounds = ([0, 0, 0], [np.inf, STEEPEST, np.inf])
    begin = list(np.clip(begin, 0, [np.inf, STEEPEST, np.inf]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)
            found, _ = curve_fit(
                law, sizes / largest, values, p0=begin, sigma=errors, bounds=bounds, max_nfev=2000
            )
    except RuntimeError:
        return None
    amount, power, floor = (float(number) for number in found)
    return PowerLaw(amount * largest**power, power, floor)


def promise(measured: Points, confidence: float) -> dict[str, Any]:
    """The law with intervals, and what more images would do, as plain JSON values.

    `curve` has the law up to twice the images; `twice` the change of the score there;
    `images_for_less` the fewest images at which the score is lower by a tenth even at the
    cautious end of its interval, None if that is beyond twice; `check` predicts the largest size
    from the others. Empty where no law could be fitted.
    """
    law = fit(measured.sizes, measured.values)
    if law is None:
        return {}
    laws = [fit(measured.sizes, row, law) for row in measured.resamples]
    found = [one for one in laws if one is not None]
    now = float(measured.sizes.max())
    grid = np.unique(
        np.concatenate([np.geomspace(measured.sizes[0], now, NUM_GRID), _beyond(now)]).round()
    )
    curves = np.stack([one.at(grid) for one in found])
    at_now = np.stack([one.at(now) for one in found])
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.quantile(curves, ends, axis=0)
    change = curves - at_now[:, None]
    change_low, change_high = np.quantile(change, ends, axis=0)
    enough = (grid > now) & (change_high <= -WORTH * float(law.at(now)))
    return {
        "law": {
            name: _interval(getattr(law, name), [getattr(one, name) for one in found], ends)
            for name in ("a", "b", "c")
        },
        "curve": {
            "num_images": [int(size) for size in grid],
            "value": _plain(law.at(grid)),
            "low": _plain(low),
            "high": _plain(high),
        },
        "num_images": int(now),
        "twice": {
            "num_images": int(grid[-1]),
            "change": float(law.at(grid[-1]) - law.at(now)),
            "low": float(change_low[-1]),
            "high": float(change_high[-1]),
        },
        "images_for_less": int(grid[enough][0]) if enough.any() else None,
        "check": _check(measured, ends),
        "num_resamples": len(found),
    }


def _beyond(now: float) -> Floats:
    return np.linspace(now, FURTHEST * now, NUM_GRID)


def _check(measured: Points, ends: Sequence[float]) -> dict[str, float] | None:
    """The largest size predicted from the smaller ones; None where those are too few."""
    if len(measured.sizes) <= FEWEST_SIZES:
        return None
    law = fit(measured.sizes[:-1], measured.values[:-1])
    if law is None:
        return None
    laws = [fit(measured.sizes[:-1], row[:-1], law) for row in measured.resamples]
    said = [float(one.at(measured.sizes[-1])) for one in laws if one is not None]
    guess = _interval(float(law.at(measured.sizes[-1])), said, ends)
    return {"measured": float(measured.values[-1]), **guess}


def _interval(value: float, resampled: Sequence[float], ends: Sequence[float]) -> dict[str, float]:
    low, high = (float(end) for end in np.quantile(np.asarray(resampled), ends))
    return {"value": value, "low": low, "high": high}


def _plain(numbers: Floats) -> list[float]:
    return [round(float(number), 6) for number in numbers]
