"""Inside a built model: its layers, their calls, and the part that may come from elsewhere.

A model has a backbone where one of its layers, itself a model, is named "backbone". The functions
here take any model: one without a backbone is all head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

BACKBONE = "backbone"


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


def freeze(model: keras.Model, ratio: float) -> None:
    """Freeze the first `ratio` (0 to 1) of the backbone's layers, counted from the images.

    The others become trainable. A frozen batch norm runs in inference mode, also in training: its
    statistics neither move nor follow the batch. A graph traced before does not see the change.
    """
    backbone = find(model)
    if backbone is None:
        return
    num_frozen = round(ratio * len(backbone.layers))
    for position, layer in enumerate(backbone.layers):
        layer.trainable = position >= num_frozen


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
