"""Each rule of the table of verdicts, on both sides of its limit."""

from dataclasses import replace

import numpy as np
import pytest

from overfit_atlas import verdicts
from overfit_atlas.rules import Rules
from overfit_atlas.verdicts import RULINGS, Known

ENTROPY = float(np.log(10))
KNOWN = Known(Rules(), entropy=ENTROPY, majority=0.1, wide=0.3, num_images=400)
GOOD = {
    "first": 2.0,
    "val/loss": 0.5,
    "val/calibrated_loss": 0.5,
    "val/accuracy": 0.15,  # error rates, as in all draws
    "probe/loss": 0.4,
    "probe/accuracy": 0.12,
    "best/loss": 0.5,
    "best/calibrated_loss": 0.5,
    "best/accuracy": 0.15,
    "gap/loss": 0.1,
    "gap/accuracy": 0.03,
    "damage/loss": 0.0,
    "damage/calibrated_loss": 0.0,
    "damage/accuracy": 0.0,
    "fitted/loss": -0.1,
    "fitted/calibrated_loss": -0.1,
    "fitted/accuracy": -0.01,
    "fall": 0.0,
}
CHANCE = {"val/loss": 2.4, "val/calibrated_loss": 2.302, "val/accuracy": 0.9}


def ruled(known=KNOWN, without=(), **changes):
    """What one draw is told, a good fit but for `changes` (`__` for `/`)."""
    named = {key.replace("__", "/"): value for key, value in changes.items()}
    assert named.keys() <= GOOD.keys()
    drawn = {key: value for key, value in (GOOD | named).items() if key not in without}
    one = {key: np.array([value]) for key, value in drawn.items()}
    ruling = RULINGS[verdicts.through(one, known)[0]]
    return f"{ruling.verdict}, {ruling.kind}" if ruling.kind else ruling.verdict


def chance(**changes):
    """`CHANCE` as arguments of `ruled`, with `changes`."""
    return {key.replace("/", "__"): value for key, value in CHANCE.items()} | changes


def test_a_good_fit():
    assert ruled() == "good fit"


@pytest.mark.parametrize(("copies", "said"), [(0.05, "data, copies"), (0.04, "good fit")])
def test_from_a_twentieth_of_copies_on_val_is_no_val(copies, said):
    assert ruled(replace(KNOWN, copies=copies)) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gap__loss": -0.16, "gap__accuracy": -0.02}, "data, better than train"),
        ({"gap__loss": -0.14, "gap__accuracy": -0.02}, "good fit"),  # half of wide is 0.15
        ({"gap__loss": -0.16, "gap__accuracy": -0.005}, "good fit"),  # accuracy is not better
    ],
)
def test_val_better_than_train_in_loss_and_accuracy(changes, said):
    assert ruled(**changes) == said
    assert ruled(replace(KNOWN, clean=False), **changes) == "good fit"
    for name in ("gap/loss", "gap/accuracy"):
        assert ruled(without=[name], **changes) == "good fit"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "data, above chance"),
        ({"first": 2.7}, "overfit, by heart"),  # 1.2 times the entropy is 2.763
        ({"best__loss": 2.7}, "overfit, by heart"),
        ({"probe__loss": 1.85}, "overfit, by heart"),  # 0.8 times the entropy is 1.842
    ],
)
def test_val_above_chance_from_beginning_to_end_though_the_probe_is_learned(changes, said):
    wrong = {"first": 2.9, "val__loss": 3.0, "best__loss": 2.8, "probe__loss": 1.8}
    given = wrong | {"gap__loss": 1.2} | changes
    assert ruled(**given) == said
    assert ruled(replace(KNOWN, comparable=False), **given) == "good fit"
    assert ruled(without=["first"], **given) == "overfit, by heart"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # Two standard errors of 400 guesses at one in ten are 3 points.
        ({"val__accuracy": 0.871}, "underfit, guessing"),
        ({"val__accuracy": 0.869}, "good fit"),
        ({"val__calibrated_loss": 2.2}, "good fit"),  # a hundredth of the entropy below chance
        ({"val__calibrated_loss": 2.28}, "underfit, guessing"),
    ],
)
def test_guessing_is_chance_in_accuracy_and_calibrated_loss(changes, said):
    given = chance(probe__accuracy=0.88) | changes
    assert ruled(**given) == said


def test_how_surely_guesses_are_told_depends_on_how_many_images_there_are():
    given = chance(val__accuracy=0.88, probe__accuracy=0.88)
    assert ruled(**given) == "underfit, guessing"
    assert ruled(replace(KNOWN, num_images=10_000), **given) == "good fit"
    assert ruled(replace(KNOWN, num_images=None), **given) == "good fit"  # one point alone
    assert ruled(replace(KNOWN, majority=None), **given) == "good fit"


@pytest.mark.parametrize(("best", "said"), [(0.89, "underfit, guessing"), (0.86, "good fit")])
@pytest.mark.parametrize("calibrated", [False, True])
def test_without_calibrated_loss_the_best_epoch_must_guess_too(best, said, calibrated):
    given = chance(probe__accuracy=0.88, best__accuracy=best)
    if calibrated:
        assert ruled(replace(KNOWN, entropy=None), **given) == said
    else:
        assert ruled(without=["val/calibrated_loss"], **given) == said


@pytest.mark.parametrize(
    ("probe", "said"), [(0.80, "overfit, by heart"), (0.82, "underfit, guessing")]
)
def test_a_probe_a_tenth_of_the_way_above_chance_is_known_by_heart(probe, said):
    assert ruled(**chance(probe__accuracy=probe)) == said
    assert ruled(without=["probe/accuracy"], **chance()) == "underfit, guessing"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"damage__accuracy": 0.011}, "overfit, wrong more often"),
        ({"damage__accuracy": 0.009}, "good fit"),
        ({"damage__calibrated_loss": 0.026}, "overfit, wrong more often"),  # 5 % of 0.5 nats
        ({"damage__calibrated_loss": 0.024}, "good fit"),
        ({"damage__calibrated_loss": 0.1, "damage__accuracy": 0.1}, "overfit, wrong more often"),
        ({"damage__loss": 0.026}, "overfit, too sure"),
        ({"damage__loss": 0.024}, "good fit"),
        ({"damage__loss": 0.026, "fitted__loss": 0.01}, "good fit"),  # the probe got worse too
        ({"damage__accuracy": 0.02, "fitted__accuracy": 0.01}, "good fit"),
        ({"damage__loss": 0.011, "best__loss": 0.1}, "overfit, too sure"),
        ({"damage__loss": 0.009, "best__loss": 0.1}, "good fit"),  # a hundredth of a nat at least
    ],
)
def test_material_damage_while_the_probe_gains(changes, said):
    assert ruled(**changes) == said


def test_damage_whose_kind_no_calibrated_loss_tells():
    unknown = ["damage/calibrated_loss", "best/calibrated_loss", "val/calibrated_loss"]
    assert ruled(without=unknown, damage__loss=0.1) == "overfit, unclear"
    assert ruled(without=[*unknown, "fitted/loss"], damage__loss=0.1) == "overfit, unclear"
    assert ruled(without=["damage/loss"]) == "good fit"


@pytest.mark.parametrize(("fall", "said"), [(0.026, "underfit, too short"), (0.024, "good fit")])
def test_a_loss_that_would_still_fall_by_material(fall, said):
    assert ruled(fall=fall) == said
    assert ruled(without=["fall"]) == "good fit"


def test_the_order_of_the_table():
    simple = replace(KNOWN, simple=True)
    assert ruled(simple) == "underfit, too simple"
    assert ruled(simple, gap__loss=1.0) == "underfit, too simple"
    assert ruled(simple, fall=0.1) == "underfit, too short"
    assert ruled(simple, fall=0.1, damage__loss=0.1) == "overfit, too sure"
    assert ruled(gap__loss=0.3) == "overfit, by heart"
    assert ruled(gap__loss=0.29) == "good fit"
    assert ruled(replace(KNOWN, comparable=False), gap__loss=0.3) == "good fit"
    assert ruled(without=["gap/loss"]) == "good fit"


def test_nothing_is_simple_and_all_is_clean_unless_it_is_said():
    plain = Known(Rules(), entropy=None, majority=None, wide=0.3)
    assert ruled(plain) == "good fit"
    assert ruled(plain, gap__loss=0.3) == "overfit, by heart"
    given = {"gap__loss": -0.2, "gap__accuracy": -0.05}
    assert ruled(plain, **given) == "data, better than train"


def test_each_draw_has_its_own_ruling():
    drawn = {key: np.array([value] * 3) for key, value in GOOD.items()}
    drawn["fall"] = np.array([0.0, 0.1, 0.1])
    drawn["damage/loss"] = np.array([0.0, 0.0, 0.1])
    said = [RULINGS[one].kind for one in verdicts.through(drawn, KNOWN)]
    assert said == ["", "too short", "too sure"]


@pytest.mark.parametrize(("below", "said"), [(0.04, "guessing"), (0.06, "")])
def test_chance_is_within_two_spreads_of_the_draws(below, said):
    given = GOOD | CHANCE | {"probe/accuracy": 0.88}
    drawn = {key: np.array([value] * 2) for key, value in given.items()}
    spread = 0.05
    drawn["val/calibrated_loss"] = ENTROPY - below + np.array([-spread, spread])
    assert RULINGS[verdicts.through(drawn, KNOWN)[0]].kind == said
