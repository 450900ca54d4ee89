import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from benchmarks import sampler
from overfit_atlas.gap_map import overfit_map

WIDTHS, DROPOUTS = (4, 8, 16, 32, 64, 128, 256), (0.0, 0.2, 0.4, 0.6, 0.8)


@pytest.fixture(scope="module")
def full():
    """A plane with a known frontier: gap 0.3 where log2(width) (1 - dropout) is 3."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    generator = np.random.default_rng(0)
    rows = [
        (width, dropout, seed, 0.1 * np.log2(width) * (1 - dropout) + generator.normal(0, 0.01))
        for width in WIDTHS
        for dropout in DROPOUTS
        for seed in range(3)
    ]
    table = pd.DataFrame(rows, columns=["width", "dropout", "seed", "gap_loss"])
    value = overfit_map.scaled(table["gap_loss"], 0.3)
    return sampler.Grid(table.assign(val_loss=0.5 + table["gap_loss"], value=value))


@pytest.mark.parametrize("trials", [sampler.sobol, sampler.tpe])
def test_every_sampler_stays_on_stored_points_and_repeats_by_seed(full, trials):
    first, again = ([p for p, _ in zip(trials(full, 1), range(12), strict=False)] for _ in range(2))
    assert first == again
    assert all(point in full.points for point in first)


def test_a_ladder_has_both_ends_and_no_value_twice():
    assert sampler.ladder(IntDistribution(1, 8, log=True), 4) == [1, 2, 4, 8]
    assert sampler.ladder(IntDistribution(0, 2), 9) == [0, 1, 2]
    assert sampler.ladder(FloatDistribution(0.0, 0.8), 5) == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert sampler.ladder(CategoricalDistribution((0.1, 0.9)), 5) == [0.1, 0.9]


def test_the_whole_grid_agrees_with_itself_and_few_points_less(full):
    truth = full.sides(full.points)
    assert sampler._agreement(full, truth, full.points) == 1.0
    corners = [p for p in full.points if p["width"] in (4, 256) and p["dropout"] in (0.0, 0.8)]
    assert sampler._agreement(full, truth, corners) < 1.0
    assert 0.2 < truth.mean() < 0.8


def test_agreement_is_counted_from_the_last_time_it_was_too_low():
    agreement = np.array([np.nan, np.nan, 0.96, 0.94, 0.95, 0.99])
    assert sampler.for_good(agreement) == 4
    assert sampler.for_good(agreement[:4]) is None


def test_an_even_grid_keeps_both_ends():
    assert sampler._even([1, 2, 3, 4, 5], 3) == [1, 3, 5]
    assert sampler._even([1, 2, 3, 4, 5], 2) == [1, 5]


def test_resampling_keeps_every_point_and_its_number_of_fits(full):
    drawn = full.resampled(np.random.default_rng(1))
    assert drawn.points == full.points
    assert len(drawn.fits) == len(full.fits)
    assert not drawn.fits["gap_loss"].reset_index(drop=True).equals(full.fits["gap_loss"])


def test_the_report_names_each_sampler_with_what_it_needed(full, monkeypatch):
    monkeypatch.setattr(sampler, "MOST", 14)
    monkeypatch.setattr(sampler, "CHECKPOINTS", (8, 12))
    found = sampler.compare(full, 2)
    table = sampler.report(found).set_index("sampler")
    assert list(table.index) == ["grid", "sobol", "tpe"]
    assert set(table["reached"].str.split().str[-1]) == {"2"}
    assert 0 <= sampler.faster(found, "sobol", "tpe") <= 1
