"""The plain Keras notebook: what the project is measured against.

float32 arrays made with numpy, `compile("adam")`, `fit(batch_size=32, validation_data=...)`, one
model after another, with as many threads as TensorFlow likes. Nothing of the project is used but
the `.npy` files, so that both sides learn from the same images.

    python -m benchmarks.notebook sweep '{"folder": ..., "epochs": 2, "trials": [...]}'
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

MOMENTUM = 0.9
"""Of EfficientNet's batch norms on both sides: with Keras' 0.99 losses of short fits say little."""


def network(model: str, width: int, dropout: float, shape: Sequence[int]) -> Any:
    """The net as a tutorial would write it; `width` counts units or filters."""
    net = keras.Sequential([keras.Input(shape)])
    if model == "efficientnet":
        base = keras.applications.EfficientNetB0(
            include_top=False, weights=None, input_shape=tuple(shape), pooling="avg"
        )
        for layer in base.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = MOMENTUM
        net.add(base)
    elif model == "cnn":
        net.add(layers.Conv2D(width, 3, activation="relu"))
        net.add(layers.MaxPooling2D())
        net.add(layers.Flatten())
        net.add(layers.Dense(128, activation="relu"))
    else:
        net.add(layers.Flatten())
        net.add(layers.Dense(width, activation="relu"))
    if dropout:
        net.add(layers.Dropout(dropout))
    net.add(layers.Dense(10, activation="softmax"))
    return net


def fit(
    folder: str, model: str, width: int, epochs: int, seed: int, dropout: float = 0.0
) -> dict[str, Any]:
    """One fit: seconds of all of it and of every epoch with its validation, and the final loss."""
    train, val = _arrays(folder, model)
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    net = network(model, width, dropout, train[0].shape[1:])
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    clock = _Clock()
    history = net.fit(
        *train, batch_size=32, epochs=epochs, validation_data=val, verbose=0, callbacks=[clock]
    ).history
    return {
        "seconds": time.perf_counter() - started,
        "epochs": clock.seconds,
        "loss": history["val_loss"][-1],
        "probabilities": net,
    }


def trained(**request: Any) -> dict[str, Any]:
    """`fit` without the model, which does not travel between processes."""
    found = fit(**request)
    found.pop("probabilities")
    keras.backend.clear_session()
    return found


def sweep(folder: str, epochs: int, trials: list[dict[str, Any]]) -> dict[str, Any]:
    """Fits with different settings, one after another; the mean and number of final losses."""
    losses = [trained(folder=folder, epochs=epochs, **trial)["loss"] for trial in trials]
    return {"loss": float(np.mean(losses)), "num_fits": len(losses)}


def ensemble(folder: str, epochs: int, trials: list[dict[str, Any]]) -> dict[str, Any]:
    """`sweep`, and the average of what its nets say of the validation images: its loss."""
    _, (images, labels) = _arrays(folder, trials[0]["model"])
    fits = [fit(folder=folder, epochs=epochs, **trial) for trial in trials]
    mean = np.mean([found["probabilities"].predict(images, verbose=0) for found in fits], axis=0)
    return {"loss": cross_entropy(mean, labels), "num_fits": len(fits)}


def predicted(folder: str, weights: str) -> dict[str, Any]:
    """`model.predict` of all training images, 32 at a time; seconds and the loss."""
    (images, labels), _ = _arrays(folder, "efficientnet")
    net = _with_weights(weights, tuple(images.shape[1:]))
    started = time.perf_counter()
    probabilities = net.predict(images, batch_size=32, verbose=0)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "loss": cross_entropy(probabilities, labels)}


def features(folder: str, weights: str) -> dict[str, Any]:
    """`predict` of a network without its head, 32 images at a time; features' mean as `loss`."""
    parts = [np.load(Path(folder) / split / "images.npy") for split in ("train", "val")]
    network = keras.models.load_model(weights, compile=False)
    found = network.predict(np.concatenate(parts), batch_size=32, verbose=0)
    return {"loss": float(found[: len(parts[0])].mean(dtype=np.float64))}


def cross_entropy(probabilities: Any, labels: Any) -> float:
    """The mean cross-entropy in nats."""
    chosen = np.clip(probabilities[np.arange(len(labels)), labels], 1e-7, None)
    return float(-np.log(chosen).mean())


@lru_cache(maxsize=1)
def _with_weights(path: str, shape: tuple[int, ...]) -> Any:
    """A notebook's EfficientNetB0 with the weights of a saved one, its graph built already."""
    net = network("efficientnet", 0, 0.2, shape)
    net.set_weights(keras.models.load_model(path, compile=False).get_weights())
    net.predict(np.zeros((32, *shape), np.float32), batch_size=32, verbose=0)
    return net


@lru_cache(maxsize=1)
def _arrays(folder: str, model: str) -> Any:
    scale = 1.0 if model == "efficientnet" else 255.0  # EfficientNet scales inside
    return [
        (
            np.load(Path(folder) / split / "images.npy").astype("float32") / scale,
            np.load(Path(folder) / split / "labels.npy"),
        )
        for split in ("train", "val")
    ]


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._started)


if __name__ == "__main__":
    done = {"sweep": sweep, "ensemble": ensemble, "features": features}
    print(json.dumps(done[sys.argv[1]](**json.loads(sys.argv[2]))))
