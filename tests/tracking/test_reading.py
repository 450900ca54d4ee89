"""Models as MLflow keeps them, and back; metrics read back."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline import params
from pipeline.tracking import (
    TrackingError,
    connection,
    load_champion,
    metric_history,
    stage_run,
)
from pipeline.tracking.records import Model, file_hash
from pipeline.tracking.service import write_model

DEFAULTS = params.parse({})
MANIFEST: Any = SimpleNamespace(
    dataset="demo", image_shape=(3, 2, 1), class_names=("a", "b", "c", "d")
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of random weights."""
    import keras

    made = []
    for seed in (0, 1):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [
                keras.Input((3, 2, 1), dtype="uint8"),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Flatten(),
                keras.layers.Dense(4, activation="softmax"),
            ]
        )
        made.append(tmp_path_factory.mktemp("models") / f"seed-{seed}.best.keras")
        model.save(made[-1])
    return made[0], made[1]


def _predicted(file: Path, images: np.ndarray) -> np.ndarray:
    import keras

    found: np.ndarray = keras.models.load_model(file).predict(images, verbose=0)
    return found


def test_the_champion_predicts_as_the_model_logged(project: Any, files: tuple[Path, Path]) -> None:
    first, second = files
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_model(first, "cnn", MANIFEST)
        best = run.log_model(second, "dense", MANIFEST)
    assert best == file_hash(second)
    with stage_run(DEFAULTS, "evaluate", "demo") as run:
        run.set_champion(best, "demo")
    images = np.arange(12, dtype=np.uint8).reshape(2, 3, 2, 1) * 20
    loaded = load_champion("demo").predict(images, verbose=0)
    np.testing.assert_array_equal(loaded, _predicted(second, images))


def test_equal_models_are_stored_once_and_belong_to_both_runs(
    project: Any, files: tuple[Path, Path]
) -> None:
    for stage in ("train", "evaluate"):
        with stage_run(DEFAULTS, stage, "demo") as run:
            run.log_model(files[0], "cnn", MANIFEST)
            run.log_model(files[0], "cnn", MANIFEST)
    assert project.rows("SELECT name, version FROM model_versions") == [("overfit-atlas-demo", 1)]
    assert len(project.rows("SELECT * FROM logged_models")) == 1
    outputs = "SELECT source_id FROM inputs WHERE source_type = 'RUN_OUTPUT'"
    assert len(project.rows(outputs)) == 2


def test_a_logged_model_says_what_it_takes_and_needs(
    project: Any, files: tuple[Path, Path]
) -> None:
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_model(files[0], "cnn", MANIFEST)
    mlflow = connection.load_mlflow()
    info = mlflow.models.get_model_info("models:/overfit-atlas-demo/1")
    assert info.run_id == project.rows("SELECT run_uuid FROM runs")[0][0]
    assert info.metadata == {"class_names": ["a", "b", "c", "d"]}
    assert json.loads(info.signature.to_dict()["inputs"]) == [
        {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 3, 2, 1]}}
    ]
    assert json.loads(info.signature.to_dict()["outputs"]) == [
        {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 4]}}
    ]
    folder = project.rows("SELECT artifact_location FROM logged_models")[0][0]
    required = Path(folder, "requirements.txt").read_text()
    assert "tensorflow==" in required and "keras==" in required
    served = mlflow.pyfunc.load_model("models:/overfit-atlas-demo/1")
    images = np.full((1, 3, 2, 1), 7, np.uint8)
    np.testing.assert_allclose(served.predict(images), _predicted(files[0], images))


def test_a_model_is_written_as_mlflow_itself_would_write_it(
    project: Any, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """So that another version of MLflow, which writes it otherwise, is noticed."""
    import keras

    mlflow = connection.load_mlflow()
    (tmp_path / "ours").mkdir()
    record = Model("k", "x", "cnn", "r", "0", MANIFEST.image_shape, MANIFEST.class_names)
    write_model(record, files[0], tmp_path / "ours", {})
    signature = mlflow.models.Model.load(str(tmp_path / "ours")).signature
    needed = (tmp_path / "ours" / "requirements.txt").read_text().splitlines()[1:]
    mlflow.keras.save_model(
        keras.models.load_model(files[0]),
        str(tmp_path / "theirs"),
        signature=signature,
        pip_requirements=needed,
        metadata={"class_names": list(MANIFEST.class_names)},
    )
    ours, theirs = (
        {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "ours", tmp_path / "theirs")
    )
    assert ours == theirs
    for name in ("conda.yaml", "python_env.yaml", "requirements.txt", "data/keras_module.txt"):
        written = [(tmp_path / one / name).read_text() for one in ("ours", "theirs")]
        assert yaml.safe_load(written[0]) == yaml.safe_load(written[1])
    described = []
    for one in ("ours", "theirs"):
        found = yaml.safe_load((tmp_path / one / "MLmodel").read_text())
        for key in ("model_uuid", "utc_time_created", "model_size_bytes"):
            del found[key]
        described.append(found)
    assert described[0] == described[1]


def test_no_champion_before_evaluate(project: Any) -> None:
    with pytest.raises(TrackingError, match="overfit-atlas-demo@champion.*dvc repro evaluate"):
        load_champion("demo")


def test_what_is_read_has_been_sent_before(project: Any) -> None:
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_metrics({"val/loss": 0.5}, step=1)
        run.log_tags({"a": "b"})
        with pytest.raises(TrackingError, match="run 0123: .*not found"):
            metric_history("0123")
        ((key,),) = project.rows("SELECT run_uuid FROM runs")
        history = metric_history(key)
        ours = history[~history["metric"].str.startswith("system/")]
        assert ours[["metric", "step", "value"]].values.tolist() == [["val/loss", 1, 0.5]]
