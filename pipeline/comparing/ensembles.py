"""What averaging several seeds of one variant gains, from fits that are there anyway.

An ensemble of `members` out of `seeds` fits is not one number but one for each choice of members.
Their mean U over all choices is an unbiased estimate of what such an ensemble scores. The choices
share members, so their spread says too little; what one seed contributes is Tukey's pseudo-value
n U - (n - 1) U_without_it. There is one a seed, their mean is U, and their variance gives that of
U (Arvesen, Jackknifing U-statistics, 1969): paired with a baseline they are treated like the
values of single fits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_CHOICES = 5_000

Numbers = NDArray[np.float64]
Score = Callable[[NDArray[np.floating]], Mapping[str, Numbers | float]]


@dataclass(frozen=True)
class Averaged:
    """One metric of an ensemble.

    Attributes:
        mean: over all choices of members; a number, or an array such as one value an image.
        seeds: the pseudo-values `(num_seeds, ...)`, whose mean it is.
    """

    mean: Numbers
    seeds: Numbers

    @property
    def repeated(self) -> Numbers:
        """The mean, once a seed: for standard errors over images, which all seeds share."""
        return np.broadcast_to(self.mean, self.seeds.shape)


def averaged(
    probabilities: NDArray[np.floating], members: int, score: Score
) -> dict[str, Averaged]:
    """What ensembles score: each metric that `score` gives, over all choices of members.

    Args:
        probabilities: of every seed `(num_seeds, num_images, num_classes)`; they are averaged.
        members: how many seeds an ensemble has; fewer than there are seeds.
        score: metrics by name, numbers or arrays such as one loss an image, from the averaged
            probabilities `(num_images, num_classes)`.

    Raises:
        ValueError: there are not more seeds than members, or too many choices to try them all.
    """
    num_seeds = len(probabilities)
    total: dict[str, Any] = {}
    without: dict[str, Any] = {}
    chosen = choices(num_seeds, members)
    for choice in chosen:
        outside = np.array([seed not in choice for seed in range(num_seeds)], dtype=np.float64)
        for name, value in score(probabilities[list(choice)].mean(axis=0)).items():
            number = np.asarray(value, dtype=np.float64)
            total[name] = total.get(name, 0.0) + number
            without[name] = without.get(name, 0.0) + np.multiply.outer(outside, number)
    left = comb(num_seeds - 1, members)
    found = {}
    for name in total:
        mean = np.asarray(total[name] / len(chosen))
        pseudo = num_seeds * mean - (num_seeds - 1) * without[name] / left
        found[name] = Averaged(mean, pseudo)
    return found


def choices(num_seeds: int, members: int) -> list[tuple[int, ...]]:
    """Every choice of `members` of the seeds, each once."""
    if not 1 <= members < num_seeds:
        raise ValueError(f"an ensemble of {members=} needs more seeds than that, got {num_seeds=}")
    if comb(num_seeds, members) > MAX_CHOICES:
        raise ValueError(f"{members=} of {num_seeds=}: more than {MAX_CHOICES} choices")
    return list(combinations(range(num_seeds), members))
