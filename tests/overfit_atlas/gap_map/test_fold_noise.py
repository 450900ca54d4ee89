"""Folds shift a whole map: their noise is told from that of fits, and the band holds both."""

import numpy as np
import pytest

from overfit_atlas.gap_map import fold_noise, overfit_map
from overfit_atlas.gap_map.overfit_map import MapSettings
from tests.overfit_atlas.gap_map.test_overfit_map import THRESHOLD, TRUE_WIDTH, fits


def test_the_shift_of_each_fold_is_found_and_fits_keep_their_own_noise():
    generator = np.random.default_rng(0)
    points = np.repeat(np.arange(60), 3)
    seeds = np.tile([0.0, 1.0, 2.0], 60)
    profile = np.repeat(generator.uniform(0.5, 2.0, 60), 3)
    shift = np.array([-0.3, 0.0, 0.3])[seeds.astype(int)] * profile
    found = fold_noise.of_fits(
        shift + 0.01 * generator.standard_normal(180), points, seeds, profile
    )
    assert found.shifts == pytest.approx(shift, abs=0.02)
    # Prior 1 on four degrees of freedom, and a spread of 2 * 0.3^2 on two.
    assert found.variance == pytest.approx((4 + 0.18) / 6, rel=0.05)
    assert (found.num_folds, found.freedom) == (3, 6)


def test_other_folds_scatter_with_heavy_tails():
    found = fold_noise.FoldNoise(np.zeros(3), 0.9, 3, 6.0)
    drawn = found.draws(20000, np.random.default_rng(0))
    assert drawn.std() == pytest.approx(np.sqrt(0.3 * 6 / 4), rel=0.05)


def folded(seed, scatter=0.03):
    """The planted map of `fits`, every seed's fold shifting all its points together."""
    table = fits(seed=seed).assign(gap_loss_se=scatter)
    shifts = scatter * np.random.default_rng([seed, 9]).standard_normal(3)
    return table.assign(gap_loss=table["gap_loss"] + shifts[table["seed"]])


def test_the_band_holds_the_truth_and_is_narrower_than_that_of_one_shared_fold():
    held, ratios = [], []
    for seed in range(4):
        settings = MapSettings(THRESHOLD, 400, num_resamples=200, seed=seed, folds=True)
        found = overfit_map.fit(folded(seed), settings).overfits_from()
        held.append(found.low <= TRUE_WIDTH <= found.high)
        if seed > 1:
            continue
        shared = MapSettings(THRESHOLD, 400, num_resamples=200, seed=seed)
        wide = overfit_map.fit(folded(seed), shared).overfits_from()
        ratios.append(np.log(found.high / found.low) / np.log(wide.high / wide.low))
    assert all(held)
    assert np.mean(ratios) < 0.9
