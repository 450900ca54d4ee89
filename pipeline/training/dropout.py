"""Dropout with rates that can change after compilation, so that such nets share one program."""

import json
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf

from pipeline import models


def structure(model: Any) -> str:
    """All that a compiled program depends on: the layers and their settings, but no rate above 0.

    Two models of the same structure differ by their weights and by the rates that `Rates` holds.
    Names count; `models.build` gives the same ones to the same layers.
    """
    layers = _dropouts(model)
    rates = [layer.rate for layer in layers]
    try:
        for layer in layers:
            layer.rate = "any"
        return json.dumps(model.get_config(), sort_keys=True, default=repr)
    finally:
        for layer, rate in zip(layers, rates, strict=True):
            layer.rate = rate


class Rates:
    """The rates of all dropout layers of one model, as variables of what is traced with them.

    The numbers are those of Keras' own layers, bit by bit.
    """

    def __init__(self, model: Any) -> None:
        self._layers = _dropouts(model)
        self._variables = [tf.Variable(_terms(layer), trainable=False) for layer in self._layers]

    def take_over(self, model: Any) -> None:
        """Have the rates of `model`, which is of the same `structure`."""
        for own, variable, other in zip(
            self._layers, self._variables, _dropouts(model), strict=True
        ):
            own.rate = other.rate
            variable.assign(_terms(other))

    def variable(self) -> AbstractContextManager[None]:
        """What is traced inside the block reads the rates when it runs."""
        terms = zip(self._layers, self._variables, strict=True)
        return models.other_calls({layer: _call(layer, its) for layer, its in terms})


def _dropouts(model: Any) -> list[Any]:
    """No subclasses, which may read their rate in a way of their own, and none inside wrappers."""
    layers = [one for one in models.every_layer(model) if type(one) is keras.layers.Dropout]
    return [layer for layer in layers if layer.rate > 0]


def _terms(layer: Any) -> tuple[float, float]:
    """The rate, and what is multiplied with the values that stay."""
    return layer.rate, 1 / (1 - layer.rate)


def _call(layer: Any, terms: Any) -> Any:
    def call(inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        rate, scale = tf.unstack(tf.cast(terms, inputs.dtype))
        shape = _noise_shape(layer, tf.shape(inputs))
        noise = keras.random.uniform(shape, dtype=inputs.dtype, seed=layer.seed_generator)
        return tf.where(noise >= rate, inputs * scale, tf.zeros((), inputs.dtype))

    return call


def _noise_shape(layer: Any, inputs: Any) -> Any:
    """An axis has the length that the layer's `noise_shape` gives it, and else its own."""
    if layer.noise_shape is None:
        return inputs
    return [inputs[axis] if n is None else n for axis, n in enumerate(layer.noise_shape)]
