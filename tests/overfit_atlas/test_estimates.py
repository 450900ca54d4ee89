import json

import numpy as np
import pytest
from scipy import stats

from overfit_atlas.estimates import finite_or_none, over_seeds, proportion


def test_seeds_alone_give_the_t_interval():
    values = [1.0, 2.0, 4.0]
    found = over_seeds(values)
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.value, found.low, found.high) == pytest.approx((7 / 3, low, high))


def test_images_alone_give_almost_the_normal_interval():
    found = over_seeds([0.5], [0.1], num_images=1000)
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 999) * 0.1)
    assert found.se_seeds is None


def test_the_part_of_the_images_does_not_shrink_with_seeds():
    found = over_seeds([0.5, 0.5, 0.5, 0.5], [0.1] * 4, num_images=1000)
    assert found.se_images == pytest.approx(0.1)
    assert found.high - found.value == pytest.approx(0.1 * 1.96, rel=0.01)


def test_variances_add_up():
    found = over_seeds([1.0, 3.0], [1.0, 1.0], num_images=10**6, epoch_error=2.0)
    assert found.se_seeds == pytest.approx(1.0)
    half = found.high - found.value
    assert np.sqrt(1 + 1 + 4) * 1.96 < half < np.sqrt(6) * stats.t.ppf(0.975, 1)


def test_one_seed_of_unknown_images_has_no_interval():
    found = over_seeds([0.3])
    assert (found.low, found.high) == (None, None)
    assert found.includes_zero


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        image_error, means = 0.3, rng.normal(0, 0.5, 3)
        shared = rng.normal(0, image_error)
        found = over_seeds(means + shared, [image_error] * 3, num_images=500)
        hits += found.low <= 0 <= found.high
    assert 0.93 <= hits / 400 <= 0.995


def test_a_proportion_of_one_still_has_a_width():
    found = proportion([1.0], 100)
    assert found.value == found.high == 1
    assert found.low == pytest.approx(1 / (1 + 1.96**2 / 100), abs=1e-4)


def test_a_proportion_of_one_seed_is_wilsons_interval():
    from statsmodels.stats.proportion import proportion_confint

    found = proportion([0.9], 50)
    assert (found.low, found.high) == pytest.approx(proportion_confint(45, 50, method="wilson"))


def test_spread_between_seeds_widens_a_proportion():
    calm, restless = proportion([0.8, 0.8, 0.8], 400), proportion([0.7, 0.8, 0.9], 400)
    assert restless.high - restless.low > 2 * (calm.high - calm.low)
    assert 0 < restless.low < 0.8 < restless.high < 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [(float("nan"), None), (np.float64(2.5), 2.5), (np.inf, None), (3, 3), ("a", "a")],
)
def test_json_holds_no_nan(value, expected):
    assert finite_or_none(value) == expected


def test_an_estimate_is_json():
    text = json.dumps(over_seeds([1.0], [0.1], num_images=9).as_json(), allow_nan=False)
    assert set(json.loads(text)) == {"value", "low", "high", "num_seeds", "num_images"}
