import numpy as np
import pytest

from pipeline.training import balancing

LABELS = np.repeat([0, 1, 2], [80, 15, 5])


def test_without_balance_every_image_is_drawn_once():
    drawn = balancing.order(LABELS, 3, "none", np.random.default_rng(0))
    assert sorted(drawn) == list(range(100))


def test_sampling_draws_every_class_alike():
    generator = np.random.default_rng(0)
    drawn = [balancing.order(LABELS, 3, "sampling", generator) for _ in range(200)]
    shares = np.bincount(LABELS[np.concatenate(drawn)]) / 20_000
    assert shares == pytest.approx([1 / 3] * 3, abs=0.015)


def test_class_weights_have_mean_one_over_images():
    weights, prior = balancing.terms(LABELS, 3, "class_weights")
    assert weights == pytest.approx([100 / (3 * n) for n in (80, 15, 5)])
    assert weights[LABELS].mean() == pytest.approx(1)
    assert not prior.any()


def test_logit_adjustment_is_the_log_of_the_share():
    weights, prior = balancing.terms(LABELS, 3, "logit_adjustment")
    assert prior == pytest.approx(np.log([0.8, 0.15, 0.05]))
    assert (weights == 1).all()


def test_a_class_without_images_breaks_nothing():
    labels = np.array([0, 0, 2])
    drawn = balancing.order(labels, 4, "sampling", np.random.default_rng(0))
    weights, prior = balancing.terms(labels, 4, "class_weights")
    assert len(drawn) == 3
    assert weights[[0, 2]] == pytest.approx([0.75, 1.5])
    assert np.isfinite(prior).all()
