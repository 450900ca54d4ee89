"""The command that diagnoses any history: what it reads, says and refuses."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.scoring.fits import InvalidFit
from pipeline.params import ParamsError
from pipeline.stages import diagnose as stage
from pipeline.tracking import TrackingError
from scripts import make_images
from tests.overfit_atlas import synthetic

CASE = synthetic.make("overfit 2", 10007, num_seeds=3)


def keras_columns(history):
    curves = {"loss": ("probe", "loss"), "val_loss": ("val", "loss")}
    curves |= {"accuracy": ("probe", "accuracy"), "val_accuracy": ("val", "accuracy")}
    return {name: history.series(*which).tolist() for name, which in curves.items()}


def run(tmp_path, source, capsys, *more):
    """What the command prints; the figure is written to tmp_path / figure.png."""
    fixed = ["--figure", str(tmp_path / "figure.png"), "--params", str(tmp_path / "none.yaml")]
    stage.main(stage._parser().parse_args([str(source), *fixed, *more]))
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    return capsys.readouterr().out


def test_a_keras_history_in_json(tmp_path, capsys):
    source = tmp_path / "my_net.json"
    source.write_text(json.dumps(keras_columns(CASE.histories[0])))
    said = run(tmp_path, source, capsys, "--language", "en")
    assert said.startswith("my_net: overfit")
    assert "Losses of single images are missing" in said
    assert "Clean scores of training images are missing" in said
    assert said.rstrip().endswith("figure.png")


def test_a_csv_logger_file_in_japanese(tmp_path, capsys):
    source = tmp_path / "log.csv"
    pd.DataFrame(keras_columns(CASE.histories[0])).rename_axis("epoch").to_csv(source)
    said = run(tmp_path, source, capsys, "--language", "ja", "--name", "モデル")
    assert said.startswith("モデル：過学習")
    assert "画像ごとの損失がない" in said


def test_a_folder_of_runs_is_one_model_with_several_seeds(tmp_path, capsys):
    folder = tmp_path / "runs"
    folder.mkdir()
    for number, history in enumerate(CASE.histories):
        (folder / f"{number}.json").write_text(json.dumps(keras_columns(history)))
    said = run(tmp_path, folder, capsys, "--json", str(tmp_path / "out.json"))
    assert "3 of 3" in said
    assert json.loads((tmp_path / "out.json").read_text())["num_seeds"] == 3


def test_our_own_curves_with_per_image_scores_leave_nothing_uncertain(tmp_path, capsys):
    curves, models = tmp_path / "cnn.csv", tmp_path / "models"
    models.mkdir()
    pd.concat([history.curves for history in CASE.histories]).to_csv(curves, index=False)
    for history in CASE.histories:
        known = {name: one for name, one in vars(history.per_image).items() if one is not None}
        np.savez(models / f"seed-{history.seed}.per_image.npz", **known)
    more = ("--per-image", str(models), "--target-accuracy", "0.5", "--num-classes", "10")
    said = run(tmp_path, curves, capsys, *more)
    assert "cnn: overfit" in said
    assert "less certain" not in said


def test_a_tracked_run_by_its_id(tmp_path, capsys, monkeypatch):
    history = CASE.histories[0]
    rows = [
        (f"{split}/loss", epoch + 1, value)
        for split in ("probe", "val")
        for epoch, value in enumerate(history.series(split, "loss"))
    ]
    metrics = pd.DataFrame(rows, columns=["metric", "step", "value"])
    asked = []
    monkeypatch.setattr(
        stage.tracking, "metric_history", lambda run_id: asked.append(run_id) or metrics
    )
    said = run(tmp_path, "0123456789abcdef" * 2, capsys)
    assert asked == ["0123456789abcdef" * 2]
    assert "overfit" in said
    assert "Clean scores" not in said


@pytest.mark.slow
def test_runs_on_a_real_tracking_server(tmp_path, capsys, monkeypatch):
    """One with our names of metrics, one as `mlflow.keras.autolog` leaves it: epochs from 0."""
    history = CASE.histories[0]
    keras = keras_columns(history) | {"learning_rate": [1e-3] * history.num_epochs}
    clean = {f"{split}/loss": history.series(split, "loss") for split in ("probe", "val")}
    with make_images.mlflow_server(tmp_path / "server.db") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        missing = "0123456789abcdef" * 2
        with pytest.raises(TrackingError, match=missing):
            stage.read(missing)
        runs = [_logged(address, clean, 1), _logged(address, keras, 0)]
        for run_id in runs:
            (read,) = stage.read(run_id)
            assert read.first_epoch == 1
            assert read.series("val", "loss") == pytest.approx(history.series("val", "loss"))
        ours, theirs = (run(tmp_path, run_id, capsys) for run_id in runs)
    assert "overfit" in ours and "overfit" in theirs
    assert "Clean scores of training images are missing" not in ours
    assert "Clean scores of training images are missing" in theirs


def _logged(address, columns, first_epoch):
    """The id of a run on that server with these metrics."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(address)
    run_id = client.create_run("0").info.run_id
    points = [
        Metric(name, float(value), 0, epoch)
        for name, values in columns.items()
        for epoch, value in enumerate(values, start=first_epoch)
    ]
    client.log_batch(run_id, metrics=points)
    return run_id


def test_a_history_saved_under_a_key_or_as_rows(tmp_path):
    columns = {"loss": [2.0, 1.0], "val_loss": [2.0, None]}
    for name, document in (
        ("nested", {"params": {}, "history": columns}),
        ("rows", [{"loss": 2.0, "val_loss": 2.0}, {"loss": 1.0, "val_loss": None}]),
    ):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(document))
        (history,) = stage.read(str(path))
        assert history.series("val", "loss")[0] == 2
        assert np.isnan(history.series("val", "loss")[1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"[1, 2", "not a .json file"),
        ("a.json", b"3", "got a int; expected columns"),
        ("a.json", b'{"loss": [1]}', "no 'val_loss'"),
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"\xff\xfe\x00", "not a .csv file"),
        ("a.csv", b"a,b\n1,2\n", "no 'val_loss'"),
        ("a.csv", b"epoch,split\n1,val\n", "no column"),
    ],
)
def test_a_file_that_is_no_history_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidFit, match=message):
        stage.read(str(path))


def test_what_is_no_source_is_refused(tmp_path):
    with pytest.raises(InvalidFit, match="neither a file nor a folder nor an MLflow run id"):
        stage.read(str(tmp_path / "nothing"))
    with pytest.raises(InvalidFit, match="no file ending in"):
        stage.read(str(tmp_path))


def test_per_image_scores_that_are_none_are_refused(tmp_path):
    curves = tmp_path / "cnn.csv"
    CASE.histories[0].curves.to_csv(curves, index=False)
    with pytest.raises(InvalidFit, match="no seed-N.per_image.npz"):
        stage.read(str(curves), tmp_path)
    (tmp_path / "seed-0.per_image.npz").write_bytes(b"PK nonsense")
    with pytest.raises(InvalidFit, match="not the per-image scores"):
        stage.read(str(curves), tmp_path)


def test_a_target_out_of_range_is_refused(tmp_path):
    arguments = argparse.Namespace(params=Path("none.yaml"), target_accuracy=1.5, language=None)
    with pytest.raises(ParamsError, match="evaluate.target_accuracy"):
        stage._params(arguments)
