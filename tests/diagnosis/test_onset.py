import numpy as np
import pandas as pd
import pytest

from pipeline.diagnosis import onset
from pipeline.diagnosis.histories import History, PerImage
from pipeline.diagnosis.onset import Onset
from pipeline.params import Evaluate

SETTINGS = Evaluate()
V = [2.0, 1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4]
FALLING = [2.0 * 0.8**t for t in range(12)]


def history(val, probe=None, noise=0.0, num_images=200, errors=None):
    """Curves as given; each image differs from the mean by its own constant and by `noise`."""
    rng = np.random.default_rng(0)
    probe = FALLING[: len(val)] if probe is None else probe
    arrays = {}
    rows = []
    for split, curve in (("val", val), ("probe", probe)):
        curve = np.asarray(curve, float)
        own = rng.exponential(1, num_images) - 1
        wobble = rng.normal(0, noise, (len(curve), num_images)) if noise else 0.0
        wobble = wobble - np.mean(wobble, -1, keepdims=True) if noise else 0.0
        loss = curve[:, None] + 0.1 * (own - own.mean()) + wobble
        share = np.full(len(curve), 0.5) if errors is None else np.asarray(errors)
        correct = np.arange(num_images) >= share[:, None] * num_images
        arrays |= {
            f"{split}_loss": loss.astype(np.float32),
            f"{split}_correct": correct,
            f"{split}_confidence": np.full(loss.shape, 0.5, np.float32),
        }
        epochs = np.arange(1, len(curve) + 1)
        rows.append(
            pd.DataFrame(
                {"seed": 0, "epoch": epochs, "split": split, "loss": curve, "accuracy": 1 - share}
            ).assign(ece=0.1)
        )
    return History(pd.concat(rows), PerImage(**arrays))


def found(val, probe=None, settings=SETTINGS, **more):
    return onset.onset(history(val, probe, **more), "loss", settings)


def test_a_planted_onset_is_found_where_it_is():
    one = found(V, settings=Evaluate(smoothing=1))
    assert one == Onset(0, "confirmed", "worse ever since", 3, 3, 12)


@pytest.mark.parametrize(("window", "epoch"), [(1, 3), (2, 4), (3, 5)])
def test_a_trailing_window_is_late_by_its_length_less_one_at_most(window, epoch):
    assert found(V, settings=Evaluate(smoothing=window)).epoch == epoch


def test_a_flat_curve_has_none():
    one = found([2.0, 1.0] + [0.5] * 10, settings=Evaluate(smoothing=1))
    assert (one.status, one.reason, one.epoch, one.best_epoch) == ("none", "not worse", None, 3)


def test_a_falling_curve_is_censored():
    one = found(FALLING)
    assert (one.status, one.reason, one.epoch, one.best_epoch) == (
        "censored",
        "still falling",
        None,
        12,
    )


def test_a_rise_in_the_last_epochs_comes_too_late_to_be_confirmed():
    one = found([2.0 - 0.1 * t for t in range(8)] + [1.5, 1.8, 2.1, 2.4])
    assert (one.status, one.reason) == ("censored", "too late")


def test_two_epochs_say_nothing():
    assert found([2.0, 1.0]).status == "censored"
    assert found([1.0]).status == "censored"


def test_a_fit_that_falls_apart_on_training_images_too_is_no_overfit():
    one = found(V, probe=V)
    assert (one.status, one.reason) == ("none", "training worse too")


@pytest.mark.parametrize(("rise", "status"), [(0.0099, "none"), (0.0101, "confirmed")])
def test_the_floor_is_the_least_rise_that_counts(rise, status):
    one = found([2.0, 1.0, 0.5] + [0.5 + rise] * 9, settings=Evaluate(smoothing=1))
    assert one.status == status


@pytest.mark.parametrize(("noise", "status"), [(0.3, "confirmed"), (3.0, "none")])
def test_a_rise_within_the_paired_error_is_not_confirmed(noise, status):
    val = [2.0, 1.0, 0.5] + [0.6] * 9
    assert found(val, noise=noise, settings=Evaluate(smoothing=1)).status == status


def test_one_good_epoch_at_the_end_takes_the_onset_back():
    assert found(V[:-1] + [0.5]).status == "none"


def test_one_good_epoch_early_on_makes_it_worse_in_the_end():
    val = V[:6] + [0.5] + V[7:]
    one = found(val, settings=Evaluate(smoothing=1))
    assert (one.status, one.reason, one.epoch) == ("confirmed", "worse in the end", 3)


def test_a_rise_within_the_noise_of_the_epochs_is_not_confirmed():
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(200):
        val = np.concatenate([[2.0, 1.2], 0.5 + rng.normal(0, 0.05, 28)])
        false += found(val, probe=np.linspace(2, 0.1, 30)).status == "confirmed"
    assert false <= 10


def test_without_images_the_noise_of_the_curve_stands_in():
    rng = np.random.default_rng(0)
    val = np.concatenate([np.linspace(2, 0.5, 10), np.linspace(0.5, 1.5, 20)])
    whole = history(val + rng.normal(0, 0.02, 30), np.linspace(2, 0.1, 30))
    one = onset.onset(History(whole.curves), "loss", SETTINGS)
    assert one.status == "confirmed"
    assert abs(one.epoch - 10) <= 2


def test_accuracy_has_an_onset_of_its_own():
    errors = [0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.2, 0.3, 0.3, 0.35, 0.4, 0.4, 0.4, 0.4]
    probe = [2.0 * 0.8**t for t in range(14)]
    whole = history(V + [1.5, 1.6], probe, errors=errors)
    settings = Evaluate(smoothing=1)
    assert onset.onset(whole, "accuracy", settings).epoch == 5
    assert onset.onset(whole, "loss", settings).epoch == 3


def test_calibration_is_not_judged_before_anything_is_learned():
    whole = history([1.0] * 12, errors=[0.9, 0.9, 0.5, 0.1, 0.1] + [0.1] * 7)
    curves = whole.curves.copy()
    val = curves["split"] == "val"
    curves.loc[val, "ece"] = [0.0, 0.0, 0.3, 0.2, 0.05] + [0.2] * 7
    one = onset.onset(History(curves), "calibration", Evaluate(smoothing=1))
    assert one.best_epoch == 5


def seed(epoch, last=30, status=None):
    kind = status or ("confirmed" if epoch else "none")
    return Onset(0, kind, "not worse", epoch, epoch or 20, last)


def test_over_seeds_the_median_counts_seeds_without_onset_as_later():
    both = onset.over_seeds([seed(5), seed(9), seed(7), seed(None), seed(None)])
    assert (both.status, both.median, both.first, both.last) == ("confirmed", 9, 5, 9)
    assert (both.num_confirmed, both.num_none, both.num_censored) == (3, 2, 0)


def test_over_seeds_a_minority_has_no_median():
    both = onset.over_seeds([seed(5), seed(None), seed(None, status="censored")])
    assert (both.status, both.median, both.first) == ("censored", None, 5)
    assert onset.over_seeds([seed(None)] * 3).status == "none"


def test_over_seeds_all_confirmed_give_the_median():
    both = onset.over_seeds([seed(5), seed(6), seed(10)])
    assert (both.median, both.low) == (6, 5)
    assert both.as_json()["epoch"] == 6


def test_over_seeds_a_single_one_is_itself():
    both = onset.over_seeds([seed(8)])
    assert (both.median, both.low, both.high) == (8, None, None)


def test_over_no_seeds_is_an_error():
    with pytest.raises(ValueError, match="no onsets"):
        onset.over_seeds([])
