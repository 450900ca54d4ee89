import numpy as np
import pytest

from overfit_atlas.scoring import scores
from overfit_atlas.scoring.scores import Predictions

PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
LABELS = np.array([0, 2])


def test_cross_entropy_is_the_negative_logarithm_of_the_labels_probability():
    assert scores.cross_entropy(PROBABILITIES, LABELS) == pytest.approx([np.log(2), np.log(10)])


def test_cross_entropy_of_a_probability_rounded_to_zero_is_finite():
    assert scores.cross_entropy([[1.0, 0.0]], [1])[0] == pytest.approx(87.34, abs=0.01)


def test_cross_entropy_of_logits_does_not_round():
    assert scores.cross_entropy_of_logits([[0.0, 200.0]], [0])[0] == pytest.approx(200)
    logits = np.log(PROBABILITIES)
    assert scores.cross_entropy_of_logits(logits, LABELS) == pytest.approx(
        scores.cross_entropy(PROBABILITIES, LABELS)
    )


def test_brier_is_the_squared_error_summed_over_classes():
    assert scores.brier(PROBABILITIES, LABELS) == pytest.approx([0.25 + 2 / 16, 0.01 + 0.64 + 0.81])
    assert scores.brier([[0.0, 1.0]], [0])[0] == pytest.approx(2)


def test_scores_take_a_leading_axis_of_seeds():
    stacked = np.stack([PROBABILITIES, PROBABILITIES[::-1]])
    assert scores.cross_entropy(stacked, LABELS).shape == (2, 2)
    assert scores.brier(stacked, LABELS)[0] == pytest.approx(scores.brier(PROBABILITIES, LABELS))


def test_ece_of_one_bin_is_the_difference_of_means():
    confidence, correct = np.array([0.9, 0.7, 0.8, 0.6]), np.array([True, False, True, True])
    assert scores.ece(confidence, correct, num_bins=1) == pytest.approx(0.0)
    assert scores.ece(confidence, correct, num_bins=2) == pytest.approx(
        0.5 * (1 - 0.85) + 0.5 * abs(0.5 - 0.65)
    )


def test_ece_uses_bins_of_equal_mass():
    bins = scores.bin_of(np.linspace(0.1, 1, 300) ** 3)
    assert np.bincount(bins).tolist() == [20] * 15


def test_equal_confidences_share_a_bin_whatever_their_order():
    rng = np.random.default_rng(0)
    confidence = rng.choice([0.5, 0.9, 1.0], 100)
    correct = rng.random(100) < 0.7
    order = rng.permutation(100)
    assert scores.ece(confidence, correct) == pytest.approx(
        scores.ece(confidence[order], correct[order])
    )
    assert scores.ece(np.ones(4), np.array([1, 1, 0, 0])) == pytest.approx(0.5)


def test_shares_in_the_calibration_error_add_up_to_it_and_never_fall_below_zero_in_a_bin():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 1, 500)
    correct = rng.random(500) < 0.6
    shares = scores.calibration_errors(confidence, correct)
    assert shares.mean() == pytest.approx(scores.ece(confidence, correct))
    assert (np.bincount(scores.bin_of(confidence), shares) >= 0).all()


def test_a_calibrated_model_has_a_small_error_and_a_boastful_one_its_boast():
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.5, 0.9, 20_000)
    correct = rng.random(20_000) < confidence
    assert scores.ece(confidence, correct) < 0.012
    assert scores.ece(confidence + 0.1, correct) == pytest.approx(0.1, abs=0.01)


def test_predictions_know_their_sizes():
    predictions = Predictions(np.stack([PROBABILITIES] * 3), LABELS)
    assert (predictions.num_seeds, predictions.num_images, predictions.num_classes) == (3, 2, 3)
    assert predictions.predicted.tolist() == [[0, 1]] * 3
    assert predictions.correct.tolist() == [[True, False]] * 3


def test_softmax_keeps_the_precision_it_is_given():
    found = scores.softmax(np.array([[1000.0, 0.0]], np.float32))
    assert found.dtype == np.float32
    assert found.tolist() == [[1.0, 0.0]]


def test_areas_are_those_of_scikit_learn_for_each_class_and_seed():
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), (2, 40)).round(1)  # with ties
    labels = rng.integers(0, 2, 40)
    for found, score in zip(
        scores.areas(shares, labels), (roc_auc_score, average_precision_score), strict=True
    ):
        expected = [[score(labels == k, one[:, k]) for k in (0, 1)] for one in shares]
        assert found[:, :2] == pytest.approx(np.array(expected))
        assert np.isnan(found[:, 2]).all()  # a class that no image belongs to
    assert np.isnan(scores.areas(shares, np.zeros(40, int))).all()  # all images are of one class


@pytest.mark.parametrize(
    "score",
    [scores.softmax, scores.cross_entropy_of_logits, scores.brier],
    ids=lambda x: x.__name__,
)
def test_scores_in_parts_are_those_of_all_images_at_once(score, monkeypatch):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 11, 7)).astype(np.float32)
    given = [] if score is scores.softmax else [rng.integers(0, 7, 11)]
    whole = score(values, *given)
    monkeypatch.setattr(scores, "BLOCK", 3 * 2 * 7)  # of three images
    assert len(list(scores.blocks(values.shape))) == 4
    assert np.array_equal(score(values, *given), whole)
    assert np.array_equal(score(values[0], *given), whole[0])


def test_predictions_of_some_images():
    both = Predictions(np.stack([PROBABILITIES] * 3), LABELS, temperatures=np.ones(3))
    part = both.take(np.array([False, True]))
    assert part.probabilities.tolist() == [[[0.1, 0.8, 0.1]]] * 3
    assert part.labels.tolist() == [2] and part.num_images == 1 and part.num_seeds == 3
    assert part.logits is None and part.temperatures is both.temperatures
