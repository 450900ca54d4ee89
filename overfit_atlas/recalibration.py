"""From shares of draws to probabilities that hold on real fits.

A share of draws knows of images and seeds, and of nothing else; how often it is right was measured
on real fits with known truth (`python -m benchmarks.truth report --part tune` prints the slopes). A
logistic recalibration changes no order: p' = sigmoid(a + b logit(p)).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from overfit_atlas.scoring.fits import Floats


@dataclass(frozen=True)
class Logistic:
    """logit(p') = intercept + slope * logit(p)."""

    intercept: float = 0.0
    slope: float = 1.0

    def __call__(self, share: ArrayLike) -> Floats:
        """The probability that belongs to a share of draws, elementwise."""
        p = np.asarray(share, dtype=np.float64)
        odds = self.intercept + self.slope * np.log(p / (1 - p))
        probability: Floats = 1 / (1 + np.exp(-odds))
        return probability


MATERIAL: Mapping[str, Logistic] = {
    "loss": Logistic(0.7, 0.9),
    "calibrated_loss": Logistic(-0.1, 1.0),
    "accuracy": Logistic(-0.45, 0.9),
}
"""Half of what the settings to tune on ask for, since they are few and of one data set; for the
accuracy of several seeds all of it: half still said 19 % where 15 % were true."""
OF_ONE_SEED: Mapping[str, Logistic] = {**MATERIAL, "accuracy": Logistic(-0.4, 0.7)}
"""The same for a single training, whose own curve has to choose the best epoch: its few images
that turn from right to wrong say less than they seem to."""


def material(score: str, share: ArrayLike, num_seeds: ArrayLike) -> Floats:
    """P(material) from the share of draws with material damage on a score, elementwise.

    Args:
        num_seeds: from how many seeds the draws are.
    """
    several = np.asarray(num_seeds) > 1
    found: Floats = np.where(several, MATERIAL[score](share), OF_ONE_SEED[score](share))
    return found


def share(holds: ArrayLike) -> float:
    """The share of draws in which something holds, never quite 0 or 1."""
    draws = np.asarray(holds, dtype=bool)
    return float((draws.sum() + 0.5) / (len(draws) + 1))


def verdicts(counts: ArrayLike) -> Floats:
    """Probabilities of the verdicts from their numbers of draws `(num_verdicts,)`, none quite 0."""
    smooth = np.asarray(counts, dtype=np.float64) + 0.5
    probabilities: Floats = smooth / smooth.sum()
    return probabilities
