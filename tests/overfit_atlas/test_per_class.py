import time

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from overfit_atlas import per_class
from overfit_atlas.scoring.scores import Predictions
from pipeline.params import Evaluate

NAMES = ["cat", "dog", "fox", "owl"]


def predictions(rng, num_each, right, num_seeds=1, num_classes=4):
    """`right[c]` is the share of class c that is classified rightly; the rest goes to c + 1."""
    labels = np.repeat(np.arange(num_classes), num_each)
    shares = np.broadcast_to(right, num_classes)[labels]
    hit = rng.random((num_seeds, len(labels))) < shares
    return given(labels, np.where(hit, labels, (labels + 1) % num_classes), num_classes)


def given(labels, predicted, num_classes=4):
    predicted = np.atleast_2d(predicted)
    return Predictions(np.eye(num_classes, dtype=np.float32)[predicted], np.asarray(labels))


def test_scores_are_means_over_seeds_of_scikit_learns():
    one = predictions(np.random.default_rng(0), 50, 0.7, num_seeds=3)
    table = per_class.scores_table({"val": one}, NAMES)
    expected = np.mean(
        [precision_recall_fscore_support(one.labels, seed)[:3] for seed in one.predicted], axis=0
    )
    assert pytest.approx(expected) == table[["precision", "recall", "f1"]].to_numpy().T
    assert table["class_name"].tolist() == NAMES
    assert table["support"].tolist() == [50] * 4
    assert (table["f1_low"] < table["f1"]).all() and (table["f1"] < table["f1_high"]).all()
    assert "class_gap" not in table


def test_a_class_that_is_known_by_heart_is_flagged_and_ranked_first():
    rng = np.random.default_rng(1)
    splits = {
        "probe": predictions(rng, 100, [0.9, 0.9, 1.0, 0.9], 3),
        "val": predictions(rng, 100, [0.9, 0.9, 0.5, 0.9], 3),
        "test": predictions(rng, 100, [0.9, 0.9, 0.5, 0.9], 3),
    }
    table = per_class.scores_table(splits, NAMES)
    test = table[table["split"] == "test"]
    assert test["class_name"].iloc[0] == "fox"
    assert bool(test["flagged"].iloc[0])
    fox = test.iloc[0]
    assert fox["class_gap_low"] < fox["class_gap"] < fox["class_gap_high"]
    assert fox["class_gap_p"] < 0.001
    by_class = table.groupby("class")["class_gap"]
    assert (by_class.nunique() == 1).all()


def test_without_a_gap_seldom_any_of_many_classes_is_flagged():
    rng = np.random.default_rng(2)
    names = [str(number) for number in range(20)]
    any_flagged = 0
    for _ in range(20):
        splits = {
            "probe": predictions(rng, 40, 0.7, 1, 20),
            "test": predictions(rng, 40, 0.7, 1, 20),
        }
        any_flagged += per_class.scores_table(splits, names, Evaluate(num_resamples=200))[
            "flagged"
        ].any()
    assert any_flagged <= 3


def test_two_images_a_class_prove_nothing():
    splits = {"probe": given([0, 0, 1, 1], [0, 0, 1, 1], 2), "test": given([0, 0, 1], [1, 1, 1], 2)}
    table = per_class.scores_table(splits, NAMES[:2])
    assert not table["flagged"].any()
    assert (table["f1_high"] - table["f1_low"] > 0.5).all()


def test_a_class_absent_from_a_split_is_nan_there_and_has_no_gap():
    splits = {"probe": given([0, 1, 2, 2], [0, 1, 2, 2]), "test": given([0, 1, 1, 3], [0, 1, 2, 3])}
    table = per_class.scores_table(splits, NAMES).set_index(["split", "class_name"])
    assert np.isnan(table.loc[("test", "fox"), "f1"])
    assert np.isnan(table.loc[("probe", "owl"), "f1"])
    assert np.isnan(table.loc[("test", "fox"), "class_gap"])
    assert not table.loc[("test", "fox"), "flagged"]
    assert table.loc[("test", "fox"), "support"] == 0


def test_a_class_never_predicted_has_no_precision_and_an_f1_of_zero():
    table = per_class.scores_table({"val": given([0, 0, 1, 1], [0, 0, 0, 0], 2)}, NAMES[:2])
    assert np.isnan(table["precision"][1])
    assert (table["recall"][1], table["f1"][1]) == (0, 0)


def test_imbalance_names_the_worst_class():
    splits = {"val": given([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 1, 1, 2, 3, 3, 3])}
    found = per_class.class_tables(splits, NAMES).imbalance["val"]
    f1 = np.array([1, 1, 2 / 3, 0.8])
    assert found["worst_class"] == "fox"
    assert found["worst_class_f1"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx(f1.mean())
    assert found["spread"] == pytest.approx(f1.std())
    assert found["worst_over_mean"] == pytest.approx(f1.min() / f1.mean())


def test_confusions_count_all_seeds_and_rates_are_of_the_true_class():
    one = given([0, 0, 1, 1], [[0, 1, 1, 1], [1, 1, 1, 0]], 2)
    table = per_class.confusion_table({"val": one}, NAMES[:2]).set_index(["true", "predicted"])
    assert table["count"].to_dict() == {(0, 0): 1, (0, 1): 3, (1, 0): 1, (1, 1): 3}
    assert table["rate"][(0, 1)] == pytest.approx(0.75)
    assert table["low"][(0, 1)] < 0.75 < table["high"][(0, 1)]
    assert table["true_name"][(0, 1)] == "cat"


def test_wilsons_interval_counts_images_not_seeds():
    labels = np.zeros(50, int)
    predicted = np.where(np.arange(50) < 10, 1, 0)
    once = per_class.confusion_table({"val": given(labels, predicted, 2)}, NAMES[:2])
    often = per_class.confusion_table({"val": given(labels, [predicted] * 5, 2)}, NAMES[:2])
    assert often["low"].tolist() == pytest.approx(once["low"].tolist(), nan_ok=True)
    assert often["count"][1] == 5 * once["count"][1]


def test_a_boundary_that_only_training_images_know_is_memorised():
    labels = np.repeat([0, 1, 2, 3], 50)
    on_test = np.where((labels == 2) & (np.arange(200) % 2 == 0), 0, labels)
    both = np.where((labels == 3) & (np.arange(200) % 2 == 0), 1, labels)
    splits = {
        "probe": given(labels, both),
        "test": given(labels, np.where(labels == 3, both, on_test)),
    }
    pairs = per_class.class_tables(splits, NAMES).pairs.set_index(["true_name", "predicted_name"])
    assert set(pairs.index) == {("fox", "cat"), ("owl", "dog")}
    assert pairs["memorised"].to_dict() == {("fox", "cat"): True, ("owl", "dog"): False}
    assert pairs["also_on_probe"].to_dict() == {("fox", "cat"): False, ("owl", "dog"): True}
    assert pairs["probe_rate"].to_dict() == {("fox", "cat"): 0.0, ("owl", "dog"): 0.5}


def test_rare_pairs_come_after_sure_ones():
    labels = np.concatenate([np.zeros(200, int), np.ones(2, int)])
    predicted = labels.copy()
    predicted[:60], predicted[200] = 1, 0
    pairs = per_class.class_tables({"test": given(labels, predicted, 2)}, NAMES[:2]).pairs
    assert pairs["true"].tolist() == [0, 1]
    assert pairs["rate"].tolist() == [0.3, 0.5]


def test_equal_predictions_give_equal_tables():
    one = predictions(np.random.default_rng(3), 30, 0.8, 2)
    first, second = (per_class.scores_table({"probe": one, "test": one}, NAMES) for _ in range(2))
    assert first.equals(second)


def test_a_hundred_classes_take_seconds():
    rng = np.random.default_rng(4)
    one = predictions(rng, 20, 0.6, 2, 100)
    started = time.process_time()
    tables = per_class.class_tables({"probe": one, "test": one}, [str(n) for n in range(100)])
    assert time.process_time() - started < 20
    assert (len(tables.scores), len(tables.confusions)) == (200, 400)


def test_outcomes_of_a_class_against_all_others() -> None:
    labels = np.array([0, 0, 0, 1, 2])
    predicted = np.array([0, 0, 1, 1, 0])
    table = per_class.confusion_table(
        {"val": Predictions(np.eye(3)[predicted][None], labels)}, ["a", "b", "c"]
    )
    found = per_class.outcomes_table(table).set_index("class")
    assert found.loc[0, list(per_class.OUTCOMES)].tolist() == [2, 1, 1, 1]
    assert found.loc[1, list(per_class.OUTCOMES)].tolist() == [1, 1, 0, 3]
    assert found.loc[2, list(per_class.OUTCOMES)].tolist() == [0, 0, 1, 4]


def test_of_many_classes_only_pairs_that_are_confused_are_listed_and_nothing_else_changes(
    monkeypatch,
):
    rng = np.random.default_rng(3)
    splits = {name: predictions(rng, 5, 0.6, 2) for name in ("probe", "val", "test")}
    splits["val"] = given([0, 0, 1, 1], [2, 2, 1, 1])  # a pair that no other split confuses
    whole = per_class.confusion_table(splits, NAMES)
    monkeypatch.setattr(per_class, "ALL_PAIRS", 3)
    few = per_class.confusion_table(splits, NAMES)
    keys = ["split", "true", "predicted"]
    assert len(whole) == 3 * 16 and len(few) == 3 * (4 + 4 + 1)
    assert few.merge(whole, on=list(whole)).shape == few.shape  # rows as they were
    left_out = whole.merge(few[keys], on=keys, how="left", indicator=True)
    assert left_out.loc[left_out["_merge"] == "left_only", "count"].eq(0).all()
    assert per_class.outcomes_table(few).equals(per_class.outcomes_table(whole))
    assert per_class.pairs_table(few).equals(per_class.pairs_table(whole))
