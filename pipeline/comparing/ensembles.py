"""What averaging several seeds of one variant gains, from fits that are there anyway.

An ensemble of `members` out of `seeds` fits is not one number but one for each choice of members.
Their mean U over all choices is an unbiased estimate of what such an ensemble scores. The choices
share members, so their spread says too little; what one seed contributes is Tukey's pseudo-value
n U - (n - 1) U_without_it. There is one a seed, their mean is U, and their variance gives that of
U (Arvesen, Jackknifing U-statistics, 1969): paired with a baseline they are treated like the
values of single fits.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

MAX_CHOICES = 5_000

Score = Callable[[NDArray[np.floating]], Mapping[str, float]]


def pseudo_values(
    probabilities: NDArray[np.floating], members: int, score: Score
) -> dict[str, NDArray[np.float64]]:
    """One pseudo-value a seed `(num_seeds,)` of each metric that `score` gives.

    Args:
        probabilities: of every seed `(num_seeds, num_images, num_classes)`; they are averaged.
        members: how many seeds an ensemble has; fewer than there are seeds.
        score: metrics by name from the averaged probabilities `(num_images, num_classes)`.

    Raises:
        ValueError: there are not more seeds than members, or too many choices to try them all.
    """
    chosen = choices(len(probabilities), members)
    scored = [score(probabilities[list(choice)].mean(axis=0)) for choice in chosen]
    return {
        name: _pseudo(np.array([scores[name] for scores in scored]), chosen, len(probabilities))
        for name in scored[0]
    }


def choices(num_seeds: int, members: int) -> list[tuple[int, ...]]:
    """Every choice of `members` of the seeds, each once."""
    if not 1 <= members < num_seeds:
        raise ValueError(f"an ensemble of {members=} needs more seeds than that, got {num_seeds=}")
    if comb(num_seeds, members) > MAX_CHOICES:
        raise ValueError(f"{members=} of {num_seeds=}: more than {MAX_CHOICES} choices")
    return list(combinations(range(num_seeds), members))


def _pseudo(
    values: NDArray[np.float64], chosen: Sequence[tuple[int, ...]], num_seeds: int
) -> NDArray[np.float64]:
    inside = np.array([[seed in choice for seed in range(num_seeds)] for choice in chosen])
    without = np.array([values[~inside[:, seed]].mean() for seed in range(num_seeds)])
    result: NDArray[np.float64] = num_seeds * values.mean() - (num_seeds - 1) * without
    return result
