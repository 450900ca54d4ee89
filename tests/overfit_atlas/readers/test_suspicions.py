"""What numbers betray of a loss: at limits that follow from the entropy of an even classifier."""

import math

import numpy as np
import pytest

from overfit_atlas.readers import suspicions


def curve(*values):
    return np.array(values, float)


def test_the_entropy_of_an_even_classifier():
    found = suspicions.even_entropy(curve(0.5, 1.0, 0.1), 10)
    # -1/2 ln 1/2 - 1/2 ln(1/18); nothing is left to say; every class alike.
    assert found == pytest.approx([math.log(6), 0, math.log(10)], abs=2e-5)
    assert suspicions.even_entropy(curve(0.1), None) == pytest.approx([math.log(10)])


@pytest.mark.parametrize(("times", "suspected"), [(1.3, True), (1.2, False)])
def test_both_losses_a_quarter_above_it_hold_a_penalty(times, suspected):
    accuracy = curve(0.8, 0.8)
    loss = times * suspicions.even_entropy(accuracy, None)
    asked = suspicions.penalty_suspected
    assert asked(loss, accuracy, loss, accuracy, None) is suspected
    late = [np.concatenate([np.zeros(5), one]) for one in (loss, accuracy)]
    assert asked(*late, *late, None) is False  # from the sixth epoch on a net may be too sure


@pytest.mark.parametrize(("times", "suspected"), [(2.1, True), (1.9, False)])
def test_alone_it_takes_twice_as_much(times, suspected):
    accuracy = curve(0.8)
    loss = times * suspicions.even_entropy(accuracy, None)
    assert suspicions.penalty_suspected(loss, accuracy, None, None, None) is suspected


def test_losses_above_those_of_a_guess_hold_a_penalty_where_it_is_known_what_a_guess_is():
    high, accuracy = curve(1.2 * math.log(4)), curve(0.5)
    asked = suspicions.penalty_suspected
    assert asked(high, accuracy, high, None, 4)
    assert not asked(high, curve(0.3), high, None, 4)
    assert not asked(high, accuracy, curve(1.0), None, 4)
    assert not asked(None, accuracy, high, None, 4) and not asked(high, None, high, None, 4)


def test_validation_scored_otherwise_is_seen_at_its_best_epoch():
    loss, accuracy = curve(0.3, 0.1), curve(0.9, 0.97)
    limit = 3 * suspicions.even_entropy(curve(0.95), 10)[0] + 0.1
    asked = suspicions.val_loss_on_other_scale
    val_accuracy = curve(0.9, 0.95)
    assert asked(loss, accuracy, curve(2, limit + 0.01), val_accuracy, 10)
    assert not asked(loss, accuracy, curve(2, limit - 0.01), val_accuracy, 10)
    assert asked(None, None, curve(2, limit + 0.01), val_accuracy, 10)
    assert not asked(curve(2, 2), accuracy, curve(2, 1.9), val_accuracy, 10)  # training's is, too
    assert not asked(loss, accuracy, curve(2, 1.9), curve(0.9, 0.89), 10)
    assert not asked(loss, accuracy, curve(np.nan, np.nan), val_accuracy, 10)
    assert not asked(loss, accuracy, None, val_accuracy, 10)


def test_training_scored_otherwise_is_worse_in_loss_and_better_in_accuracy():
    asked = suspicions.train_loss_on_other_scale
    assert asked(curve(1.0, 0.8), curve(0.9, 0.95), curve(0.7, 0.5), curve(0.8, 0.9))
    assert not asked(curve(0.9, 0.7), curve(0.9, 0.95), curve(0.7, 0.5), curve(0.8, 0.9))
    assert not asked(curve(1.0, 0.8), curve(0.9, 0.9), curve(0.7, 0.5), curve(0.88, 0.88))
    nothing = curve(np.nan, np.nan)
    assert not asked(nothing, curve(0.9, 0.9), curve(0.7, 0.5), curve(0.8, 0.8))
    assert not asked(None, curve(0.9, 0.9), curve(0.7, 0.5), curve(0.8, 0.8))
