import json

import numpy as np
import pytest
from scipy import stats

from overfit_atlas import comparison
from overfit_atlas.comparison import ComparisonError
from overfit_atlas.scoring.scores import Predictions
from pipeline.params import Evaluate

SETTINGS = Evaluate(num_resamples=300)
LABELS = np.tile(np.arange(4), 50)


def given(right):
    """Predictions from which images are right `(num_seeds, num_images)`."""
    right = np.atleast_2d(right)
    predicted = np.where(right, LABELS, (LABELS + 1) % 4)
    return Predictions(np.eye(4)[predicted], LABELS)


def drawn(accuracy, num_seeds, seed):
    return given(np.random.default_rng(seed).random((num_seeds, 200)) < accuracy)


def test_few_differing_images_are_tested_exactly():
    a, b = np.ones(200, bool), np.ones(200, bool)
    a[:2], b[2:12] = False, False
    found = comparison.compare(given(a), given(b), SETTINGS).mcnemar
    assert (found.only_a, found.only_b) == (10, 2)
    assert found.p == pytest.approx(stats.binomtest(2, 12).pvalue)


def test_many_differing_images_are_tested_exactly_too():
    a, b = np.ones(200, bool), np.ones(200, bool)
    a[:20], b[20:60] = False, False
    found = comparison.compare(given(a), given(b), SETTINGS).mcnemar
    assert found.p == pytest.approx(stats.binomtest(20, 60).pvalue)


def test_equal_models_do_not_differ():
    one = drawn(0.8, 3, 0)
    found = comparison.compare(one, one, SETTINGS)
    assert found.mcnemar.p == 1
    assert (found.accuracy.value, found.accuracy.low, found.accuracy.high) == (0, 0, 0)
    assert found.probability_better.value == 0.5


def test_several_seeds_take_twice_the_median_p():
    a, b = drawn(0.9, 3, 0), drawn(0.8, 3, 1)
    each = [
        comparison.compare(given(x), given(y), SETTINGS).mcnemar.p
        for x, y in zip(a.correct, b.correct, strict=True)
    ]
    found = comparison.compare(a, b, SETTINGS).mcnemar
    assert found.p == pytest.approx(min(1, 2 * np.median(each)))
    assert found.num_pairs == 3


def test_a_better_model_is_seen_in_every_number():
    found = comparison.compare(drawn(0.95, 5, 0), drawn(0.75, 5, 1), SETTINGS)
    assert found.accuracy.low > 0.1
    assert found.macro_f1.low > 0.1
    assert found.accuracy_seeds.low > 0.1
    assert found.probability_better.value == 1
    assert found.probability_better.low == pytest.approx(0.566, abs=0.01)
    json.dumps(found.as_json(), allow_nan=False)


def test_differences_over_seeds_are_paired():
    rng = np.random.default_rng(0)
    base = rng.random((4, 200)) < np.array([0.5, 0.6, 0.7, 0.8])[:, None]
    better = base.copy()
    for seed in better:
        seed[np.flatnonzero(~seed)[:10]] = True
    found = comparison.compare(given(better), given(base), SETTINGS).accuracy_seeds
    assert (found.low, found.value, found.high) == pytest.approx((0.05, 0.05, 0.05))


def test_one_model_is_held_against_every_seed_of_the_other():
    found = comparison.compare(drawn(0.9, 1, 0), drawn(0.8, 4, 1), SETTINGS)
    assert found.mcnemar.num_pairs == 4
    assert found.accuracy_seeds is None and found.probability_better is None
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high


def test_other_images_are_refused():
    one = drawn(0.9, 1, 0)
    with pytest.raises(ComparisonError, match="other labels"):
        comparison.compare(one, Predictions(one.probabilities, one.labels[::-1]), SETTINGS)


def test_seeds_that_cannot_be_paired_are_refused():
    with pytest.raises(ComparisonError, match="got 2 and 3 seeds"):
        comparison.compare(drawn(0.9, 2, 0), drawn(0.9, 3, 0), SETTINGS)


def test_members_disagree_where_two_of_them_differ():
    a, b = np.ones(200, bool), np.ones(200, bool)
    b[:50] = False
    assert comparison.disagreement(given([a, b])) == pytest.approx(0.25)
    assert comparison.disagreement(given([a, a, b])) == pytest.approx(2 / 3 * 0.25)
    assert comparison.disagreement(given(a)) is None


def test_the_best_member_is_chosen_by_validation_loss():
    assert comparison.best_of(given(np.arange(200) < np.array([[100], [180], [150]]))) == 1


def test_an_ensemble_is_held_against_mean_best_and_equal_cost():
    members = drawn(0.8, 5, 0)
    votes = members.probabilities.mean(0, keepdims=True)
    ensemble = Predictions(votes, LABELS)
    found = comparison.compare_ensemble(ensemble, members, 2, SETTINGS, drawn(0.8, 5, 9))
    own = float(ensemble.correct.mean())
    assert found.mean_member.accuracy.value == pytest.approx(own - members.correct.mean())
    assert found.best_member.accuracy.value == pytest.approx(own - members.correct[2].mean())
    assert found.mean_member.accuracy.low > 0
    assert 0.2 < found.disagreement < 0.5
    assert found.equal_cost is not None
    assert (
        comparison.compare_ensemble(ensemble, members, 2, SETTINGS).as_json()["equal_cost"] is None
    )
