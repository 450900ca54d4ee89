import argparse
import json

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.errors import AtlasError
from pipeline.stages import layers


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder of models as training leaves it, with one fit of 6 units on images of 8 x 8."""
    import keras

    folder = tmp_path_factory.mktemp("models")
    inner = keras.Sequential(
        [keras.Input((64,)), keras.layers.Dense(6, name="hidden_1"), keras.layers.ReLU()],
        name="body",
    )
    inner.get_layer("hidden_1").kernel.assign(np.arange(64 * 6).reshape(64, 6))
    whole = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), inner, keras.layers.Dense(10)]
    )
    whole.layers[-1].trainable = False
    (folder / "dense").mkdir()
    whole.save(folder / "dense" / "seed-3.best.keras")
    (folder / "dense" / "fits.json").write_text(json.dumps([{"seed": 3}]))
    return folder


def _asked(tmp_path, models, **changes):
    params = tmp_path / "params.yaml"
    params.write_text("report: {language: en}\n")
    given = {"model": "dense", "seed": None, "models": models, "results": tmp_path}
    return argparse.Namespace(**{**given, "params": params, **changes})


def test_layers_within_layers_are_counted_in_their_place(tmp_path, models, capsys):
    layers.main(_asked(tmp_path, models))
    table = pd.read_csv(tmp_path / "layers" / "dense.csv", dtype={"output_shape": str})
    counted = table[table["parameters"] > 0]
    assert list(counted["kind"]) == ["Dense", "Dense"]
    assert list(counted["output_shape"]) == ["6", "10"]
    assert list(counted["parameters"]) == [64 * 6 + 6, 6 * 10 + 10]
    assert list(counted["trainable"]) == [64 * 6 + 6, 0]
    assert "dense: 460 parameters, 390 of them trained" in capsys.readouterr().out
    assert (tmp_path / "layers" / "dense.png").stat().st_size > 5_000


def test_the_first_kernel_is_that_of_the_hidden_layer(models):
    from pipeline import prediction

    name, kernel = layers.first_kernel(prediction.load(models / "dense" / "seed-3.best.keras"))
    assert name == "hidden_1"
    assert kernel.shape == (64, 6) and kernel[1, 0] == 6


def test_a_seed_that_was_not_trained_is_named(tmp_path, models):
    with pytest.raises(AtlasError, match=r"--seed 0: dense has no such fit, only \[3\]"):
        layers.main(_asked(tmp_path, models, seed=0))
