import numpy as np
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from overfit_atlas.errors import AtlasError
from pipeline.studies import designs

SPACE = {"width": IntDistribution(4, 512, log=True), "dropout": FloatDistribution(0.0, 0.8)}


def test_a_grid_has_every_combination_the_last_varying_fastest():
    found = designs.grid({"width": [4, 8], "dropout": [0.0, 0.5]})
    assert [tuple(point.values()) for point in found] == [(4, 0.0), (4, 0.5), (8, 0.0), (8, 0.5)]


def test_a_longer_sobol_design_begins_with_the_shorter_one():
    assert designs.sobol(SPACE, 20, seed=3)[:7] == designs.sobol(SPACE, 7, seed=3)
    assert designs.sobol(SPACE, 7, seed=3) != designs.sobol(SPACE, 7, seed=4)


def test_a_sobol_design_is_even_and_reaches_the_edges():
    points = designs.sobol(SPACE, 64, seed=0)
    assert len({tuple(point.values()) for point in points}) == 64
    assert all(4 <= p["width"] <= 512 and 0 <= p["dropout"] <= 0.8 for p in points)
    octaves = np.bincount([int(np.log2(p["width"])) for p in points], minlength=10)
    assert all(7 <= count <= 13 for count in octaves[2:9])  # 64 points over 7 octaves: 9 each
    assert sum(p["dropout"] == 0.0 for p in points) == pytest.approx(0.05 * 64, abs=1.5)
    assert sum(p["dropout"] == 0.8 for p in points) == pytest.approx(0.05 * 64, abs=1.5)


def test_a_small_space_gives_each_point_once_and_no_more():
    space = {"width": IntDistribution(0, 3), "label_noise": CategoricalDistribution((0.0, 0.2))}
    found = designs.sobol(space, 8, seed=0)
    assert {tuple(point.values()) for point in found} == {
        (width, noise) for width in range(4) for noise in (0.0, 0.2)
    }
    with pytest.raises(AtlasError, match="num_points=9, but the space has only 8"):
        designs.sobol(space, 9, seed=0)


def test_a_coordinate_is_logarithmic_where_its_distribution_is():
    assert designs.number(SPACE["width"], 64) == 6.0
    assert designs.number(SPACE["dropout"], 0.4) == 0.4
