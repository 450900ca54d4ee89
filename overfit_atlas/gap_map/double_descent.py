"""Does the error fall, rise and fall again as the net grows? Error over width, per label noise.

Nakkiran et al. 2019 ("Deep double descent") see the held-out error peak near the interpolation
threshold: the width from which the net fits all of its training images. On small data and narrow
ranges there is often no such peak, and saying so is a result.

The test: the height of the highest peak (how far the error falls on both sides of it), against the
heights that the spread of the seeds alone puts on a curve without one.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Status = Literal["observed", "not observed in this range", "undetermined"]

COLUMNS = (
    "label_noise",
    "width",
    "seed",
    "probe_error",
    "val_error",
    "gap_loss",
    "num_parameters",
)
"""One row a fit of the undropped net; errors are fractions, on probe with any injected noise."""

INTERPOLATES = 0.01
"""Training error up to which a net counts as fitting all of its training images."""
MIN_WIDTHS = 4
SIGNIFICANCE = 0.05
NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class DoubleDescent:
    """What one label noise shows over `min_width`..`max_width`.

    `height` is how far the mean error falls on both sides of its highest inner peak (0: no peak),
    `p_value` how often seeds alone make one as high; `interpolation_width` is the least width from
    which the net fits its training images, with the number of parameters there.
    """

    label_noise: float
    status: Status
    min_width: int
    max_width: int
    num_seeds: int
    height: float
    p_value: float | None
    peak_width: int | None
    interpolation_width: int | None
    interpolation_parameters: int | None


def table(fits: pd.DataFrame) -> pd.DataFrame:
    """Errors and gap over width: one row a label noise and width, means and standard errors.

    Columns: label_noise, width, num_seeds, num_parameters, and for each of probe_error, val_error
    and gap_loss the mean over seeds and, as `_se`, its standard error (NaN for one seed).
    """
    by = fits.groupby(["label_noise", "width"])
    found = by.agg(num_seeds=("seed", "size"), num_parameters=("num_parameters", "first"))
    for name in ("probe_error", "val_error", "gap_loss"):
        found[name] = by[name].mean()
        found[f"{name}_se"] = by[name].sem()
    return found.reset_index()


def judge(fits: pd.DataFrame, seed: int = 0) -> list[DoubleDescent]:
    """The verdict for each label noise in `fits` (`COLUMNS`), least noise first."""
    return [
        _judge_one(float(noise), rows, np.random.default_rng(seed))  # type: ignore[arg-type]
        for noise, rows in table(fits).groupby("label_noise")
    ]


def _judge_one(noise: float, rows: pd.DataFrame, generator: np.random.Generator) -> DoubleDescent:
    widths = rows["width"].to_numpy()
    errors = rows["val_error"].to_numpy(float)
    height, peak = _highest_peak(errors)
    p_value = _p_value(rows, height, generator)
    status: Status = "not observed in this range"
    if p_value is None:
        status = "undetermined"
    elif p_value < SIGNIFICANCE:
        status = "observed"
    fitted = _interpolates_from(rows)
    return DoubleDescent(
        label_noise=noise,
        status=status,
        min_width=int(widths[0]),
        max_width=int(widths[-1]),
        num_seeds=int(rows["num_seeds"].min()),
        height=height,
        p_value=p_value,
        peak_width=_whole(rows["width"], peak if status == "observed" else None),
        interpolation_width=_whole(rows["width"], fitted),
        interpolation_parameters=_whole(rows["num_parameters"], fitted),
    )


def _whole(column: "pd.Series[int]", row: int | None) -> int | None:
    return None if row is None else int(column.iloc[row])


def _interpolates_from(rows: pd.DataFrame) -> int | None:
    """The first row from which on all training errors are at most `INTERPOLATES`."""
    misfits = np.flatnonzero(rows["probe_error"].to_numpy() > INTERPOLATES)
    first = int(misfits[-1]) + 1 if len(misfits) else 0
    return first if first < len(rows) else None


def _highest_peak(errors: Floats) -> tuple[float, int]:
    """The height and place of the peak that falls furthest on the lesser of its two sides."""
    rise = errors - np.minimum.accumulate(errors)
    fall = errors - np.minimum.accumulate(errors[::-1])[::-1]
    heights = np.minimum(rise, fall)
    place = int(np.argmax(heights))
    return float(heights[place]), place


def _p_value(rows: pd.DataFrame, height: float, generator: np.random.Generator) -> float | None:
    """How often seeds alone make a peak this high, at most: on a flat curve they do so most often.

    The noise is that of the seeds, pooled over widths, and its own uncertainty is in it.
    """
    counts = rows["num_seeds"].to_numpy()
    freedom = counts - 1
    if len(rows) < MIN_WIDTHS or not freedom.sum():
        return None
    variances = np.nan_to_num(rows["val_error_se"].to_numpy()) ** 2 * counts
    pooled = np.sum(freedom * variances) / generator.chisquare(freedom.sum(), (NUM_RESAMPLES, 1))
    noise = generator.standard_normal((NUM_RESAMPLES, len(rows))) * np.sqrt(pooled / counts)
    as_high = sum(_highest_peak(curve)[0] >= height for curve in noise)
    return (1 + as_high) / (1 + NUM_RESAMPLES)
