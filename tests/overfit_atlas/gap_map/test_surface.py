import numpy as np
import pytest

from overfit_atlas.gap_map import surface


def repeats(function, num_repeats=3, noise=0.05, seed=0, steps=6):
    generator = np.random.default_rng(seed)
    axis = np.linspace(0, 1, steps)
    points = np.array([(x, y) for x in axis for y in axis for _ in range(num_repeats)])
    return points, function(points) + noise * generator.standard_normal(len(points))


def slope(points):
    return 2 * points[:, 0] - points[:, 1]


def test_repeats_become_means_with_variances_drawn_towards_the_pooled_one():
    points = [[0.0], [0.0], [1.0], [1.0]]
    found = surface.averaged(points, [1.0, 3.0, 5.0, 5.0])
    assert found.means.tolist() == [2.0, 5.0]
    # Squares 2 and 0 on one degree of freedom each: pooled 1; (4 * 1 + squares) / (4 + 1), by two.
    assert found.variances == pytest.approx([6 / 5 / 2, 4 / 5 / 2])
    assert found.counts.tolist() == [2, 2]


def test_residuals_have_mean_zero_and_deviation_one():
    found = surface.averaged(*repeats(slope))
    assert found.residuals.mean() == pytest.approx(0, abs=1e-9)
    assert found.residuals.std() == pytest.approx(1)


def test_without_repeats_there_is_no_variance_but_an_estimate():
    points, values = repeats(slope, num_repeats=1, noise=0.1)
    averages = surface.averaged(points, values)
    assert averages.variances is None
    found = surface.fit(averages, [0, 0], [1, 1])
    assert np.sqrt(found.variances.mean()) == pytest.approx(0.1, rel=0.5)


def test_a_surface_recovers_what_it_was_sampled_from():
    found = surface.fit(surface.averaged(*repeats(slope)), [0, 0], [1, 1])
    new = np.random.default_rng(1).uniform(size=(50, 2))
    mean, deviation = found.predict(new)
    assert np.abs(mean - slope(new)).max() < 0.08
    assert np.mean(np.abs(mean - slope(new)) < 1.96 * deviation) >= 0.9


def test_draws_have_the_mean_and_spread_of_the_surface():
    found = surface.fit(surface.averaged(*repeats(slope, noise=0.2)), [0, 0], [1, 1])
    generator = np.random.default_rng(0)
    new = np.array([[0.5, 0.5], [0.33, 0.9], [0.0, 0.0]])
    errors = found.resampled_errors(4000, generator)
    drawn = found.draws(new, errors, generator)
    mean, deviation = found.predict(new)
    assert drawn.mean(0) == pytest.approx(mean, abs=4 * deviation.max() / np.sqrt(4000))
    assert drawn.std(0) == pytest.approx(deviation, rel=0.1)


def test_resampled_errors_are_as_large_as_the_noise():
    averages = surface.averaged(*repeats(slope, noise=0.2))
    found = surface.fit(averages, [0, 0], [1, 1])
    errors = found.resampled_errors(4000, np.random.default_rng(0))
    assert errors.std(0) == pytest.approx(np.sqrt(averages.variances), rel=0.1)


def test_a_constant_gives_a_constant_surface():
    found = surface.fit(
        surface.averaged(*repeats(lambda points: 0 * points[:, 0], noise=0.0)), [0, 0], [1, 1]
    )
    mean, _ = found.predict([[0.3, 0.4]])
    assert mean == pytest.approx(0.0, abs=1e-9)


def test_a_left_out_point_is_foretold_by_the_others():
    points, values = repeats(slope, noise=0.02)
    odd = np.isclose(points, [0.4, 0.6]).all(1)
    assert odd.sum() == 3
    spoiled = surface.fit(surface.averaged(points, values + odd), [0, 0], [1, 1])
    mean, _ = surface.leave_one_out(spoiled)
    row = np.isclose(spoiled.averages.coordinates, [0.4, 0.6]).all(1)
    assert mean[row] == pytest.approx(2 * 0.4 - 0.6, abs=0.3)
    assert spoiled.averages.means[row] == pytest.approx(1.2, abs=0.05)
