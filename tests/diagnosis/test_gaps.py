import numpy as np
import pandas as pd
import pytest

from pipeline.diagnosis import gaps, synthetic
from pipeline.diagnosis.histories import History, PerImage
from pipeline.params import Evaluate

SETTINGS = Evaluate(smoothing=1)


def history(val, probe, running=None, penalty=0.0, seed=0):
    """Per-image losses `(num_epochs, num_images)` of val and probe; an image is right below 1."""
    val, probe = np.asarray(val, np.float32), np.asarray(probe, np.float32)
    tables = []
    for split, loss in (("val", val), ("probe", probe)):
        columns = {"loss": loss.mean(1), "accuracy": (loss < 1).mean(1), "ece": 0.1}
        epochs = np.arange(1, len(loss) + 1)
        tables.append(pd.DataFrame({"seed": seed, "epoch": epochs, "split": split, **columns}))
    if running is not None:
        columns = {"loss": running, "accuracy": 0.5, "penalty": penalty}
        epochs = np.arange(1, len(running) + 1)
        tables.append(pd.DataFrame({"seed": seed, "epoch": epochs, "split": "running", **columns}))
    scores = (val, val < 1, np.exp(-val), probe, probe < 1, np.exp(-probe))
    return History(pd.concat(tables), PerImage(*scores), seed)


ONE = history(
    [[2.0, 2.0], [0.5, 1.5], [1.0, 3.0]],
    [[2.0, 2.0], [0.5, 0.7], [0.1, 0.3]],
    running=[2.5, 1.5, 1.2],
    penalty=0.25,
)


def test_the_gap_is_val_minus_probe_in_loss_and_probe_minus_val_in_accuracy():
    assert gaps.gap([ONE], "loss", "last", SETTINGS).value == pytest.approx(2.0 - 0.2)
    assert gaps.gap([ONE], "loss", "best", SETTINGS).value == pytest.approx(1.0 - 0.6)
    assert gaps.gap([ONE], "accuracy", "last", SETTINGS).value == pytest.approx(1 - 0)


def test_the_standard_error_of_a_gap_is_that_of_the_definition():
    found = gaps.gap([ONE], "loss", "last", SETTINGS)
    expected = np.sqrt(np.var([1, 3], ddof=1) / 2 + np.var([0.1, 0.3], ddof=1) / 2)
    assert found.se_images == pytest.approx(expected, rel=1e-5)
    assert found.num_images == 2


def test_the_spread_of_seeds_is_added():
    rng = np.random.default_rng(0)
    base = rng.exponential(1, 500)
    seeds = [history([base + shift], [base]) for shift in (0.1, 0.2, 0.6)]
    found = gaps.gap(seeds, "loss", "last", SETTINGS)
    assert found.value == pytest.approx(0.3, abs=1e-3)
    assert found.se_seeds == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1) / np.sqrt(3), rel=1e-3)
    assert found.high - found.value > 2 * np.hypot(found.se_seeds, found.se_images)


def test_excess_is_the_gap_at_the_end_less_that_at_the_best_epoch():
    found = gaps.excess_gap([ONE], "loss", SETTINGS)
    assert found.value == pytest.approx((2.0 - 0.2) - (1.0 - 0.6))


def test_excess_is_paired_by_image():
    rng = np.random.default_rng(0)
    own = rng.exponential(1, 300)
    damaged = history([own + 2, own, *[own + 0.3] * 6], [own + 2, own, *[own - 0.1] * 6])
    found = gaps.excess_gap([damaged], "loss", SETTINGS)
    assert found.value == pytest.approx(0.4, abs=1e-3)
    assert found.low > 0.39
    alone = gaps.gap([damaged], "loss", "last", SETTINGS)
    assert alone.high - alone.low > 0.2


def test_nothing_is_in_excess_when_the_last_epoch_is_the_best():
    falling = history([[2.0, 2.2], [1.0, 1.1]], [[2.0, 2.1], [0.5, 0.6]])
    found = gaps.excess_gap([falling], "loss", SETTINGS)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_luckiest_epoch_of_a_flat_curve_is_no_optimum():
    false = {num_seeds: 0 for num_seeds in (1, 3, 5)}
    for num_seeds in false:
        for seed in range(12):
            case = synthetic.make("noisy plateau", 900 + seed, num_seeds)
            false[num_seeds] += gaps.excess_gap(case.histories, "loss", Evaluate()).low > 0
    assert max(false.values()) <= 1


def test_seeds_are_not_all_unlucky_at_once():
    """A rise no single restless seed is sure of is sure in the mean of eight."""
    rng = np.random.default_rng(0)
    own = rng.exponential(0.3, 400)
    trend = np.concatenate([np.linspace(1, 0.5, 6), np.linspace(0.5, 0.6, 14)])
    waves = rng.normal(0, 0.05, (8, 20))
    seeds = [
        history(own + (trend + wave)[:, None], own + np.linspace(0.9, 0.4, 20)[:, None], seed=seed)
        for seed, wave in enumerate(waves)
    ]
    alone = [gaps.rise([one], "loss", Evaluate()).low > 0 for one in seeds]
    together = gaps.rise(seeds, "loss", Evaluate())
    assert sum(alone) <= 6
    assert together.low > 0.02


def test_where_a_plausible_epoch_shows_no_damage_zero_is_not_excluded():
    own = np.linspace(0, 0.1, 50)
    flat = [2.0, 1.0, 0.98, 1.0, 0.97, 1.0, 0.99, 1.0, 0.98, 1.0, 0.99, 1.0]
    one = history([own + level for level in flat], [own + 0.5] * len(flat))
    found = gaps.excess_gap([one], "loss", Evaluate())
    assert found.value > 0 >= found.low


def test_rise_averages_the_last_epochs():
    own = np.array([0.0, 0.2])
    curve = [2.0, 1.0, 1.0, 1.0, 1.2, 1.3, 1.4]
    one = history([own + level for level in curve], [own + 0.1] * 7)
    assert gaps.rise([one], "loss", Evaluate(smoothing=3)).value == pytest.approx(0.3)


def test_the_running_gap_is_what_keras_would_show():
    assert gaps.running_gap([ONE], "loss", SETTINGS).value == pytest.approx(2.0 + 0.25 - 1.2)
    assert gaps.running_gap([ONE], "accuracy", SETTINGS).value == pytest.approx(0.5 - 0.0)


def test_without_running_scores_there_is_no_running_gap():
    bare = history([[1.0, 1.0]], [[1.0, 1.0]])
    assert gaps.running_gap([bare], "loss", SETTINGS) is None


def test_without_any_training_scores_there_is_no_gap():
    only_val = History(ONE.curves[ONE.curves["split"] == "val"])
    assert gaps.gap([only_val], "loss", "last", SETTINGS) is None
    assert gaps.excess_gap([only_val], "loss", SETTINGS) is None


def test_without_clean_scores_the_running_ones_stand_in():
    keras_only = History(ONE.curves[ONE.curves["split"] != "probe"])
    assert gaps.gap([keras_only], "loss", "last", SETTINGS).value == pytest.approx(2.0 - 1.2)
