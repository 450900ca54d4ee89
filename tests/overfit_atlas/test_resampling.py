import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from overfit_atlas import resampling

rng = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), [50, 30, 20, 40])
PREDICTED = np.where(rng.random((2, 140)) < 0.7, LABELS, rng.integers(0, 4, (2, 140)))


def test_f1_is_that_of_scikit_learn():
    found = resampling.f1(LABELS, PREDICTED, 4)
    for fit in range(2):
        assert found[fit] == pytest.approx(f1_score(LABELS, PREDICTED[fit], average=None))


def test_a_class_without_images_is_nan_and_one_never_predicted_is_zero():
    found = resampling.f1(np.array([0, 0, 1]), np.array([[0, 2, 0]]), 3)
    assert found[0, :2] == pytest.approx([0.5, 0.0])
    assert np.isnan(found[0, 2])


def test_draws_keep_the_size_of_every_class():
    (weights,) = resampling._draws(LABELS, 50, seed=0)
    assert weights.shape == (140, 50)
    for label in range(4):
        assert (weights[label == LABELS].sum(0) == (label == LABELS).sum()).all()


def test_draws_are_those_of_a_bootstrap():
    weights = np.concatenate(list(resampling._draws(np.zeros(30, int), 4000, seed=0)), axis=1)
    assert weights.mean() == pytest.approx(1)
    assert weights.var() == pytest.approx(1 - 1 / 30, rel=0.02)


def test_the_spread_agrees_with_scipys_bootstrap():
    drawn = resampling.resample(LABELS, PREDICTED, 4, 2000)
    right = PREDICTED[0] == LABELS
    strata = [right[label == LABELS].astype(float) for label in range(4)]

    def accuracy(*parts, axis=-1):
        return sum(part.sum(axis) for part in parts) / len(LABELS)

    expected = stats.bootstrap(
        strata, accuracy, n_resamples=2000, random_state=1, method="percentile", vectorized=True
    )
    assert drawn.accuracy[:, 0].std(ddof=1) == pytest.approx(expected.standard_error, rel=0.1)
    low, high = resampling.percentiles(drawn.accuracy[:, 0], 0.95)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), abs=0.012)


def test_resampled_f1_is_right_for_a_resample_done_by_hand():
    drawn = resampling.resample(LABELS, PREDICTED, 4, 3, seed=5)
    (weights,) = resampling._draws(LABELS, 3, seed=5)
    index = np.repeat(np.arange(140), weights[:, 1].astype(int))
    expected = f1_score(LABELS[index], PREDICTED[1][index], average=None)
    assert drawn.f1[1, 1] == pytest.approx(expected, rel=1e-5)
    assert drawn.accuracy[1, 1] == pytest.approx((PREDICTED[1] == LABELS)[index].mean())


def test_equal_seeds_give_equal_numbers_and_others_do_not():
    one, same, other = (
        resampling.resample(LABELS, PREDICTED, 4, 150, seed).f1 for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_over_fits_a_single_fit_is_itself():
    values = rng.random((10, 1, 3)).astype(np.float32)
    assert resampling.over_fits(values) == pytest.approx(values[:, 0])


def test_over_fits_the_choice_of_seeds_adds_to_the_spread():
    values = np.broadcast_to(np.array([0.1, 0.5, 0.9]), (4000, 3)).astype(np.float32)
    found = resampling.over_fits(values)
    assert found.mean() == pytest.approx(0.5, abs=0.01)
    assert found.std() == pytest.approx(np.std([0.1, 0.5, 0.9]) / np.sqrt(3), rel=0.05)
