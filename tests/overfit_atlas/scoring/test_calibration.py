"""Temperatures against scipy's own minimum, and losses that no image's own temperature judged."""

import numpy as np
import pytest
from scipy import optimize, special

from overfit_atlas.scoring import calibration

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 300)
SCALES = (0.5, 1.0, 4.0, 12.0)


def logits(scale):
    made = RNG.normal(size=(300, 10))
    made[np.arange(300), LABELS] += 1.5
    return scale * made


STACK = np.stack([logits(scale) for scale in SCALES])


def objective(log_temperature, values, labels):
    divided = values / np.exp(log_temperature)
    losses = special.logsumexp(divided, axis=-1) - divided[np.arange(len(labels)), labels]
    return losses.sum() + calibration.PRIOR_IMAGES * log_temperature**2 / 2


def minimum(values, labels):
    bounds = np.log([calibration.LOWEST, calibration.HIGHEST])
    found = optimize.minimize_scalar(
        objective, bounds=bounds, args=(values, labels), method="bounded", options={"xatol": 1e-9}
    )
    return np.exp(found.x)


def test_temperatures_are_those_of_the_least_loss():
    found = calibration.temperatures(STACK, LABELS)
    expected = [minimum(one, LABELS) for one in STACK]
    assert found == pytest.approx(expected, rel=1e-3)
    assert found[3] > 3 * found[1] > 3 * found[0] / 2


def test_no_image_is_judged_by_a_temperature_that_saw_it():
    found = calibration.cross_fitted(STACK, LABELS)
    fold = calibration.folds(300, calibration.NUM_FOLDS)
    for epoch, values in enumerate(STACK):
        for one in range(calibration.NUM_FOLDS):
            own = fold == one
            temperature = minimum(values[~own], LABELS[~own])
            expected = calibration.calibrated_loss(values[None, own], LABELS[own], [temperature])
            assert found.loss[epoch, own] == pytest.approx(expected[0], abs=2e-3)


def test_a_start_that_is_near_gives_the_same():
    plain = calibration.cross_fitted(STACK[2:3], LABELS)
    near = calibration.cross_fitted(STACK[2:3], LABELS, float(plain.temperature[0]) * 1.05)
    assert near.temperature == pytest.approx(plain.temperature, rel=1e-3)
    assert near.loss == pytest.approx(plain.loss, abs=1e-3)


def test_temperatures_stay_within_their_bounds():
    sure = np.zeros((1, 300, 10))
    sure[0, :, 0] = 1e4  # always the first class, quite sure
    found = calibration.cross_fitted(sure, LABELS)
    assert calibration.LOWEST <= found.temperature[0] <= calibration.HIGHEST + 1e-9
    assert np.isfinite(found.loss).all()


def test_the_prior_is_worth_five_images():
    right = np.zeros((1, 4, 2))
    right[0, :, 0] = 3.0
    few = calibration.temperatures(right, np.zeros(4, int))[0]
    many = calibration.temperatures(np.repeat(right, 50, axis=1), np.zeros(200, int))[0]
    assert many < few < 1


@pytest.mark.parametrize("num_images", [1, 3, 5, 17])
def test_folds_are_of_equal_size(num_images):
    counts = np.bincount(calibration.folds(num_images, 5), minlength=5)
    assert counts.max() - counts.min() <= 1 and counts.sum() == num_images
    assert np.isfinite(
        calibration.cross_fitted(STACK[:, :num_images], LABELS[:num_images]).loss
    ).all()
