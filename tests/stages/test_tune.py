"""The stage itself, on real digits with nets of a few units, in this process."""

import argparse
import json

import optuna
import pandas as pd
import pytest
from ruamel.yaml import YAML

from overfit_atlas.errors import AtlasError
from pipeline.stages import search, trials, tune

PARAMS = {
    "tune": {
        "widths": [2, 16],
        "dropouts": [0.0, 0.5],
        "seeds": [0, 1],
        "epochs": 3,
        "also_at_epochs": [],
    },
    "workers": {"count": 0},
    "evaluate": {"num_resamples": 100},
}
WRITTEN = {
    "map.csv", "map_curves.csv", "epochs.csv", "points.csv", "frontier.csv", "surface.csv",
    "importance.csv", "double_descent.csv", "summary.json",
}  # fmt: skip


@pytest.fixture
def run(tmp_path, digits_folder, monkeypatch):
    """Runs a stage in a folder of its own: `run(name, widths=[...])` gives what it wrote."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))

    def run(out="first", stage=tune, **changes):
        params = tmp_path / "params.yaml"
        with params.open("w") as file:
            YAML().dump({**PARAMS, "tune": {**PARAMS["tune"], **changes}}, file)
        folder = tmp_path / out
        stage.main(argparse.Namespace(params=params, data=digits_folder, out=folder))
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    return run


@pytest.mark.slow
def test_it_writes_every_table_and_a_second_run_fits_nothing_and_writes_the_same(
    run, tmp_path, monkeypatch
):
    first = run()
    assert set(first) == WRITTEN
    fits = pd.read_csv(tmp_path / "first" / "map.csv")
    assert len(fits) == 2 * 2 * 2
    wide = fits[fits["width"] == 16]
    assert wide["num_parameters"].unique().tolist() == [64 * 16 + 16 + 16 * 10 + 10]
    assert len(pd.read_csv(tmp_path / "first" / "map_curves.csv")) == 8 * 3 * 3
    summary = json.loads(first["summary.json"])
    assert (summary["num_points"], summary["num_fits"], summary["num_failed"]) == (4, 8, 0)
    assert "seconds" not in str(first)

    def nothing(*_):
        raise AssertionError("no fit was expected")

    monkeypatch.setattr(trials.workers, "pool", nothing)
    assert run("second") == first
    assert run("third", map=False) == {}

    url = f"sqlite:///{tmp_path / 'mlruns' / 'optuna.db'}"
    names = sorted(name.split("-")[0] for name in optuna.get_all_study_names(storage=url))
    assert names == ["map"]
    _check_runs(tmp_path)


@pytest.mark.slow
def test_the_search_leaves_its_winner_and_a_second_run_fits_nothing(run, tmp_path, monkeypatch):
    space = {"train": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}}
    space |= {"models": {"dense": {"activation": ["relu", "gelu"]}}}
    first = run("first", search, search_trials=2, search_space=space)
    assert set(first) == {"search.csv", "importance.csv", "winner.json"}
    winner = json.loads(first["winner.json"])
    assert (winner["model"], winner["num_trials"]) == ("dense", 2)
    assert winner["parameters"]["models.dense.activation"] in ("relu", "gelu")
    kept = sorted(path.name for path in (tmp_path / ".checkpoints" / "search").glob("*.npz"))
    assert len(kept) == 4
    monkeypatch.setattr(trials.workers, "pool", lambda *_: pytest.fail("no fit was expected"))
    assert run("second", search, search_trials=2, search_space=space) == first


def test_where_nothing_is_searched_the_winner_is_empty(run, capsys):
    assert run("first", search, search_trials=0) == {"winner.json": b"{}\n"}
    assert "nothing is searched" in capsys.readouterr().out


def _check_runs(root):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
    (experiment,) = (one for one in client.search_experiments() if "overfit" in one.name)
    runs = client.search_runs([experiment.experiment_id])
    children = [one for one in runs if "mlflow.parentRunId" in one.data.tags]
    assert len(runs) == 2 * (1 + 4) and len(children) == 2 * 4
    assert all(one.info.status == "FINISHED" for one in runs)
    mapped = [one for one in children if one.data.tags["study"] == "map"]
    assert {one.data.params["width"] for one in mapped} == {"2", "16"}
    assert all({"gap_loss", "val_loss"} <= one.data.metrics.keys() for one in mapped)
    parent = next(one for one in runs if one not in children)
    artifacts = {one.path for one in client.list_artifacts(parent.info.run_id)}
    assert {
        "gap_map.png",
        "kinds_map.png",
        "slices.png",
        "frontier.csv",
        "summary.json",
    } <= artifacts


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"widths": [4], "dropouts": [0.0, 0.5]}, "got 2 points, but a map needs at least 4"),
        ({"sampler": "sobol", "points": 3}, "got 3 points"),
        ({"storage": "sqlite:////nowhere/at/all.db"}, "tune.storage"),
    ],
)
def test_what_cannot_work_is_one_sentence_before_any_fit(run, changes, said, monkeypatch):
    monkeypatch.setattr(trials.workers, "pool", lambda *_: pytest.fail("a fit was started"))
    with pytest.raises(AtlasError, match=said) as caught:
        run(**changes)
    assert "\n" not in str(caught.value)
