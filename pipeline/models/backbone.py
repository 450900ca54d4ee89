"""Inside a model, built or read: its layers, their calls, and the part that comes from elsewhere.

A model has a backbone where one of its layers, itself a model, is named "backbone". The functions
here take any model: one without a backbone is all head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from zipfile import BadZipFile

from pipeline.files import check_zip

if TYPE_CHECKING:
    import keras

BACKBONE = "backbone"
WEIGHTS_PER_BYTE = 20
SMALL = 1_000_000
"""A model with more weights than this, and than so many for each byte of its file, has no weights
in that file: it would be made of what its configuration declares."""


def find(model: keras.Model) -> keras.Model | None:
    """The model's backbone, itself a Keras model; None where it has none."""
    return next((layer for layer in model.layers if layer.name == BACKBONE), None)


def every_layer(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The model's layers, each once and followed by those inside it where it is itself a model."""
    found: dict[int, Any] = {}
    for layer in model.layers:
        inside = every_layer(layer) if hasattr(layer, "layers") else ()
        found |= {id(one): one for one in (layer, *inside) if id(one) not in found}
    return iter(found.values())


@contextmanager
def other_calls(calls: Mapping[keras.layers.Layer, Callable[..., Any]]) -> Iterator[None]:
    """Each of these layers is called as told here in what runs, or is traced, inside the block.

    It reaches layers of a nested model too, to which Keras 3 has no graph from the inputs.
    """
    for layer, call in calls.items():
        layer.call = call
    try:
        yield
    finally:
        for layer in calls:
            del layer.call


def read(path: Path) -> keras.Model:
    """The Keras model in a `.keras` file of anybody's.

    Raises:
        ValueError: no archive, hidden code, or more bytes or weights than such a file can hold.
        Exception: whatever else Keras runs into, where the file is damaged.
    """
    import keras

    try:
        check_zip(path)
    except BadZipFile as error:
        raise ValueError(f"{error}, which a .keras file is") from None
    with _at_most(max(SMALL, WEIGHTS_PER_BYTE * path.stat().st_size)):
        return keras.models.load_model(path, compile=False, safe_mode=True)


@contextmanager
def _at_most(num_weights: int) -> Iterator[None]:
    """Layers that are built in the block may have so many weights in all."""
    import keras

    add_weight, left = keras.layers.Layer.add_weight, num_weights

    def counted(layer: Any, shape: Any = None, *arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= prod(shape) if shape else 1
        if left < 0:
            raise ValueError(f"{layer.name}: more weights than the file has bytes for")
        return add_weight(layer, shape, *arguments, **named)

    with patch.object(keras.layers.Layer, "add_weight", counted):
        yield


def variables(model: keras.Model) -> list[Any]:
    """The backbone's trainable variables, for which a lower learning rate can be set."""
    backbone = find(model)
    return [] if backbone is None else list(backbone.trainable_variables)


def trainable_variables(model: keras.Model, head_only: bool = False) -> list[Any]:
    """What an optimizer may change: all that is not frozen, or of that the head alone."""
    if not head_only:
        return list(model.trainable_variables)
    backbone = {id(variable) for variable in variables(model)}
    return [variable for variable in model.trainable_variables if id(variable) not in backbone]


def freeze(model: keras.Model, ratio: float, keep_batch_norm: bool = False) -> None:
    """Freeze the first `ratio` (0 to 1) of the backbone's layers, counted from the images.

    The others become trainable. A frozen batch norm runs in inference mode, also in training: its
    statistics neither move nor follow the batch. A graph traced before does not see the change.

    Args:
        keep_batch_norm: whether all batch norms are frozen, those among the others too.
    """
    import keras

    backbone = find(model)
    if backbone is None:
        return
    num_frozen = round(ratio * len(backbone.layers))
    for position, layer in enumerate(backbone.layers):
        kept = keep_batch_norm and isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = position >= num_frozen and not kept


def unfreeze(model: keras.Model) -> None:
    """Make the whole backbone trainable."""
    freeze(model, 0.0)


@contextmanager
def frozen(model: keras.Model) -> Iterator[None]:
    """The whole backbone frozen for as long as the block lasts, as in burn-in.

    What is traced inside keeps the backbone's batch norm in inference mode for good.
    """
    backbone = find(model)
    layers = [] if backbone is None else list(backbone.layers)
    before = [layer.trainable for layer in layers]
    for layer in layers:
        layer.trainable = False
    try:
        yield
    finally:
        for layer, trainable in zip(layers, before, strict=True):
            layer.trainable = trainable
