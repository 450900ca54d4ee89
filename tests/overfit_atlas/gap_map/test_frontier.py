import numpy as np
import pytest

from overfit_atlas.gap_map import frontier

DROPOUTS = np.array([0.0, 0.4, 0.8])


def test_a_crossing_is_interpolated_between_two_steps():
    values = np.array([[3.0, 1.0, 0.0]])
    found = frontier.first_crossing(values < 2.0, values, DROPOUTS, 2.0)
    assert found == pytest.approx([0.2])


def test_a_crossing_at_the_start_or_never_is_infinite():
    values = np.array([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]])
    found = frontier.first_crossing(values < 2.0, values, DROPOUTS, 2.0)
    assert found.tolist() == [-np.inf, np.inf]


def test_least_dropout_says_none_some_and_not_enough():
    values = np.array([[1.0, 0.5, 0.1], [3.0, 1.0, 0.5], [9.0, 8.0, 7.0]])
    found = frontier.least_dropout(values, np.stack([values] * 5), DROPOUTS, 2.0, 0.95)
    assert found["need"].tolist() == ["none", "some", "not enough"]
    assert found["dropout"].tolist()[:2] == pytest.approx([0.0, 0.2])
    assert np.isnan(found["dropout"][2])
    assert np.isnan(found["dropout_high"][2])


def test_the_band_follows_the_resamples():
    draws = np.array([[[3.0, 1.0, 0.0]], [[3.0, 3.0, 1.0]], [[1.0, 0.5, 0.0]]])
    found = frontier.least_dropout(draws[0], draws, DROPOUTS, 2.0, 0.99)
    assert found["dropout_low"][0] == 0.0
    assert found["dropout_high"][0] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("values", "reach", "width"),
    [
        ([0.0, 0.0, 4.0], "from a width", 2**4.5),
        ([3.0, 4.0, 5.0], "at every width", None),
        ([0.0, 0.5, 1.0], "at no width", None),
    ],
)
def test_the_width_from_which_it_overfits(values, reach, width):
    values = np.array(values)
    draws, widths = np.stack([values] * 9), np.array([4.0, 16.0, 32.0])
    found = frontier.overfits_from(values, draws, widths, 2.0, 0.95, log_width=True)
    assert found.reach == reach
    assert found.width == (pytest.approx(width) if width else None)
    assert found.low == found.high == found.width


def test_a_band_that_leaves_the_range_is_open():
    widths = np.array([1.0, 2.0, 3.0])
    draws = np.array([[0.0, 3.0, 3.0]] * 5 + [[0.0, 0.0, 0.0]])
    found = frontier.overfits_from(draws[0], draws, widths, 2.0, 0.95, log_width=False)
    assert found.width == pytest.approx(1 + 2 / 3)
    assert found.low == pytest.approx(1 + 2 / 3)
    assert found.high is None
