"""Weights from MLflow's registry: the file has the very weights that were logged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import tracking
from pipeline.data.prepared import Manifest
from pipeline.params import parse
from pipeline.stages import registered
from pipeline.tracking import TrackingError


def settings(given: str | None) -> Any:
    return parse({}, {"models.efficientnet.weights": given})


def test_paths_and_names_stay_as_they_are() -> None:
    for given in (None, "imagenet", "models/efficientnet/seed-0.best.keras"):
        found = registered.fetched(settings(given), "efficientnet")
        assert found.models.efficientnet.weights == given


def test_weights_of_a_model_that_is_not_fitted_are_not_looked_up() -> None:
    unknown = "models:/nobody@champion"
    found = registered.fetched(settings(unknown), "dense")
    assert found.models.efficientnet.weights == unknown


def test_a_registered_model_becomes_a_file(tmp_path: Path, monkeypatch: Any) -> None:
    import keras

    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    model = keras.Sequential([keras.Input((2, 2, 1), dtype="uint8"), keras.layers.Flatten()])
    model.add(keras.layers.Dense(3))
    manifest = Manifest("demo", ("a", "b", "c"), (2, 2, 1), {}, (), (), "")
    model.save(tmp_path / "model.keras")
    with tracking.stage_run(parse({}), "train@efficientnet", "demo") as run:
        content = run.log_model(tmp_path / "model.keras", "efficientnet", manifest)
        run.set_champion(content, "demo")

    found = registered.fetched(settings("models:/overfit-atlas-demo@champion"), "efficientnet")
    path = Path(str(found.models.efficientnet.weights))
    assert path.is_relative_to(tmp_path / ".checkpoints") and path.suffix == ".keras"
    loaded = keras.models.load_model(path)
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    # The same content has the same name, so that a fit that was cut off goes on.
    again = registered.fetched(settings("models:/overfit-atlas-demo/1"), "efficientnet")
    assert again.models.efficientnet.weights == str(path)

    with pytest.raises(TrackingError, match="models:/NAME@champion"):
        registered.fetched(settings("models:/nobody@champion"), "efficientnet")
