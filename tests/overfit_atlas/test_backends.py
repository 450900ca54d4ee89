"""CleanScores with Keras on JAX and on torch: run where these are installed, else skipped.

They are in no lock (JAX is 0.5 GB, torch 1 GB and more). By hand, in an environment of its own:
pip install keras jax (or torch) pytest, then python -m pytest --noconftest on this file.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import numpy as np, keras
from overfit_atlas import CleanScores

assert keras.backend.backend() == "{backend}", keras.backend.backend()
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.normal(size=(400, 20)).astype("float32")
y = (x[:, :3].sum(1) + rng.normal(size=400) > 0).astype("int64")


def net():
    hidden = keras.layers.Dense(64, activation="relu")
    head = keras.layers.Dense(2, activation="softmax")
    made = keras.Sequential([keras.Input((20,)), hidden, keras.layers.Dropout(0.2), head])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


val = (x[300:], y[300:])
clean = CleanScores((x[:300], y[:300]), val)
made = net()
history = made.fit(x[:300], y[:300], epochs=12, verbose=0, callbacks=[clean])
assert {{"val_loss", "val_accuracy"}} <= set(history.history), list(history.history)
own = made.evaluate(*val, verbose=0)
np.testing.assert_allclose([history.history[k][-1] for k in ("val_loss", "val_accuracy")], own,
                           rtol=1e-4)
stopped = net().fit(x[:300], y[:300], epochs=3, verbose=0, callbacks=[clean])
assert [len(seeds) for seeds in clean.fits.values()] == [2], clean.fits.keys()
print("verdict:", clean.judge().verdict)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_clean_scores_on_another_backend(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "KERAS_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(backend=backend)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "verdict:" in done.stdout
