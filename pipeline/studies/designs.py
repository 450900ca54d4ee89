"""Points laid over a space before anything is known of it: a full grid, or a Sobol sequence.

A space maps the names of parameters to Optuna distributions; a point maps them to values.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from overfit_atlas.errors import AtlasError

Space = Mapping[str, BaseDistribution]
Point = dict[str, Any]

MARGIN = 0.05
"""Share of a Sobol sequence that falls on each edge of a range. A surface is least sure at its
edges, and one of them, the net without dropout, is a question of its own."""
DIGITS = 3
LONGEST = 14
"""Sequences end at 2 to this power; a space without enough points by then has none left."""


def grid(values: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination of the values, the last parameter varying fastest."""
    return [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]


def sobol(space: Space, num_points: int, seed: int) -> list[Point]:
    """`num_points` distinct points that cover `space` evenly, however many of them are taken.

    The sequence is scrambled by `seed`; a longer design begins with the shorter one.

    Raises:
        AtlasError: the space has fewer distinct points than asked for.
    """
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(space), scramble=True, rng=np.random.default_rng(seed))
    found: dict[tuple[Any, ...], Point] = {}
    for exponent in range(math.ceil(math.log2(num_points)), LONGEST + 1):
        sequence.reset()
        for row in sequence.random_base2(exponent):
            point = from_unit(space, row)
            found.setdefault(tuple(point.values()), point)
        if len(found) >= num_points:
            return list(found.values())[:num_points]
    raise AtlasError(f"design: got num_points={num_points}, but the space has only {len(found)}.")


def from_unit(space: Space, row: NDArray[np.float64]) -> Point:
    """The point of `space` at a place in the unit cube, edges made thick by `MARGIN`."""
    stretched = np.clip((row - MARGIN) / (1 - 2 * MARGIN), 0.0, 1.0)
    pairs = zip(space.items(), stretched, row, strict=True)
    return {name: value_at(one, float(inner), float(u)) for (name, one), inner, u in pairs}


def number(distribution: BaseDistribution, value: Any) -> float:
    """A value as the coordinate on which its distribution is even: log2 where it is logarithmic."""
    return math.log2(value) if getattr(distribution, "log", False) else float(value)


def value_at(distribution: BaseDistribution, inner: float, u: float) -> Any:
    """The value at a place, 0 to 1: `inner` where it is a number, `u` where it is a category.

    Raises:
        AtlasError: no such kind of distribution.
    """
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[
            min(int(u * len(distribution.choices)), len(distribution.choices) - 1)
        ]
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        raise AtlasError(
            f"design: got a {type(distribution).__name__}; known: int, float, categorical."
        )
    low, high = number(distribution, distribution.low), number(distribution, distribution.high)
    value = low + inner * (high - low)
    value = 2**value if distribution.log else value
    value = min(max(value, distribution.low), distribution.high)
    return (
        round(value) if isinstance(distribution, IntDistribution) else float(round(value, DIGITS))
    )
