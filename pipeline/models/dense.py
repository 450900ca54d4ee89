"""Fully connected nets of any depth and width: `units` is one number a hidden layer."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING

from pipeline.models import layers
from pipeline.params import Dense

if TYPE_CHECKING:
    import keras


def build(section: Dense, input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """A net of Dense layers: for each of `units`, affine, batch norm, activation, dropout."""
    import keras

    inputs, features = layers.scaled_input(input_shape)
    features = keras.layers.Flatten(name="flatten")(features)
    for position, units in enumerate(_units(section), start=1):
        features = layers.hidden(features, units, section, f"hidden_{position}")
    return layers.finished(inputs, features, num_classes, section, "dense")


def num_parameters(section: Dense, input_shape: tuple[int, int, int], num_classes: int) -> int:
    """The parameter count `build` would reach, by arithmetic: sum of inputs x outputs + outputs."""
    sizes = (prod(input_shape), *_units(section))
    hidden = sum(layers.affine_parameters(a, b, section.batch_norm) for a, b in pairwise(sizes))
    return hidden + layers.affine_parameters(sizes[-1], num_classes, batch_norm=False)


def with_width(section: Dense, width: int) -> Dense:
    """The same section with `width` units in each of its hidden layers."""
    return section.model_copy(update={"units": (width,) * len(section.units), "width": 1.0})


def _units(section: Dense) -> tuple[int, ...]:
    return tuple(layers.widened(units, section.width) for units in section.units)
