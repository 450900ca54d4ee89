import numpy as np
import pytest

from pipeline.training import rate_range

RATES = rate_range.rates(1e-5, 1.0, 51)


def test_rates_have_equal_ratios():
    assert (RATES[0], RATES[-1]) == pytest.approx((1e-5, 1.0))
    np.testing.assert_allclose(RATES[1:] / RATES[:-1], 10**0.1)


def test_the_suggestion_is_a_tenth_of_the_rate_of_the_least_loss():
    """A valley in log10(rate) with its floor at 1e-2, behind a plateau up to 1e-4."""
    at = np.log10(RATES)
    losses = np.where(at < -4, 2.3, np.where(at < -2, 2.3 + 0.9 * (-4 - at), 0.5 + 4 * (at + 2)))
    found = rate_range.suggest(RATES, np.stack([losses, losses]))
    # The running mean lags a few steps of a tenth of a decade behind.
    assert 1e-2 <= found.least <= 10**-1.4
    assert found.suggested == pytest.approx(found.least / 10)
    assert 1e-4 < found.steepest <= found.least
    assert np.isnan(found.losses[-1])  # diverged


def test_a_loss_that_never_falls_suggests_nothing():
    with pytest.raises(ValueError, match="did not fall"):
        rate_range.suggest(RATES, np.linspace(1, 3, 51)[None])


def test_nan_from_the_start_suggests_nothing():
    with pytest.raises(ValueError, match="did not fall"):
        rate_range.suggest(RATES, np.full((1, 51), np.nan))
