"""What all fits of one seed share where the validation fold turns with the seed: its images.

Another fold shifts the gap at every point of the map together, in proportion to how much the images
of a point scatter. Three folds say little of how far folds differ, so their variance is drawn
towards what the images alone would make of it (Smyth 2004).
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PRIOR_FREEDOM = 4.0
"""Weight, in degrees of freedom, of the variance that images alone would give."""


@dataclass(frozen=True)
class FoldNoise:
    """The shift that each fit owes to its fold `(num_fits,)`, and how far folds scatter.

    `variance` is that of one fold's shift in units of the profile, on `freedom` degrees of freedom;
    `num_folds` folds are in the mean.
    """

    shifts: Floats
    variance: float
    num_folds: int
    freedom: float

    def draws(self, num: int, generator: Generator) -> Floats:
        """What other folds would make of the mean, in units of the profile `(num,)`."""
        tails = np.sqrt(self.freedom / generator.chisquare(self.freedom, num))
        scale = np.sqrt(self.variance / self.num_folds)
        return np.asarray(scale * tails * generator.standard_normal(num))


def of_fits(values: Floats, points: NDArray[np.int64], seeds: Floats, profile: Floats) -> FoldNoise:
    """The noise of folds in `values` `(num_fits,)`; a fold a seed.

    Args:
        points: which point each fit is at, from 0.
        profile: how far images alone make the value at that point scatter; all 0: not known, and
            folds shift all points alike.
    """
    known = bool(np.any(profile > 0))
    profile = profile if known else np.ones(len(values))
    means = np.bincount(points, values) / np.bincount(points)
    apart = values - means[points]
    names, fold = np.unique(seeds, return_inverse=True)
    shift = np.bincount(fold, profile * apart) / np.bincount(fold, profile**2)
    shift -= shift.mean()
    spread, prior = float(np.sum(shift**2)), PRIOR_FREEDOM if known else 0.0
    freedom = prior + len(names) - 1
    variance = (prior + spread) / freedom if freedom else 0.0
    return FoldNoise(shift[fold] * profile, variance, len(names), max(freedom, 1.0))
