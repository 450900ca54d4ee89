"""Onset, trend and prices of curves that are known."""

import numpy as np
import pytest

from overfit_atlas import turns
from overfit_atlas.rules import Rules


def test_the_trend_is_the_median_slope_times_half_the_epochs():
    curve = np.linspace(2.0, 1.0, 21)
    curve[-2] = 9.0
    assert turns.fall(curve[None])[0] == pytest.approx(0.05 * 21 / 2)
    assert turns.fall(-curve[None])[0] == pytest.approx(-0.05 * 21 / 2)


def test_prices_say_what_stopping_by_one_score_costs_in_another():
    curves = {"loss": np.array([1.0, 0.5, 0.9]), "accuracy": np.array([0.5, 0.4, 0.1])}
    found = turns.prices(curves, 1)
    assert found["loss", "accuracy"] == pytest.approx(0.3)
    assert found["accuracy", "loss"] == pytest.approx(0.4)


def test_the_onset_is_the_first_epoch_from_which_little_is_gained():
    """At 0.5 nats half of material is 0.0125: 0.01 above the best epoch counts for nothing."""
    curve = np.array([1.0, 0.7, 0.51, 0.505, 0.5, 0.6, 0.8])
    rules = Rules(smoothing=1)
    assert turns.turn(curve, "loss", rules) == (2, 4)
    assert turns.turn(np.stack([curve, curve[::-1]]), "loss", rules)[0].tolist() == [2, 2]
    assert turns.turn(curve / 10, "accuracy", rules) == (2, 4)


def test_a_trend_of_many_epochs_needs_no_more_memory_than_one_of_few():
    epochs = np.arange(9_000)
    assert turns.fall(5 - epochs[None] / 3_000)[0] == pytest.approx(1.5)
