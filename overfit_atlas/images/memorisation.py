"""Which images a net gets right only when it has trained on them (Feldman & Zhang 2020).

V. Feldman, C. Zhang: What Neural Networks Memorize and Why (2020). Many fits each learn from a
random part of the images; what an image's being in it changes is told by counting.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from overfit_atlas.errors import AtlasError
from overfit_atlas.estimates import standard_error, wilson

Booleans = NDArray[np.bool_]
MEMORISED = 0.25
"""From here on Feldman & Zhang (2020) call an image memorised."""
_MOST_PAIRS = 1 << 22


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval."""

    value: float
    low: float
    high: float


def memorisation(
    in_subset: ArrayLike, correct: ArrayLike, confidence: float = 0.95
) -> pd.DataFrame:
    """How much more often each image is right when it was trained on; rows in order of the images.

    Args:
        in_subset: did fit f train on image i? (num_fits, num_images).
        correct: was image i right after fit f? The same shape.

    Returns: columns
        image: 0..num_images-1;
        right_in, right_out: share of the fits with, and without, the image that get it right;
        memorisation: right_in - right_out;
        low, high: its interval, Newcombe's (1998, method 10) for the difference of two shares;
        share_of_gap: its part in the sum of all, so how much of the gap between images trained on
            and images not trained on it carries; negative where memorisation is;
        num_in, num_out: how many fits there were. Where one is 0, what rests on it is NaN.

    Raises:
        AtlasError: the shapes differ.
    """
    inside, right = checked(in_subset, correct, "correct")
    num_in, num_out = inside.sum(0), (~inside).sum(0)
    of_in, of_out = _share(right & inside, num_in), _share(right & ~inside, num_out)
    difference = of_in - of_out
    low, high = _newcombe((of_in, num_in), (of_out, num_out), confidence)
    total = np.nansum(difference)
    return pd.DataFrame(
        {
            "image": np.arange(inside.shape[1]),
            "right_in": of_in,
            "right_out": of_out,
            "memorisation": difference,
            "low": low,
            "high": high,
            "share_of_gap": difference / total if total else np.full(len(difference), np.nan),
            "num_in": num_in,
            "num_out": num_out,
        }
    )


def memorised(table: pd.DataFrame) -> "pd.Series[bool]":
    """Which images of `memorisation` are memorised: by much, and surely more than not at all."""
    return (table["memorisation"] >= MEMORISED) & (table["low"] > 0)


def mean_memorisation(table: pd.DataFrame, confidence: float = 0.95) -> Interval:
    """The gap in accuracy between images trained on and not, over the images of `memorisation`."""
    from scipy import stats

    values = table["memorisation"].dropna().to_numpy(float)
    mean, error = float(values.mean()), standard_error(values)
    half = error * float(stats.t.ppf((1 + confidence) / 2, max(1, len(values) - 1)))
    return Interval(mean, mean - half, mean + half)


def influence(
    in_subset: ArrayLike,
    correct: ArrayLike,
    false_share: float = 0.05,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Train images that make other images wrong: pairs that stand out of the noise, worst first.

    For an image that no fit trained on (of val), and a train image: the share of the fits that get
    the first right, with the second less without it. Looked at are images that are wrong in at
    least half of the fits; a pair is named where the exact test of Fisher finds harm, with at most
    `false_share` of all named pairs expected to be false (Benjamini & Hochberg 1995, over all).

    Args:
        in_subset: did fit f train on image i? (num_fits, num_train).
        correct: was image v right after fit f? (num_fits, num_val).

    Returns: columns
        wrong: place of the image that is wrong, in val; train: of the one that harms, in train;
        right_with, right_without: shares of the fits that get `wrong` right;
        influence: right_with - right_without, below 0; low, high: its interval, Newcombe's;
        p_value: of the one pair, before it is corrected for all others.

    Raises:
        AtlasError: there are not as many fits in one as in the other.
    """
    inside, right = _arrays(in_subset, correct, "correct")
    if len(inside) != len(right):
        raise AtlasError(
            f"got {len(inside)} fits in in_subset and {len(right)} in correct, expected as many."
        )
    wrong = np.flatnonzero((right.mean(0) <= 0.5) & right.any(0))
    step = max(1, _MOST_PAIRS // max(1, inside.shape[1]))
    parts = [wrong[i : i + step] for i in range(0, len(wrong), step)]
    values = np.concatenate([_harm(inside, right[:, part]) for part in parts] or [np.zeros((0, 0))])
    places = _below_false_share(values, false_share)
    rows, columns = wrong[places[0]], places[1]
    found = _effects(inside[:, columns], right[:, rows], confidence)
    table = pd.DataFrame({"wrong": rows, "train": columns, **found, "p_value": values[places]})
    return table.sort_values(["influence", "wrong", "train"], ignore_index=True)


def checked(in_subset: ArrayLike, other: ArrayLike, name: str) -> tuple[Booleans, Any]:
    """Both as arrays of one shape (num_fits, num_images); raises AtlasError where they differ."""
    inside, values = _arrays(in_subset, other, name)
    if inside.shape != values.shape:
        raise AtlasError(
            f"got in_subset of shape {inside.shape} and {name} of {values.shape}, expected one "
            "shape (num_fits, num_images): a row a fit, a column an image."
        )
    return inside, values


def _arrays(in_subset: ArrayLike, other: ArrayLike, name: str) -> tuple[Booleans, Any]:
    inside, values = np.asarray(in_subset, dtype=bool), np.asarray(other)
    for array, called in ((inside, "in_subset"), (values, name)):
        if array.ndim != 2 or not array.size:
            raise AtlasError(
                f"got {called} of shape {array.shape}, expected (num_fits, num_images): a row a "
                "fit, a column an image."
            )
    return inside, values.astype(bool) if name == "correct" else values


def _share(hits: Booleans, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(counts > 0, hits.sum(0) / np.maximum(counts, 1), np.nan)


def _newcombe(
    first: tuple[NDArray[Any], NDArray[Any]],
    second: tuple[NDArray[Any], NDArray[Any]],
    confidence: float,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Ends of the interval of the difference of two shares, each given with its count."""
    (one, one_low, one_high), (two, two_low, two_high) = (
        (share, *wilson(share, np.maximum(count, 1), confidence))
        for share, count in (first, second)
    )
    low = one - two - np.hypot(one - one_low, two_high - two)
    return low, one - two + np.hypot(one_high - one, two - two_low)


def _harm(inside: Booleans, right: Booleans) -> NDArray[np.float64]:
    """One-sided p-values (num_wrong, num_train): fewer right with the image than chance allows."""
    from scipy import stats

    both = right.T.astype(np.float32) @ inside.astype(np.float32)
    rights, ins = right.sum(0)[:, None], inside.sum(0)[None]
    found: NDArray[np.float64] = stats.hypergeom.cdf(np.rint(both), len(inside), rights, ins)
    return found


def _below_false_share(values: NDArray[np.float64], share: float) -> tuple[Any, ...]:
    """Places of p-values of which at most `share` are false (Benjamini & Hochberg 1995)."""
    from scipy import stats

    if not values.size:
        return np.nonzero(values)
    adjusted = stats.false_discovery_control(values, axis=None).reshape(values.shape)
    return np.nonzero(adjusted <= share)


def _effects(inside: Booleans, right: Booleans, confidence: float) -> dict[str, NDArray[Any]]:
    """Of pairs, one a column: shares right with and without, their difference and its interval."""
    num_in, num_out = inside.sum(0), (~inside).sum(0)
    with_it, without = _share(right & inside, num_in), _share(right & ~inside, num_out)
    low, high = _newcombe((with_it, num_in), (without, num_out), confidence)
    return {
        "right_with": with_it,
        "right_without": without,
        "influence": with_it - without,
        "low": low,
        "high": high,
    }
