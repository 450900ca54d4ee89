import numpy as np
import pytest

from overfit_atlas import reliability
from overfit_atlas.scoring import scores
from overfit_atlas.scoring.scores import Predictions


def test_bins_have_equal_mass_and_their_means():
    confidence = np.array([0.1, 0.2, 0.6, 0.8])
    found = reliability.reliability(confidence, [False, True, True, True], num_bins=2)
    assert found["count"].tolist() == [2, 2]
    assert found["confidence"].tolist() == pytest.approx([0.15, 0.7])
    assert found["accuracy"].tolist() == [0.5, 1.0]
    assert (found["low"] <= found["accuracy"]).all()
    assert (found["accuracy"] <= found["high"] + 1e-12).all()


def test_the_table_gives_the_calibration_error():
    rng = np.random.default_rng(0)
    confidence, correct = rng.uniform(0.2, 1, 600), rng.random(600) < 0.6
    found = reliability.reliability(confidence, correct)
    weighted = (found["confidence"] - found["accuracy"]).abs() * found["count"] / 600
    assert weighted.sum() == pytest.approx(scores.ece(confidence, correct))


def test_equal_confidences_leave_one_bin():
    found = reliability.reliability(np.ones(50), np.arange(50) < 40)
    assert len(found) == 1
    assert found["accuracy"][0] == pytest.approx(0.8)


def test_splits_stand_below_each_other_and_seeds_share_their_images():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(3), (1, 90))
    labels = rng.integers(0, 3, 90)
    once = Predictions(probabilities, labels)
    thrice = Predictions(np.concatenate([probabilities] * 3), labels)
    found = reliability.reliability_table({"val": once, "test": thrice})
    val, test = (found[found["split"] == split].reset_index() for split in ("val", "test"))
    assert (test["count"] == 3 * val["count"]).all()
    assert test["low"].tolist() == pytest.approx(val["low"].tolist())
