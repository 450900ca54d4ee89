import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import params
from pipeline.tracking import TrackingError, connection, load_champion, stage_run
from pipeline.tracking.keras_models import content

DEFAULTS = params.parse({})


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    return _model(0), _model(1)


def _model(seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((3, 2, 1), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )


def test_content_is_that_of_the_weights(models: tuple[Any, Any]) -> None:
    first, second = models
    assert content(first) == content(_model(0)) != content(second)
    assert len(content(first)) == 32


def test_the_champion_predicts_as_the_model_logged(project: Any, models: tuple[Any, Any]) -> None:
    first, second = models
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_model(first, "cnn", "demo")
        best = run.log_model(second, "dense", "demo")
    with stage_run(DEFAULTS, "evaluate", "demo") as run:
        run.set_champion(best, "demo")
        assert run.online
    images = np.arange(12, dtype=np.uint8).reshape(2, 3, 2, 1) * 20
    loaded = load_champion("demo").predict(images, verbose=0)
    np.testing.assert_array_equal(loaded, second.predict(images, verbose=0))


def test_equal_weights_are_stored_once_and_belong_to_both_runs(
    project: Any, models: tuple[Any, Any]
) -> None:
    for stage in ("train", "evaluate"):
        with stage_run(DEFAULTS, stage, "demo") as run:
            run.log_model(models[0], "cnn", "demo")
            run.log_model(models[0], "cnn", "demo")
    assert project.rows("SELECT name, version FROM model_versions") == [("overfit-atlas-demo", 1)]
    assert len(project.rows("SELECT * FROM logged_models")) == 1
    outputs = "SELECT source_id FROM inputs WHERE source_type = 'RUN_OUTPUT'"
    assert len(project.rows(outputs)) == 2


def test_a_logged_model_says_what_it_takes_and_needs(project: Any, models: tuple[Any, Any]) -> None:
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_model(models[0], "cnn", "demo")
    mlflow = connection.load_mlflow()
    info = mlflow.models.get_model_info("models:/overfit-atlas-demo/1")
    assert info.run_id == run.id
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
    np.testing.assert_allclose(served.predict(images), models[0].predict(images, verbose=0))


def test_no_champion_before_evaluate(project: Any) -> None:
    with pytest.raises(TrackingError, match="overfit-atlas-demo@champion.*dvc repro evaluate"):
        load_champion("demo")
