"""Model files load and agree in a fresh process that does not have this package."""

import subprocess
import sys

import keras
import numpy as np
from keras.src.applications import efficientnet as keras_efficientnet

from pipeline import models
from pipeline.models import ensemble
from pipeline.params import Cnn, Dense, EfficientNet

SHAPE = (28, 28, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (4, *SHAPE), dtype=np.uint8)

LOADER = """
import sys
sys.modules["pipeline"] = None  # importing it from here on is an error
from pathlib import Path
import keras, numpy as np
images = np.load("images.npy")
for path in sorted(Path().glob("*.keras")):
    model = keras.models.load_model(path, safe_mode=True)
    np.save(path.with_suffix(".npy"), model(images, training=False))
"""


def _models(monkeypatch):
    monkeypatch.setattr(
        keras.applications,
        "EfficientNetB0",
        lambda **settings: keras_efficientnet.EfficientNet(
            0.1, 0.1, 32, blocks_args=keras_efficientnet.DEFAULT_BLOCKS_ARGS[:2], **settings
        ),
    )
    wide = {"dropout": 0.3, "l1": 1e-4, "l2": 1e-4, "batch_norm": True}
    made = {
        "dense": models.build("dense", Dense(units=(4, 4), **wide), SHAPE, 5, seed=0),
        "cnn": models.build("cnn", Cnn(filters=(2, 2), **wide), SHAPE, 5, seed=1),
        "efficientnet": models.build(
            "efficientnet", EfficientNet(dropout=0.2, l2=1e-4), SHAPE, 5, seed=2
        ),
    }
    for average in ("probabilities", "logits"):
        made[f"ensemble_{average}"] = ensemble.combine(list(made.values())[:3], average)
    return made


def test_saved_models_load_elsewhere_and_agree(monkeypatch, tmp_path):
    made = _models(monkeypatch)
    np.save(tmp_path / "images.npy", IMAGES)
    for name, model in made.items():
        model.save(tmp_path / f"{name}.keras")
    command = [sys.executable, "-c", LOADER]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, model in made.items():
        loaded = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(loaded, model(IMAGES, training=False), atol=1e-6, err_msg=name)
