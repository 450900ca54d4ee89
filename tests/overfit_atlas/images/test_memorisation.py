"""Memorisation and influence of planted images, counted by hand."""

import numpy as np
import pandas as pd
import pytest

from overfit_atlas import memorisation
from overfit_atlas.errors import AtlasError
from overfit_atlas.images.memorisation import influence, mean_memorisation, memorised

# Ten fits, seven with each image. Image 0 always right, 1 only when trained on, 2 never.
INSIDE = np.array([[True] * 3] * 7 + [[False] * 3] * 3)
RIGHT = np.stack([np.ones(10, bool), INSIDE[:, 1], np.zeros(10, bool)], axis=1)


def test_what_is_right_only_inside_is_memorised() -> None:
    table = memorisation(INSIDE, RIGHT)
    assert table["right_in"].tolist() == [1, 1, 0]
    assert table["right_out"].tolist() == [1, 0, 0]
    assert table["memorisation"].tolist() == [0, 1, 0]
    assert table["share_of_gap"].tolist() == [0, 1, 0]
    assert table["num_in"].tolist() == [7] * 3 and table["num_out"].tolist() == [3] * 3
    mean = mean_memorisation(table)
    assert mean.value == pytest.approx(1 / 3)
    assert mean.low == pytest.approx(1 / 3 - 4.302653 / 3, abs=1e-5)  # t of 2 degrees, error 1/3


def test_the_interval_is_newcombes() -> None:
    """Newcombe 1998, table II: 56/70 - 48/80 by method 10 is 0.0524 to 0.3339."""
    inside = np.repeat([True, False], [70, 80])[:, None]
    right = np.concatenate([np.arange(70) < 56, np.arange(80) < 48])[:, None]
    row = memorisation(inside, right).iloc[0]
    assert row["memorisation"] == pytest.approx(0.2)
    assert (row["low"], row["high"]) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_an_image_always_inside_has_no_memorisation() -> None:
    row = memorisation([[True], [True]], [[True], [False]]).iloc[0]
    assert row["right_in"] == 0.5
    assert np.isnan(row["right_out"]) and np.isnan(row["memorisation"]) and np.isnan(row["low"])


def test_memorised_is_what_reaches_a_quarter_and_surely_is_above_0() -> None:
    rows = [(0.25, 0.01), (0.2499, 0.01), (0.9, 0.0), (np.nan, np.nan)]
    table = pd.DataFrame(rows, columns=["memorisation", "low"])
    assert memorised(table).tolist() == [True, False, False, False]


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(AtlasError, match=r"shape \(10, 3\) and correct of \(10, 2\)"):
        memorisation(INSIDE, RIGHT[:, :2])
    with pytest.raises(AtlasError, match="a row a fit"):
        memorisation([True], [True])
    with pytest.raises(AtlasError, match="10 fits in in_subset and 9"):
        influence(INSIDE, RIGHT[:9])


def test_planted_influence_is_found_and_chance_is_not() -> None:
    generator = np.random.default_rng(0)
    inside = generator.random((300, 50)) < 0.7
    right = generator.random((300, 6)) < 0.4
    assert len(influence(inside, right)) == 0
    right[:, 2] = ~inside[:, 17] & (generator.random(300) < 0.9)
    found = influence(inside, right)
    assert found[["wrong", "train"]].to_numpy().tolist() == [[2, 17]]
    row = found.iloc[0]
    assert row["right_with"] == 0 and row["right_without"] == pytest.approx(0.9, abs=0.07)
    assert row["low"] < row["influence"] == -row["right_without"] < row["high"] < -0.7


def test_images_that_are_mostly_right_have_nothing_to_explain() -> None:
    inside = np.random.default_rng(1).random((200, 5)) < 0.3
    right = ~inside[:, :1]
    assert right.mean() > 0.5
    assert influence(inside, right).empty
