"""The stage itself, on real digits with nets of a few units, in this process."""

import argparse
import json

import pandas as pd
import pytest
from ruamel.yaml import YAML

from pipeline import trained
from pipeline.stages import tuned

PARAMS = {
    "tune": {"seeds": [0], "epochs": 1},
    "train": {"epochs": 2, "seeds": [0, 1]},
    "workers": {"count": 0},
}
WINNER = {
    "model": "dense",
    "parameters": {"width": 3, "dropout": 0.25, "train.batch_size": 50},
    "val_loss": 2.5,
    "num_trials": 4,
}


@pytest.fixture
def run(tmp_path, digits_folder, monkeypatch):
    """Runs the stage on a winner, in a folder of its own."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))

    def run(winner):
        params, file = tmp_path / "params.yaml", tmp_path / "winner.json"
        with params.open("w") as opened:
            YAML().dump(PARAMS, opened)
        file.write_text(json.dumps(winner))
        folders = {"models": tmp_path / "models", "results": tmp_path / "results"}
        tuned.main(argparse.Namespace(params=params, data=digits_folder, winner=file, **folders))
        return tmp_path

    return run


def test_where_there_was_no_search_it_says_so_and_leaves_empty_outputs(run, capsys):
    root = run({})
    assert capsys.readouterr().out == (
        "tuned: the search has no winner, so there is nothing to train\n"
    )
    assert trained.enabled(root / "models", ["tuned"]) == []
    assert pd.read_csv(root / "results" / "curves" / "tuned.csv").empty
    assert json.loads((root / "results" / "overtuning.json").read_text()) == {}
    assert not (root / "mlruns").exists()


@pytest.mark.slow
def test_the_winner_is_trained_like_the_other_models_and_once_more_on_fresh_folds(run):
    root = run(WINNER)
    facts = trained.facts(root / "models" / "tuned")
    assert [fit["seed"] for fit in facts] == [0, 1]
    assert {fit["num_parameters"] for fit in facts} == {64 * 3 + 3 + 3 * 10 + 10}
    fits = trained.read_fits(root / "models" / "tuned", root / "results" / "curves")
    assert [len(fit.series("val", "loss")) for fit in fits] == [2, 2]
    found = json.loads((root / "results" / "overtuning.json").read_text())
    assert found["fresh_seeds"][0] == 2 and found["num_failed"] == 0
    assert found["overtuning"]["value"] == pytest.approx(found["fresh_val_loss"] - 2.5)
    _check_run(root)


def _check_run(root):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
    (experiment,) = (one for one in client.search_experiments() if "overfit" in one.name)
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (one for one in runs if "mlflow.parentRunId" not in one.data.tags)
    assert parent.info.run_name == "tuned" and parent.info.status == "FINISHED"
    assert parent.data.params["models.dense.dropout"] == "0.25"
    assert all(one.data.params["train.batch_size"] == "50" for one in runs)
    assert "overtuning/value" in parent.data.metrics
