"""Draws: paired, unbiased where choosing would flatter, and with variances that add up."""

import numpy as np
import pytest

from overfit_atlas import draws
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import smoothed
from tests.overfit_atlas.made import falling, fit, flat, turn

RULES = Rules(num_draws=2000)


def noisy(level=1.0, epochs=40, images=200, seed=0, jitter=0.3):
    """A flat curve whose images are redrawn at every epoch."""
    rng = np.random.default_rng(seed)
    made = fit(np.full(epochs, level), falling(epochs), images=images, seed=seed)
    scattered = level + jitter * rng.standard_normal((epochs, images))
    object.__setattr__(made.per_image, "val_loss", scattered.astype(np.float32))
    return made


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_choosing_the_best_epoch_does_not_make_damage_of_noise(num_seeds):
    """Chosen and measured on the same images, a flat curve would rise by about 2 errors."""
    damages = [
        draws.of_images([noisy(seed=10 * run + seed) for seed in range(num_seeds)], RULES).values[
            "damage/loss"
        ]
        for run in range(40)
    ]
    error = 0.3 / np.sqrt(200 * 3 * num_seeds) * np.sqrt(2)
    assert np.mean(damages) == pytest.approx(0, abs=5 * error / np.sqrt(40))


def test_damage_is_the_smoothed_rise():
    found = draws.of_images([fit(turn(), falling(), seed=seed) for seed in range(3)], RULES)
    curve = smoothed(turn(), 3)
    assert found.values["damage/loss"] == pytest.approx(curve[-1] - curve.min(), rel=0.05)
    assert found.values["gap/loss"] == pytest.approx(turn()[-1] - 0.02, rel=0.01)


def test_models_of_the_same_images_are_drawn_alike():
    one = draws.of_images([fit(flat(), falling(), seed=0)], RULES)
    same = draws.of_images([fit(flat(level=0.6), falling(), seed=0)], RULES)
    assert np.corrcoef(one.drawn["val/loss"], same.drawn["val/loss"])[0, 1] > 0.99


def test_the_spread_of_a_mean_is_that_of_its_images():
    made = fit(flat(), falling(), images=1000)
    found = draws.of_images([made], RULES)
    expected = made.per_image.val_loss[-1].std(ddof=1) / np.sqrt(1000)
    assert found.drawn["val/loss"].std() == pytest.approx(expected, rel=0.1)


def test_seeds_that_differ_widen_the_draws():
    alike = draws.of_images([fit(flat(), falling(), seed=0)] * 3, RULES)
    levels = (0.4, 0.5, 0.6)
    apart = draws.of_images([fit(flat(level=one), falling(), seed=0) for one in levels], RULES)
    assert apart.drawn["val/loss"].std() > 1.2 * alike.drawn["val/loss"].std()


def test_seeds_may_stop_at_different_epochs():
    found = draws.of_images([fit(turn(20), falling(20)), fit(turn(12), falling(12))], RULES)
    assert found.num_epochs == 12
    assert found.values["val/loss"] == pytest.approx((turn(20)[-1] + turn(12)[-1]) / 2, rel=1e-3)


def test_the_trend_is_the_median_slope_times_half_the_epochs():
    curve = np.linspace(2.0, 1.0, 21)
    curve[-2] = 9.0
    assert draws.fall(curve[None])[0] == pytest.approx(0.05 * 21 / 2)
    assert draws.fall(-curve[None])[0] == pytest.approx(-0.05 * 21 / 2)


def test_prices_say_what_stopping_by_one_score_costs_in_another():
    curves = {"loss": np.array([1.0, 0.5, 0.9]), "accuracy": np.array([0.5, 0.4, 0.1])}
    found = draws.prices(curves, 1)
    assert found["loss", "accuracy"] == pytest.approx(0.3)
    assert found["accuracy", "loss"] == pytest.approx(0.4)


def test_best_epochs_have_two_finite_ends():
    found = draws.of_images([fit(turn(), falling(), seed=seed) for seed in range(2)], RULES)
    low, high = np.quantile(found.best_epochs["loss"], [0.025, 0.975])
    assert 6 <= low <= high <= 11


def test_the_onset_is_the_first_epoch_from_which_little_is_gained():
    """At 0.5 nats half of material is 0.0125: 0.01 above the best epoch counts for nothing."""
    curve = np.array([1.0, 0.7, 0.51, 0.505, 0.5, 0.6, 0.8])
    rules = Rules(smoothing=1)
    assert draws.turn(curve, "loss", rules) == (2, 4)
    assert draws.turn(np.stack([curve, curve[::-1]]), "loss", rules)[0].tolist() == [2, 2]
    assert draws.turn(curve / 10, "accuracy", rules) == (2, 4)


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_the_gap_is_that_to_these_training_images(num_seeds):
    """A probe of scattered losses widens its own mean, but not the gap beside the same images."""
    fits = [fit(flat(), flat(level=3.0), seed=0)] * num_seeds
    found = draws.of_images(fits, RULES)
    assert found.drawn["probe/loss"].std() > 4 * found.drawn["val/loss"].std()
    assert found.drawn["gap/loss"].std() == pytest.approx(found.drawn["val/loss"].std(), rel=0.05)
    assert found.drawn["gap/loss"].mean() == pytest.approx(found.values["gap/loss"], abs=0.01)


def test_what_seeds_change_on_both_sides_is_no_part_of_the_gap():
    levels = (0.3, 0.5, 0.7)
    fits = [fit(flat(level=one), flat(level=one), images=4000, seed=0) for one in levels]
    found = draws.of_images(fits, RULES)
    assert found.drawn["gap/loss"].std() < found.drawn["val/loss"].std() / 3


def test_folds_of_their_own_nest_images_in_seeds():
    """Other images under each seed: what they make seeds differ by counts once, not twice."""
    fits = [fit(flat(), falling(), images=400, seed=seed) for seed in range(4)]
    nested = draws.of_images(fits, RULES, nested=True)
    of_one = np.mean([one.per_image.val_loss[-1].std(ddof=1) for one in fits]) / np.sqrt(400)
    prior = 4 / 7  # of the variance of a seed, which four seeds leave to the prior
    expected = of_one * np.sqrt((1 + prior) / 4)
    assert nested.drawn["val/loss"].std() == pytest.approx(expected, rel=0.25)
