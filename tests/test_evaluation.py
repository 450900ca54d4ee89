import numpy as np
import pytest

from overfit_atlas.scoring.scores import Predictions
from pipeline import evaluation
from pipeline.params import Evaluate

LABELS = np.array([0, 1, 2, 0, 1, 2] * 10)
RULES = Evaluate(num_resamples=100).rules


def _predictions(num_seeds, sure, wrong=()):
    """Probability `sure` for the label, or for the next class where the index is in `wrong`."""
    found = np.full((num_seeds, len(LABELS), 3), (1 - sure) / 2)
    for index, label in enumerate(LABELS):
        found[:, index, (label + (index in wrong)) % 3] = sure
    return Predictions(found, LABELS)


def _splits(*arguments):
    return {name: _predictions(*arguments) for name in evaluation.SPLITS}


@pytest.fixture(scope="module")
def models():
    predictions = {
        "sure": _splits(3, 0.9, range(6)),
        "unsure": _splits(2, 0.6),
        "one": _splits(1, 0.5),
    }
    return evaluation.evaluate(predictions, {}, ["a", "b", "c"], RULES)


def test_every_split_is_scored_with_interval_seeds_and_images(models):
    found = models["sure"].metrics
    assert list(found) == ["probe", "val", "test"]
    assert found["test"]["accuracy"] == pytest.approx(0.9)
    low, high = found["test"]["accuracy_interval"]
    assert low < 0.9 < high
    assert (found["test"]["num_seeds"], found["test"]["num_images"]) == (3, 60)


def test_the_champion_has_the_lowest_validation_loss(models):
    # Mean of -ln: 0.1 of 3.0 and 0.9 of 0.105 against 0.51 and 0.69.
    assert evaluation.champion(models) == ("sure", 0)


def test_models_with_other_numbers_of_seeds_are_compared_on_the_first_ones(models):
    found = evaluation.comparisons(models, RULES)
    assert list(found) == ["sure vs unsure", "sure vs one", "unsure vs one"]
    assert found["sure vs unsure"]["accuracy"]["value"] == pytest.approx(-0.1)
    assert found["sure vs unsure"]["mcnemar"]["num_pairs"] == 2
    assert found["sure vs one"]["mcnemar"]["num_pairs"] == 3


def test_examples_are_the_surest_mistakes_then_the_surest_hits():
    probabilities = np.array([[[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]]])
    predictions = Predictions(probabilities, np.array([1, 1, 0, 0]))
    assert evaluation.shown_examples(predictions, 0, 3).tolist() == [0, 2, 3]
    assert evaluation.shown_examples(predictions, 0, 40).tolist() == [0, 2, 3, 1]


def test_scores_without_copies_stand_beside_those_of_all_images():
    predictions = {"one": _splits(2, 0.9, range(6))}
    alone = {"val": np.ones(60, bool), "test": np.arange(60) >= 6}
    found = evaluation.evaluate(predictions, {}, ["a", "b", "c"], RULES, alone)["one"].metrics
    assert list(found) == ["probe", "val", "test", "test_without_copies"]
    assert found["test"]["accuracy"] == pytest.approx(0.9)
    assert found["test_without_copies"]["accuracy"] == 1
    assert found["test_without_copies"]["num_images"] == 54
