import numpy as np
import pytest

from pipeline.comparing import data_size
from pipeline.comparing.data_size import Points, PowerLaw
from pipeline.comparing.scoring import Scores

SIZES = np.array([100.0, 200.0, 400.0, 800.0, 1600.0])


def test_a_law_is_found_again_from_its_own_values():
    truth = PowerLaw(a=8.0, b=0.5, c=0.1)
    found = data_size.fit(SIZES, truth.at(SIZES))
    assert (found.a, found.b, found.c) == pytest.approx((8.0, 0.5, 0.1), rel=1e-3)
    assert found.at(400) == pytest.approx(8 / 20 + 0.1)


def test_a_flat_gap_promises_nothing():
    found = data_size.fit(SIZES, np.full(5, 0.3))
    assert found.at(3200) == pytest.approx(0.3, abs=1e-4)


def test_three_sizes_are_too_few_for_three_numbers():
    with pytest.raises(ValueError, match="4 sizes"):
        data_size.fit(SIZES[:3], np.ones(3))


def noisy(truth, noise, num_resamples=60, seed=0):
    generator = np.random.default_rng(seed)
    values = truth.at(SIZES) + generator.normal(0, noise, 5)
    return Points(SIZES, values, values + generator.normal(0, noise, (num_resamples, 5)))


def test_the_promise_holds_the_truth_and_ends_at_twice_the_images():
    truth = PowerLaw(a=8.0, b=0.5, c=0.0)
    said = data_size.promise(noisy(truth, 0.003), 0.95)
    gain = truth.at(3200) - truth.at(1600)
    assert said["curve"]["num_images"][-1] == said["twice"]["num_images"] == 3200
    assert said["twice"]["low"] < gain < said["twice"]["high"] < 0
    # 8 n^-0.5 is a tenth lower at 1600 / 0.9^2 = 1975 images; the cautious end asks for more.
    assert 1975 <= said["images_for_less"] <= 2800
    assert said["law"]["b"]["low"] < 0.5 < said["law"]["b"]["high"]
    assert said["check"]["low"] < truth.at(1600) < said["check"]["high"]


def test_no_number_of_images_is_named_where_the_gap_no_longer_falls():
    said = data_size.promise(noisy(PowerLaw(a=1e6, b=3.0, c=0.3), 0.01), 0.95)
    assert said["images_for_less"] is None


def scores(val, probe):
    val, probe = np.asarray(val, float), np.asarray(probe, float)
    images = {"val_loss": val, "probe_loss": probe}
    return Scores((1, 1), {"gap_loss": val.mean(1) - probe.mean(1)}, images)


def test_points_are_means_over_seeds_in_order_of_size():
    large = scores([[1, 1], [3, 3]], [[0, 0], [1, 1]])
    small = scores([[5, 5], [7, 7]], [[0, 0], [1, 1]])
    found = data_size.points([800, 100], [large, small], "gap_loss", 50)
    assert list(found.sizes) == [100, 800] and list(found.values) == [5.5, 1.5]
    # Images do not differ, so what varies is which seeds are drawn: gaps of (5, 6) and (1, 2).
    assert set(np.unique(found.resamples[:, 0])) == {5, 5.5, 6}
    assert set(np.unique(found.resamples[:, 1])) == {1, 1.5, 2}
    # The same seeds are drawn at both sizes.
    assert np.ptp(found.resamples[:, 0] - found.resamples[:, 1]) == 0


def test_points_vary_with_the_images():
    one = scores([[0, 2, 4, 6]] * 2, [[1, 1, 1]] * 2)
    found = data_size.points([100], [one], "gap_loss", 400)
    assert found.resamples.std() == pytest.approx(np.sqrt(5 / 4), rel=0.1)
