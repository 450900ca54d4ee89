import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from overfit_atlas.scoring.scores import Predictions
from overfit_atlas.summary import summarise
from pipeline.params import Evaluate

SETTINGS = Evaluate()


def predictions(num_seeds=3, num_images=300, seed=0, true_labels=None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, num_images)
    logits = rng.normal(0, 1, (num_seeds, num_images, 5)) + 2 * np.eye(5)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return Predictions(probabilities, labels, true_labels)


ONE = predictions()
FOUND = summarise(ONE, SETTINGS)


def test_values_are_means_over_seeds():
    assert FOUND.loss.value == pytest.approx(
        np.mean([log_loss(ONE.labels, seed) for seed in ONE.probabilities])
    )
    assert FOUND.accuracy.value == pytest.approx(ONE.correct.mean())
    macro = [f1_score(ONE.labels, seed, average="macro") for seed in ONE.predicted]
    assert FOUND.macro_f1.value == pytest.approx(np.mean(macro))
    each = np.mean([f1_score(ONE.labels, seed, average=None) for seed in ONE.predicted], axis=0)
    assert FOUND.worst_class_f1.value == pytest.approx(each.min())
    squares = (ONE.probabilities - np.eye(5)[ONE.labels]) ** 2
    assert FOUND.brier.value == pytest.approx(squares.sum(-1).mean())


@pytest.mark.parametrize("name", ["loss", "accuracy", "ece", "brier", "macro_f1"])
def test_every_score_lies_in_its_interval(name):
    estimate = getattr(FOUND, name)
    assert 0 <= estimate.low < estimate.value < estimate.high
    assert (estimate.num_seeds, estimate.num_images) == (3, 300)


def test_one_split_is_scored_like_another():
    assert summarise(predictions(), SETTINGS) == FOUND


def test_noisy_labels_give_two_accuracies():
    labels = ONE.labels.copy()
    assert FOUND.true_accuracy is None
    assert summarise(Predictions(ONE.probabilities, ONE.labels, labels), SETTINGS) == FOUND
    noisy = Predictions(ONE.probabilities, (labels + (np.arange(300) < 30)) % 5, labels)
    found = summarise(noisy, SETTINGS)
    assert found.true_accuracy.value == pytest.approx(FOUND.accuracy.value)
    assert found.accuracy.value < FOUND.accuracy.value - 0.03


def test_json_has_each_metric_with_its_interval():
    document = FOUND.as_json()
    assert document["accuracy_interval"] == [FOUND.accuracy.low, FOUND.accuracy.high]
    assert (document["num_seeds"], document["num_images"]) == (3, 300)
    assert {"accuracy", "loss", "macro_f1", "worst_class_f1", "ece", "brier"} <= set(document)


def test_a_perfect_model_of_one_seed_has_an_accuracy_of_one_and_still_an_interval():
    perfect = Predictions(np.eye(5)[None, ONE.labels], ONE.labels)
    found = summarise(perfect, SETTINGS)
    assert (found.accuracy.value, found.accuracy.high) == (1, 1)
    assert 0.98 < found.accuracy.low < 1
    assert (found.ece.value, found.brier.value, found.loss.value) == (0, 0, 0)
