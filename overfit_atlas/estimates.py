"""A number with its interval, from several seeds of one model that all saw the same images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Json = dict[str, Any]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its confidence interval.

    Attributes:
        low, high: ends of the interval; None where nothing is known about the spread.
        num_images: how many images each seed was scored on, or None where that is not known.
        se_images: the part of the standard error that more images would shrink.
        se_seeds: the part that more seeds would shrink; None for a single seed.
        se_epochs: the part that comes from one epoch's scores differing from the next.
    """

    value: float
    low: float | None
    high: float | None
    num_seeds: int
    num_images: int | None = None
    se_images: float | None = None
    se_seeds: float | None = None
    se_epochs: float | None = None

    def as_json(self) -> Json:
        """`value`, `low`, `high`, `num_seeds`, `num_images`; None for what is not known."""
        names = ("value", "low", "high", "num_seeds", "num_images")
        return {name: finite_or_none(getattr(self, name)) for name in names}

    @property
    def includes_zero(self) -> bool:
        """Whether 0 lies in the interval; True where there is none."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


def over_seeds(
    values: Sequence[float] | ArrayLike,
    image_errors: Sequence[float | None] | None = None,
    confidence: float = 0.95,
    num_images: int | None = None,
    epoch_error: float = 0.0,
) -> Estimate:
    """The mean of one value a seed, with a t interval from images, seeds and epochs together.

    The variance of the mean is the mean squared standard error over images (the seeds share their
    images, so it does not shrink with seeds), plus the variance between seeds over their number,
    plus `epoch_error` squared. Degrees of freedom after Welch and Satterthwaite.

    Args:
        values: one number a seed.
        image_errors: the standard error of each over its images; None where not known.
        epoch_error: the standard error from the choice of an epoch.
    """
    numbers = np.asarray(values, dtype=np.float64)
    known = [error for error in image_errors or () if error is not None and np.isfinite(error)]
    of_images = float(np.sqrt(np.mean(np.square(known)))) if known else None
    of_seeds = float(numbers.std(ddof=1) / np.sqrt(len(numbers))) if len(numbers) > 1 else None
    half = _half_width(of_images, of_seeds, epoch_error, confidence, (num_images, len(numbers)))
    mean = float(numbers.mean())
    return Estimate(
        value=mean,
        low=None if half is None else mean - half,
        high=None if half is None else mean + half,
        num_seeds=len(numbers),
        num_images=num_images,
        se_images=of_images,
        se_seeds=of_seeds,
        se_epochs=epoch_error,
    )


def _half_width(
    of_images: float | None,
    of_seeds: float | None,
    of_epochs: float,
    confidence: float,
    sizes: tuple[int | None, int],
) -> float | None:
    if of_images is None and of_seeds is None and not of_epochs:
        return None
    from scipy import stats

    num_images, num_seeds = sizes
    by_images = ((of_images or 0.0) ** 2, (num_images or 10_000) - 1)
    parts = [by_images, ((of_seeds or 0.0) ** 2, num_seeds - 1)]
    variance = sum(part for part, _ in parts) + of_epochs**2
    spent = sum(part**2 / freedom for part, freedom in parts if part)
    freedom = variance**2 / spent if spent else np.inf
    return float(stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(variance))


def proportion(
    values: Sequence[float] | ArrayLike, num_images: int, confidence: float = 0.95
) -> Estimate:
    """The mean over seeds of a proportion such as the accuracy; its interval stays within 0..1.

    Wilson's interval at the effective number of images, p(1-p) / SE^2, where SE holds images and
    seeds; so it has a width even where every image is right.
    """
    shares = np.asarray(values, dtype=np.float64)
    errors = np.sqrt(shares * (1 - shares) / num_images)
    plain = over_seeds(shares, list(errors), confidence, num_images)
    variance = (plain.se_images or 0.0) ** 2 + (plain.se_seeds or 0.0) ** 2
    spread = plain.value * (1 - plain.value)
    effective = min(spread / variance, num_images) if variance and spread else num_images
    low, high = wilson(plain.value, effective, confidence)
    ends = min(float(low), plain.value), max(float(high), plain.value)  # rounding
    parts = plain.se_images, plain.se_seeds
    return Estimate(plain.value, *ends, len(shares), num_images, *parts)


def standard_error(values: ArrayLike) -> float:
    """The standard error of the mean of `values` `(num_images,)`; NaN for fewer than two."""
    numbers = np.asarray(values, dtype=np.float64)
    return float(numbers.std(ddof=1) / np.sqrt(len(numbers))) if len(numbers) > 1 else float("nan")


def wilson(shares: ArrayLike, counts: ArrayLike, confidence: float) -> tuple[Any, Any]:
    """Ends of Wilson's interval of proportions, elementwise; counts need not be whole.

    scipy has it for whole counts of one proportion only (`binomtest`). Source: E. B. Wilson,
    Probable Inference, the Law of Succession, and Statistical Inference (1927).
    """
    from scipy import special

    z2 = float(special.ndtri((1 + confidence) / 2)) ** 2
    share, count = np.asarray(shares, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) + z2 / (4 * count)) / count) / (1 + z2 / count)
    return centre - half, centre + half


def finite_or_none(value: Any) -> Any:
    """`value` as JSON can hold it: NaN and infinities become None, numpy scalars plain ones."""
    if value is None or isinstance(value, str | bool | int):
        return value
    number = float(value)
    return number if np.isfinite(number) else None
