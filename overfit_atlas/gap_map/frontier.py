"""Where a table of values over width and dropout crosses a level, and the band of that place.

Inside this module "never in the range examined" is inf and "from the start on" is -inf, so that
resampled crossings can be ranked; what leaves it has None, or an empty cell, and a word for it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Need = Literal["none", "some", "not enough"]
"""How much dropout a width needs: none, some, or more than was examined."""
Reach = Literal["from a width", "at every width", "at no width"]


@dataclass(frozen=True)
class OverfitsFrom:
    """The least width at which the net with the least dropout overfits.

    `width` is None unless `reach` is "from a width"; an end of the interval is None where it lies
    beyond the widths examined.
    """

    reach: Reach
    width: float | None
    low: float | None
    high: float | None


def first_crossing(reached: Bools, values: Floats, axis: Floats, level: float) -> Floats:
    """Where along `axis` (n,) each row of `values` (..., n) first is `reached`, interpolated.

    -inf where the first value is reached already, inf where none is.
    """
    after = np.argmax(reached, -1)
    before = np.maximum(after - 1, 0)
    high = np.take_along_axis(values, after[..., None], -1)[..., 0]
    low = np.take_along_axis(values, before[..., None], -1)[..., 0]
    step = np.where(after > before, high - low, 1.0)
    found = axis[before] + (axis[after] - axis[before]) * (level - low) / step
    found = np.where(reached[..., 0], -np.inf, found)
    return np.where(reached.any(-1), found, np.inf)


def least_dropout(
    values: Floats, draws: Floats, dropouts: Floats, level: float, confidence: float
) -> pd.DataFrame:
    """For each width of `values` (widths, dropouts) the least dropout with a value below `level`.

    Columns: need (`Need`), dropout, dropout_low, dropout_high (empty: more than was examined). The
    band is that of `draws` (num, widths, dropouts).
    """
    found = first_crossing(values < level, values, dropouts, level)
    low, high = band(first_crossing(draws < level, draws, dropouts, level), confidence)
    table = pd.DataFrame(
        {"need": np.select([found == -np.inf, found == np.inf], ["none", "not enough"], "some")}
    )
    for name, column in (("dropout", found), ("dropout_low", low), ("dropout_high", high)):
        column = np.where(np.isneginf(column), dropouts[0], column)
        table[name] = np.where(np.isinf(column), np.nan, column)
    return table


def overfits_from(
    values: Floats, draws: Floats, widths: Floats, level: float, confidence: float, log_width: bool
) -> OverfitsFrom:
    """The least of `widths` (n,) at which `values` (n,) reach `level`, banded by `draws` (num, n).

    Between widths it is interpolated, on the log scale where `log_width`.
    """
    axis = np.log2(widths) if log_width else widths
    found = float(first_crossing(values >= level, values, axis, level))
    low, high = band(first_crossing(draws >= level, draws, axis, level), confidence)
    ends = [_width(number, log_width) for number in (found, float(low), float(high))]
    if np.isinf(found):
        return OverfitsFrom("at every width" if found < 0 else "at no width", *ends)
    return OverfitsFrom("from a width", *ends)


def band(resampled: Floats, confidence: float) -> tuple[Floats, Floats]:
    """The percentile interval over the first axis, by rank, so that inf stays what it is."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return low, high


def _width(number: float, log_width: bool) -> float | None:
    if np.isinf(number):
        return None
    return float(2**number) if log_width else number
