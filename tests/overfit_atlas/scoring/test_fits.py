import numpy as np
import pandas as pd
import pytest

from overfit_atlas.scoring import fits
from overfit_atlas.scoring.fits import Fit, InvalidFit, PerImage


def table(val, probe=None, seed=0):
    rows = [{"seed": seed, "epoch": t + 1, "split": "val", "loss": x} for t, x in enumerate(val)]
    for t, loss in enumerate(probe or []):
        rows.append({"seed": seed, "epoch": t + 1, "split": "probe", "loss": loss})
    return pd.DataFrame(rows)


def per_image(num_epochs, num_images=3):
    zeros = np.zeros((num_epochs, num_images), np.float16)
    right = np.ones((num_epochs, num_images), bool)
    return PerImage(zeros, right, zeros, zeros, right, zeros)


def test_series_are_in_order_of_epochs_and_nan_where_unknown():
    history = Fit(table([3.0, 2.0, 1.0], [0.5]).iloc[::-1])
    assert history.series("val", "loss").tolist() == [3, 2, 1]
    assert history.series("probe", "loss")[0] == 0.5
    assert np.isnan(history.series("probe", "loss")[1:]).all()
    assert np.isnan(history.series("val", "accuracy")).all()
    assert np.isnan(history.series("running", "loss")).all()


def test_a_series_is_the_callers_own():
    history = Fit(table([3.0, 2.0]))
    history.series("val", "loss")[0] = 99
    assert history.series("val", "loss")[0] == 3


@pytest.mark.parametrize(
    ("val", "probe", "finite", "failed"),
    [
        ([1.0, 2.0], [1.0, 1.0], 2, None),
        ([1.0, np.nan], [1.0, 1.0], 1, "epoch 2: the loss is not finite"),
        ([1.0, 1.0], [np.inf, 1.0], 0, "epoch 1: the loss is not finite"),
        ([1.0, np.nan, 1.0], None, 1, "epoch 2: the loss is not finite"),
    ],
)
def test_a_fit_fails_at_the_first_loss_that_is_not_finite(val, probe, finite, failed):
    history = Fit(table(val, probe))
    assert history.num_finite == finite
    assert history.failed == failed


def test_a_table_is_split_by_seed():
    both = pd.concat([table([1.0, 2.0], seed=3), table([5.0], seed=7)])
    found = fits.from_table(both, {7: per_image(1)})
    assert [one.seed for one in found] == [3, 7]
    assert [one.num_epochs for one in found] == [2, 1]
    assert found[0].per_image is None
    assert found[1].per_image is not None


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (table([1.0]).drop(columns="loss"), "no column"),
        (pd.concat([table([1.0]), table([1.0])]), "more than once"),
        (table([1.0]).assign(split="probe"), "no split 'val'"),
    ],
)
def test_a_table_that_is_none_is_refused(bad, message):
    with pytest.raises(InvalidFit, match=message):
        fits.from_table(bad)


def test_per_image_scores_of_another_fit_are_refused():
    with pytest.raises(InvalidFit, match=r"seed 0: 1 epochs .* scores of 4"):
        fits.from_table(table([1.0]), {0: per_image(4)})
