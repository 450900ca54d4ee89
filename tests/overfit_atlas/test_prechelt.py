import numpy as np
import pytest

from overfit_atlas import prechelt

VAL = np.array([2.0, 1.0, 1.01, 1.03, 0.8, 0.9])


def test_generalisation_loss_is_the_percentage_above_the_lowest_so_far():
    assert prechelt.generalisation_loss(VAL) == pytest.approx([0, 0, 1, 3, 0, 12.5])


def test_an_error_of_zero_makes_any_rise_infinite():
    assert prechelt.generalisation_loss(np.array([0.0, 0.0, 0.1])).tolist() == [0, 0, np.inf]


@pytest.mark.parametrize(("alpha", "epoch"), [(0.5, 3), (2.0, 4), (3.5, 6), (20.0, None)])
def test_gl_stops_at_the_first_epoch_above_alpha(alpha, epoch):
    assert prechelt.gl_stop(VAL, alpha) == epoch


def test_progress_is_the_mean_above_the_minimum_of_a_strip():
    assert prechelt.progress(np.array([3.0, 2.0, 1.0, 1.0]), strip=3)[2:] == pytest.approx(
        [1000, 1000 / 3]
    )
    assert np.isnan(prechelt.progress(np.ones(4), strip=3)[:2]).all()


def test_pq_waits_while_training_makes_progress():
    val = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    fast = np.array([32.0, 16.0, 8.0, 4.0, 2.0, 1.0])
    slow = np.array([1.0, 0.99, 0.98, 0.97, 0.96, 0.95])
    assert prechelt.pq_stop(val, slow, alpha=0.5, strip=3) == 3
    assert prechelt.pq_stop(val, fast, alpha=0.5, strip=3) is None


def test_pq_without_training_scores_never_stops():
    assert prechelt.pq_stop(VAL, np.full(6, np.nan)) is None


def test_up_stops_after_successive_rises_from_strip_to_strip():
    val = np.array([5, 1, 5, 2, 5, 3, 5, 4, 5, 3.5])
    assert prechelt.up_stop(val, successive=1, strip=2) == 4
    assert prechelt.up_stop(val, successive=3, strip=2) == 8
    assert prechelt.up_stop(val, successive=4, strip=2) is None


def test_patience_counts_from_the_last_improvement():
    assert prechelt.patience_stop(np.array([3.0, 2.0, 2.0, 2.5, 2.1]), patience=3) == 5
    assert prechelt.patience_stop(np.array([3.0, 2.0, 2.5, 1.9, 2.0]), patience=3) is None
    assert prechelt.patience_stop(np.array([1.0]), patience=1) is None


def test_pq_never_stops_where_both_are_infinite():
    val = np.array([0.0, 0.0, 1.0])
    assert prechelt.pq_stop(val, np.array([1e-308, 1e300, 1.0]), strip=3) is None
