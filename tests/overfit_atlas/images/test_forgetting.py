"""Forgetting events, counted by hand."""

import numpy as np
import pytest

from overfit_atlas.images.forgetting import forgetting, over_seeds

#                  always  never  late   forgotten twice
CORRECT = np.array(
    [
        [True, False, False, True],
        [True, False, False, False],
        [True, False, True, True],
        [True, False, True, False],
        [True, False, True, True],
    ]
)
LOSS = np.array([[1, 2, 3, 4]] * 4 + [[6, 2, 3, np.nan]], dtype=np.float16)


def test_events_are_right_answers_that_become_wrong() -> None:
    table = forgetting(CORRECT, LOSS)
    assert table["image"].tolist() == [0, 1, 2, 3]
    assert table["forgotten"].tolist() == [0, 0, 0, 2]
    assert table["never_learned"].tolist() == [False, True, False, False]
    np.testing.assert_array_equal(table["learned_epoch"], [1, np.nan, 3, 1])


def test_mean_loss_leaves_out_what_is_not_finite() -> None:
    assert forgetting(CORRECT, LOSS)["mean_loss"].tolist() == [2, 2, 3, 4]
    nothing = forgetting(CORRECT, np.full(CORRECT.shape, np.inf))["mean_loss"]
    assert nothing.isna().all()


def test_one_epoch_has_no_events() -> None:
    assert forgetting(CORRECT[:1], LOSS[:1])["forgotten"].tolist() == [0, 0, 0, 0]


def test_seeds_are_averaged_and_never_means_in_no_seed() -> None:
    both = over_seeds([forgetting(CORRECT, LOSS), forgetting(CORRECT[:, ::-1], LOSS)])
    assert both["forgotten"].tolist() == [1, 0, 0, 1]
    assert both["never_learned"].tolist() == [False, False, False, False]
    assert both["learned_epoch"].tolist() == [1, 3, 3, 1]
    assert both["num_seeds"].tolist() == [2, 2, 2, 2]
    assert both["mean_loss"][0] == pytest.approx(2)
