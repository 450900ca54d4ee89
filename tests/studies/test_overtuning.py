import pytest

from pipeline.studies import overtuning, scoring

POINT = {"width": 16, "dropout": 0.4, "train.learning_rate": 3e-3}


def test_fresh_fits_are_the_searchs_own_with_other_seeds_one_a_fold(make_plan):
    plan = make_plan({"train.seeds": [3, 9]})
    tasks = overtuning.fresh(plan, POINT, 4)
    assert [(task.seed, task.vary.fold) for task in tasks] == [(10, 0), (11, 1), (12, 2), (13, 3)]
    (of_search,) = plan.tasks(POINT, "search", [0])
    assert all(task.section == of_search.section for task in tasks)
    assert all(task.train == of_search.train for task in tasks)
    assert overtuning.fresh(make_plan({"tune.seeds": [99]}), POINT, 1)[0].seed == 100


def test_overtuning_is_fresh_loss_minus_that_of_the_search(make_plan, workshop):
    plan = make_plan()
    results = [result for _, result in workshop()(overtuning.fresh(plan, POINT, 3), "")]
    losses = [scoring.best_loss(result, plan.params.evaluate.smoothing) for result in results]
    found = overtuning.overtuning(plan, {"val_loss": 0.5, "num_trials": 7}, results)
    assert found["fresh_val_loss"] == pytest.approx(sum(losses) / 3)
    ends = found["overtuning"]
    assert ends["value"] == pytest.approx(found["fresh_val_loss"] - 0.5)
    assert ends["low"] < ends["value"] < ends["high"]
    assert (found["num_failed"], found["num_trials"]) == (0, 7)


def test_fits_that_broke_down_are_counted_and_leave_no_number(make_plan, workshop):
    plan = make_plan()
    tasks = overtuning.fresh(plan, POINT, 2)
    results = [result for _, result in workshop()(tasks, "")]
    for result in results:
        result.history.curves["loss"] = float("nan")
    found = overtuning.overtuning(plan, {"val_loss": 0.5}, results)
    assert (found["num_failed"], found["fresh_val_loss"], found["overtuning"]) == (2, None, {})
