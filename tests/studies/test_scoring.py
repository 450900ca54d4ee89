import numpy as np
import pytest
from pipeline.diagnosis.verdict import Reference

from pipeline.studies import scoring


@pytest.fixture
def results(make_plan, workshop):
    """The two fits of width 64 without dropout: gap 0.6 at the last of 8 epochs."""
    plan = make_plan()
    tasks = plan.tasks({"width": 64, "dropout": 0.0})
    return [result for _, result in workshop()(tasks, "")]


@pytest.fixture
def settings(make_plan):
    return make_plan().params.evaluate


def test_a_row_holds_the_clean_scores_of_the_last_epoch(results, settings):
    (row,) = scoring.fit_rows(results[0], [8], settings)
    curves = results[0].history.curves.set_index(["epoch", "split"])
    val, probe = curves.loc[(8, "val")], curves.loc[(8, "probe")]
    assert row["gap_loss"] == pytest.approx(val["loss"] - probe["loss"])
    assert row["gap_loss"] == pytest.approx(0.6, abs=0.08)
    assert row["gap_accuracy"] == pytest.approx(probe["accuracy"] - val["accuracy"])
    assert (row["val_loss"], row["probe_loss"]) == pytest.approx((val["loss"], probe["loss"]))
    assert row["num_parameters"] == 65 * 64 + 2 * 65
    assert row["failed"] is None


def test_the_error_of_a_gap_is_that_of_both_splits(results, settings):
    (row,) = scoring.fit_rows(results[0], [8], settings)
    per_image = results[0].history.per_image
    errors = [np.std(losses[-1], ddof=1) / np.sqrt(40) for losses in
              (per_image.val_loss, per_image.probe_loss)]  # fmt: skip
    assert row["gap_loss_se"] == pytest.approx(np.hypot(*errors), rel=1e-3)


def test_each_budget_is_scored_as_if_training_had_ended_there(results, settings):
    rows = scoring.fit_rows(results[0], [8, 2], settings)
    assert [row["epochs"] for row in rows] == [2, 8]
    # The planted gap grows in proportion to the epochs.
    assert rows[0]["gap_loss"] == pytest.approx(rows[1]["gap_loss"] / 4)
    short = scoring.head(results[0].history, 2)
    assert short.num_epochs == 2 and short.per_image.val_loss.shape[0] == 2


def test_a_fit_that_broke_down_has_no_scores(results, settings):
    results[0].history.curves.loc[results[0].history.curves["epoch"] > 3, "loss"] = np.nan
    early, late = scoring.fit_rows(results[0], [3, 8], settings)
    assert early["failed"] is None and early["gap_loss"] > 0
    assert "epoch 4" in late["failed"]
    assert all(late[name] is None for name in scoring.SCORES)
    assert np.isnan(scoring.best_loss(results[0], settings))


def test_the_loss_of_the_best_epoch(results, settings):
    losses = results[0].history.series("val", "loss")
    assert scoring.best_loss(results[0], settings) in losses.tolist()
    assert scoring.best_loss(results[0], settings) <= losses[-1]


def test_a_point_is_the_mean_over_its_seeds_whatever_their_order(results, settings):
    found = scoring.score_point(results, [8], "gap_loss", settings, 2)
    again = scoring.score_point(results[::-1], [8], "gap_loss", settings, 2)
    assert found == again
    rows = [scoring.fit_rows(result, [8], settings)[0]["gap_loss"] for result in results]
    assert found.value == pytest.approx(np.mean(rows))
    assert found.attributes["gap_loss_by_seed"] == rows
    assert [row["seed"] for row in found.attributes["fits"]] == [0, 1]


def test_a_reference_makes_the_verdict_underfit(make_plan, workshop, settings):
    tasks = make_plan().tasks({"width": 4, "dropout": 0.8})
    fits = [result for _, result in workshop()(tasks, "")]
    best = Reference(1.0, "model", "map")
    found = scoring.score_point(fits, [8], "gap_loss", settings, 2, best)
    assert found.attributes["verdict"] == "underfit"


def test_attributes_are_plain_json_without_nan(results, settings):
    import json

    found = scoring.score_point(results, [8], "gap_loss", settings, 2)
    text = json.dumps(dict(found.attributes), allow_nan=False)
    assert json.loads(text)["curves"]["epoch"][:3] == [1, 2, 3]
    assert "seconds" not in found.attributes["curves"]
