from dataclasses import replace

import numpy as np
import pytest

from pipeline.studies import judged, ruling, scoring


@pytest.fixture
def results(make_plan, workshop):
    """The two fits of width 64 without dropout: gap 0.6 at the last of 8 epochs."""
    plan = make_plan()
    tasks = plan.tasks({"width": 64, "dropout": 0.0})
    return [result for _, result in workshop()(tasks, "")]


@pytest.fixture
def rows(results, make_plan):
    """The rows of both fits after so many epochs: `rows(8)`."""
    plan = make_plan()

    def of(*budgets):
        fits = judged.heads(results, budgets)
        rules = plan.params.evaluate.rules
        return judged.fit_rows(results, fits, judged.judge_point(fits, rules, ruling.facts(plan)))

    return of


@pytest.fixture
def scored(make_plan):
    """A point judged: `scored(results)`."""
    plan = make_plan()
    return lambda fits: judged.score_point(
        fits, [8], "gap_loss", plan.params.evaluate.rules, ruling.facts(plan)
    )


def test_a_row_holds_the_clean_scores_of_the_last_epoch(results, rows):
    row, _ = rows(8)
    curves = results[0].history.curves.set_index(["epoch", "split"])
    val, probe = curves.loc[(8, "val")], curves.loc[(8, "probe")]
    assert row["gap_loss"] == pytest.approx(val["loss"] - probe["loss"])
    assert row["gap_loss"] == pytest.approx(0.6, abs=0.08)
    assert row["gap_accuracy"] == pytest.approx(probe["accuracy"] - val["accuracy"])
    assert (row["val_loss"], row["probe_loss"]) == pytest.approx((val["loss"], probe["loss"]))
    assert row["num_parameters"] == 65 * 64 + 2 * 65
    assert row["failed"] is None


def test_the_error_of_a_gap_is_that_of_both_splits(results, rows):
    row, _ = rows(8)
    per_image = results[0].history.per_image
    errors = [np.std(losses[-1], ddof=1) / np.sqrt(40) for losses in
              (per_image.val_loss, per_image.probe_loss)]  # fmt: skip
    assert row["gap_loss_se"] == pytest.approx(np.hypot(*errors), rel=1e-3)


def test_each_budget_is_scored_as_if_training_had_ended_there(results, rows):
    found = rows(8, 2)
    assert [(row["seed"], row["epochs"]) for row in found] == [(0, 2), (0, 8), (1, 2), (1, 8)]
    # The planted gap grows in proportion to the epochs.
    assert found[0]["gap_loss"] == pytest.approx(found[1]["gap_loss"] / 4)
    # Two epochs are too few to be judged; their scores are known all the same.
    assert (found[0]["verdict"], found[0]["kind"]) == ("undetermined", "epochs")
    short = scoring.head(results[0].history, 2)
    assert short.num_epochs == 2 and short.per_image.val_loss.shape[0] == 2


def test_a_fit_that_broke_down_has_no_scores(results, rows):
    results[0].history.curves.loc[results[0].history.curves["epoch"] > 3, "loss"] = np.nan
    early, late = rows(3, 8)[:2]
    assert early["failed"] is None and early["gap_loss"] > 0
    assert "epoch 4" in late["failed"]
    assert all(late[name] is None for name in judged.SCORES)
    assert np.isnan(scoring.best_loss(results[0], 3))


def test_the_loss_of_the_best_epoch(results):
    losses = results[0].history.series("val", "loss")
    assert scoring.best_loss(results[0], 3) in losses.tolist()
    assert scoring.best_loss(results[0], 3) <= losses[-1]


def test_a_point_is_the_mean_over_its_seeds_whatever_their_order(results, scored, rows):
    found, again = scored(results), scored(results[::-1])
    assert found == again
    gaps = [row["gap_loss"] for row in rows(8)]
    assert found.value == pytest.approx(np.mean(gaps))
    assert found.attributes["gap_loss_by_seed"] == gaps
    assert [row["seed"] for row in found.kept["fits"]] == [0, 1]


def test_the_judgement_is_one_for_all_fits_of_a_point(rows, scored, results):
    first, second = rows(8)
    kept = scored(results).attributes
    for name in judged.OF_POINT:
        assert first[name] == second[name]
    # From the second epoch on validation alone gets worse: 0.075 nats an epoch, of 8. Without
    # calibrated losses it stays open in which way.
    assert (first["verdict"], first["kind"]) == ("overfit", "unclear")
    assert first["damage_loss"] == pytest.approx(0.075 * 4, abs=0.05)
    assert (first["onset"], first["onset_epoch"]) == ("confirmed", kept["onset_epoch_loss"])
    assert (kept["verdict"], kept["kind"]) == (first["verdict"], first["kind"])
    assert first["probability"] == pytest.approx(kept["probability"])
    assert first["damage_loss"] == pytest.approx(kept["damage_loss"])


def test_gaps_end_where_the_first_split_leaves_the_finite_numbers(results, scored):
    whole = scored(results).gaps
    curves = results[0].history.curves.copy()
    curves.loc[(curves["split"] == "val") & (curves["epoch"] > 5), "loss"] = np.nan
    broken = replace(results[0], history=replace(results[0].history, curves=curves))
    found = scored([broken, *results[1:]])
    assert found.gaps == whole[:5]
    assert len(found.attributes["val_loss_by_epoch"]) == 5


def test_attributes_are_plain_json_without_nan(results, scored):
    import json

    found = scored(results)
    json.dumps(dict(found.attributes), allow_nan=False)
    text = json.dumps(dict(found.kept), allow_nan=False)
    assert json.loads(text)["curves"]["epoch"][:3] == [1, 2, 3]
    assert "seconds" not in found.kept["curves"]
    # The planted gap grows in proportion to the epochs.
    assert found.gaps == pytest.approx([found.value * epoch / 8 for epoch in range(1, 9)])
