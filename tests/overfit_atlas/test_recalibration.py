import pytest

from overfit_atlas import recalibration
from overfit_atlas.recalibration import Logistic


def test_a_share_is_never_quite_nothing_or_all():
    assert recalibration.share([False] * 399) == pytest.approx(0.5 / 400)
    assert recalibration.share([True] * 399) == pytest.approx(399.5 / 400)


def test_a_slope_below_one_draws_towards_a_half_and_changes_no_order():
    milder = Logistic(0.0, 0.5)
    assert milder(0.5) == pytest.approx(0.5)
    assert 0.5 < float(milder(0.9)) < 0.9
    assert float(milder(0.8)) < float(milder(0.9))
    assert float(Logistic()(0.3)) == pytest.approx(0.3)


def test_probabilities_of_verdicts_sum_to_one():
    found = recalibration.verdicts([0.7, 0.2, 0.06, 0.04])
    assert found.sum() == pytest.approx(1)
    assert list(found) == sorted(found, reverse=True)


def test_falling_accuracy_of_a_single_training_says_less_than_that_of_several():
    one, three = recalibration.material("accuracy", [0.95, 0.95], [1, 3])
    assert 0.5 < one < three < 0.95
    same = recalibration.material("loss", 0.95, 1), recalibration.material("loss", 0.95, 3)
    assert same[0] == same[1]
