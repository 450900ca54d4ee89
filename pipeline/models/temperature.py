"""The temperature of a delivered model: a layer between its logits and its probabilities.

Guo et al., On Calibration of Modern Neural Networks (2017). It changes no predicted class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.models.layers import LOGITS, PROBABILITIES

if TYPE_CHECKING:
    import keras

TEMPERATURE = "temperature"


def tempered(model: keras.Model, temperature: float) -> keras.Model:
    """`model`, sharing its layers, with its logits divided by `temperature` before the softmax.

    The divisor is a weight, one number a class and all equal, so that `load_weights` carries it.
    The layer "logits" still gives the raw logits.
    """
    import keras

    logits = model.get_layer(LOGITS).output
    layer = keras.layers.EinsumDense("bc,c->bc", output_shape=(logits.shape[-1],), name=TEMPERATURE)
    layer.trainable = False
    probabilities = keras.layers.Softmax(name=PROBABILITIES)(layer(logits))
    layer.set_weights([np.full(logits.shape[-1], 1 / temperature, np.float32)])
    return keras.Model(model.input, probabilities, name=model.name)


def temperature_of(model: keras.Model) -> float:
    """What the model divides its logits by; 1 where it has no such layer."""
    layers: dict[str, Any] = {layer.name: layer for layer in model.layers}
    if TEMPERATURE not in layers:
        return 1.0
    return float(1 / layers[TEMPERATURE].get_weights()[0][0])


def divided_logits(model: keras.Model) -> Any:
    """The output of the last layer before the softmax: logits over the temperature."""
    names = [layer.name for layer in model.layers]
    return model.get_layer(TEMPERATURE if TEMPERATURE in names else LOGITS).output


def raw(model: keras.Model) -> keras.Model:
    """The same model without its temperature."""
    import keras

    logits = model.get_layer(LOGITS).output
    return keras.Model(model.input, keras.layers.Softmax(name=PROBABILITIES)(logits))
