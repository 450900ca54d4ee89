"""Judging from curves alone: what their unrest explains is no damage."""

import numpy as np
import pandas as pd
import pytest

from overfit_atlas import curve_draws, judgement
from overfit_atlas.facts import Facts
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Fit
from tests.overfit_atlas.made import falling, flat, turn

RULES = Rules()


def logged(val, train=None, accuracy=None):
    """A fit as a Keras history shows it."""
    val = np.asarray(val, float)
    nothing = np.full(len(val), np.nan)
    sides = {"running": (train, nothing), "val": (val, accuracy)}
    tables = [
        pd.DataFrame(
            {
                "seed": 0,
                "epoch": np.arange(1, len(val) + 1),
                "split": split,
                "loss": nothing if loss is None else loss,
                "accuracy": nothing if right is None else right,
            }
        )
        for split, (loss, right) in sides.items()
    ]
    return Fit(pd.concat(tables, ignore_index=True))


def judged(*curves, **more):
    return judgement.judge("net", [logged(*curves, **more)], RULES, Facts(clean=False))


def test_a_clear_rise_is_overfit_and_its_kind_unclear():
    made = judged(turn(30), falling(30))
    assert (made.verdict, made.kind) == ("overfit", "unclear")
    assert 7 <= made.onset["loss"].epoch <= 10


def test_a_rise_with_a_fall_of_accuracy_is_wrong_more_often():
    accuracy = np.where(np.arange(30) < 8, 0.8, 0.70)
    made = judged(turn(30), falling(30), accuracy=accuracy)
    assert (made.verdict, made.kind) == ("overfit", "wrong more often")


def test_a_restless_flat_curve_is_not_called_damaged():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(40):
        val = 0.5 + np.exp(-np.arange(40.0)) + 0.03 * rng.standard_normal(40)
        found = curve_draws.of_curves([logged(val, 0.45 + falling(40, 1, 0.01))], RULES)
        alarms += np.mean(found.drawn["damage/loss"] >= 0.025) >= 0.5
    assert alarms <= 3


def test_without_a_training_loss_no_good_fit_is_said():
    made = judged(flat(20))
    assert (made.verdict, made.kind) == ("undetermined", "gap")
    rising = judged(turn(20))
    assert rising.verdict == "overfit"


@pytest.mark.parametrize(("epochs", "kind"), [(6, "epochs"), (7, None)])
def test_few_epochs_without_single_images_are_not_judged(epochs, kind):
    made = judged(flat(epochs), flat(epochs))
    assert (made.kind == "epochs") == (kind == "epochs")


@pytest.mark.parametrize("count", [37, 153, 400, 997])
def test_the_number_of_images_shows_in_the_digits_of_accuracies(count):
    rng = np.random.default_rng(count)
    shares = rng.integers(count // 2, count, 30) / count
    assert curve_draws.images_behind([shares.round(6)]) == count


def test_accuracies_of_too_few_digits_tell_no_number():
    shares = np.linspace(0.5, 0.9, 30)
    assert curve_draws.images_behind([shares.round(2)]) is None
    assert curve_draws.images_behind([np.array([0.5, np.nan] * 5)]) is None


def test_fewer_images_widen_the_draws():
    few, many = (
        curve_draws.of_curves([logged(turn(30), falling(30))], RULES, num_images=count)
        for count in (50, 5000)
    )
    assert few.drawn["damage/loss"].std() > 2 * many.drawn["damage/loss"].std()


def test_a_training_that_broke_down_says_what_was_before():
    facts = Facts(clean=False, not_finite_from=31)
    made = judgement.judge("net", [logged(turn(30), falling(30))], RULES, facts)
    assert (made.verdict, made.kind) == ("undetermined", "broke down")
    assert "epoch 31" in made.why().text("en") and "overfit, unclear" in made.why().text("en")
