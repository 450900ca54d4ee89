import optuna
import pytest

from pipeline.studies.importance import importance_table


@pytest.fixture
def trials(run_study, make_plan, workshop):
    return run_study(make_plan(), "map", workshop())


def test_importance_names_two_evaluators_and_sums_to_one(trials):
    table = importance_table(trials, "gap_loss", 0)
    assert sorted(set(table["evaluator"])) == ["fANOVA", "mean decrease in impurity"]
    sums = table.groupby("evaluator")["importance"].sum()
    assert sums.tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert set(table["parameter"]) == {"width", "dropout"}


def test_where_nothing_varies_nothing_is_important(trials):
    alike = [optuna.create_trial(params={}, distributions={}, value=1.0) for _ in range(3)]
    assert importance_table(alike, "gap_loss", 0).empty
    assert importance_table(trials[:1], "gap_loss", 0).empty


def test_the_order_of_trials_changes_nothing(trials):
    forward = importance_table(trials, "gap_loss", 0)
    assert forward.to_csv() == importance_table(trials[::-1], "gap_loss", 0).to_csv()
