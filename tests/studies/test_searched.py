import pytest
from optuna.trial import TrialState

from pipeline.studies import searched


@pytest.fixture
def trials(run_study, make_plan, workshop):
    return run_study(make_plan(), "search", workshop())


def test_the_search_is_listed_in_the_order_of_its_proposals(trials):
    table = searched.search_table(trials)
    assert table["order"].tolist() == list(range(12))
    assert table["train.learning_rate"].tolist() == [
        t.params["train.learning_rate"] for t in trials
    ]
    complete = table[table["state"] == "complete"]
    values = [trial.value for trial in trials if trial.state == TrialState.COMPLETE]
    assert complete["val_loss"].tolist() == pytest.approx(values)
    assert (table["num_seeds"] <= 2).all()


def test_the_winner_is_the_complete_trial_with_the_lowest_validation_loss(trials, make_plan):
    found = searched.winner(make_plan(), trials)
    best = min(trial.value for trial in trials if trial.state == TrialState.COMPLETE)
    assert (found["val_loss"], found["num_trials"]) == (best, 12)
    assert set(found["parameters"]) == {"width", "dropout", "train.learning_rate"}
    assert searched.winner(make_plan(), []) == {}


def test_a_searched_trial_is_not_judged(trials):
    assert not {"verdict", "kind", "onset"} & set(trials[0].user_attrs)
    assert "draws" not in trials[0].system_attrs
