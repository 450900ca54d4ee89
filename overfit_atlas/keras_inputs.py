"""What a Keras training is given and gives: arrays, labels, outputs, and what it shows."""

import hashlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from overfit_atlas.scoring.fits import InvalidFit

Array = NDArray[Any]


def share_of_copies(x_train: Any, x_val: Any) -> float:
    """The share of validation inputs that are, byte for byte, inputs of train; 0..1."""
    train, val = (keras.tree.flatten(one) for one in (x_train, x_val))
    if len(train) != 1 or len(val) != 1:
        return 0.0
    known = set(map(_digest, np.asarray(train[0])))
    return float(np.mean([_digest(one) in known for one in np.asarray(val[0])]))


def _digest(image: Array) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=16).digest()


def class_numbers(given: Any) -> NDArray[np.int64]:
    """Labels as class numbers `(n,)`, from those, from `(n, 1)` or from one-hot.

    Raises:
        InvalidFit: they are no arrays of labels, or empty.
    """
    labels = np.asarray(given)
    if labels.ndim == 2 and labels.shape[1] > 1:
        return np.asarray(labels.argmax(-1), dtype=np.int64)
    if labels.ndim not in (1, 2) or not len(labels):
        raise InvalidFit(
            f"CleanScores: labels of shape {labels.shape}; give arrays of class numbers (n,) or "
            "one-hot (n, num_classes), not a data set."
        )
    return labels.reshape(-1).astype(np.int64)


def taken(images: Any, num_labels: int, chosen: Array | None = None) -> Any:
    """The chosen images, in whatever structure of arrays the model takes."""

    def one(values: Any) -> Array:
        array = np.asarray(values)
        if array.ndim < 1 or len(array) != num_labels:
            raise InvalidFit(
                f"CleanScores: inputs of shape {array.shape} for {num_labels} labels; give arrays "
                "with one entry a label."
            )
        return array if chosen is None else array[chosen]

    return keras.tree.map_structure(one, images)


def stratified(labels: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Indices of `size` images (all if there are fewer) with the class mix of `labels`."""
    if size >= len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    # Evenly spaced places in a list sorted by class take every class by its share.
    places = np.floor((np.arange(size) + 0.5) * len(labels) / size).astype(np.int64)
    return np.sort(by_class[places])


def gives_logits(model: Any, outputs: Array) -> bool:
    """Whether outputs `(n, num_classes)` are logits: by the compiled loss, else by their values."""
    declared = getattr(getattr(model, "loss", None), "from_logits", None)
    if declared is not None:
        return bool(declared)
    if not np.isfinite(outputs).all():
        return False
    inside = bool((outputs >= 0).all() and (outputs <= 1 + 1e-3).all())
    if outputs.shape[1] == 1:
        return not inside
    return not (inside and np.allclose(outputs.sum(-1), 1, atol=1e-2))


def two_columns(outputs: Array, total: float) -> Array:
    """A single column, as of a sigmoid, with the other class before it."""
    if outputs.shape[1] > 1:
        return outputs
    return np.concatenate([total - outputs if total else np.zeros_like(outputs), outputs], axis=1)


def running(model: Any, logs: Mapping[str, float]) -> dict[str, float]:
    """What Keras shows of this epoch: running loss and accuracy, the penalty, the rate."""
    shown = {name: value for name, value in logs.items() if not name.startswith("val_")}
    accuracy = next((value for name, value in shown.items() if "acc" in name), float("nan"))
    optimizer = getattr(model, "optimizer", None)
    rate = float("nan")
    if optimizer is not None:
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    return {
        "loss": float(shown.get("loss", float("nan"))),
        "accuracy": float(accuracy),
        "penalty": _penalty(model),
        "learning_rate": rate,
    }


def _penalty(model: Any) -> float:
    """The L1 and L2 penalty of the present weights, which is in every loss that Keras shows."""
    terms = [
        variable.regularizer(variable)
        for variable in model.trainable_variables
        if getattr(variable, "regularizer", None) is not None
    ]
    return float(sum(float(keras.ops.convert_to_numpy(term)) for term in terms))
