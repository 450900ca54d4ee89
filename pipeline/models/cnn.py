"""Convolution (3x3) and max-pooling (2x2), once for each of `filters`, then one dense layer.

The default is the classic of many courses: Conv32 - pool - flatten - Dense128 - dropout - classes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pipeline.models import layers
from pipeline.params import Cnn

if TYPE_CHECKING:
    import keras

KERNEL = 3
POOL = 2


def check(section: Cnn, input_shape: tuple[int, int, int]) -> None:
    """Raises ModelError where the images are too small for so many convolutions and poolings."""
    height, width, _ = input_shape
    allowed = _max_blocks(min(height, width))
    if len(section.filters) > allowed:
        raise layers.ModelError(
            f"models.cnn.filters has {len(section.filters)} entries, but each halves the image and"
            f" {width}x{height} pixels allow at most {allowed}. Shorten filters, or enlarge"
            " preprocess.image_size."
        )


def build(section: Cnn, input_shape: tuple[int, int, int], num_classes: int) -> keras.Model:
    """A CNN: convolutions without padding, then flatten or global average, then dense.

    Raises:
        ModelError: the image shrinks to nothing before the last of `filters`.
    """
    import keras

    check(section, input_shape)
    inputs, features = layers.scaled_input(input_shape)
    filters, dense_units = _sizes(section)
    for position, num_filters in enumerate(filters, start=1):
        features = _block(features, num_filters, section, f"conv_{position}")
    if section.pooling == "global":
        features = keras.layers.GlobalAveragePooling2D(name="global_pool")(features)
    else:
        features = keras.layers.Flatten(name="flatten")(features)
    if dense_units:
        features = layers.hidden(features, dense_units, section, "hidden")
    elif section.dropout:
        features = keras.layers.Dropout(section.dropout, name="dropout")(features)
    return layers.finished(inputs, features, num_classes, section, "cnn")


def num_parameters(section: Cnn, input_shape: tuple[int, int, int], num_classes: int) -> int:
    """The parameter count `build` would reach, by arithmetic: a 3x3 kernel has 9 weights a pair."""
    height, width, channels = input_shape
    filters, dense_units = _sizes(section)
    norm = section.batch_norm
    total = sum(
        layers.affine_parameters(KERNEL**2 * a, b, norm) for a, b in pairwise((channels, *filters))
    )
    for _ in filters:
        height, width = _shrunk(height), _shrunk(width)
    features = filters[-1] * (1 if section.pooling == "global" else height * width)
    if dense_units:
        total += layers.affine_parameters(features, dense_units, norm)
        features = dense_units
    return total + layers.affine_parameters(features, num_classes, batch_norm=False)


def with_width(section: Cnn, width: int) -> Cnn:
    """The same section scaled so that its first convolution has `width` filters."""
    return section.model_copy(update={"width": width / section.filters[0]})


def _block(features: Any, num_filters: int, section: Cnn, name: str) -> Any:
    import keras

    features = keras.layers.Conv2D(
        num_filters,
        KERNEL,
        use_bias=not section.batch_norm,
        kernel_initializer=section.initialiser,
        kernel_regularizer=layers.penalty(section),
        name=name,
    )(features)
    features = layers.activated(features, section, name)
    return keras.layers.MaxPooling2D(POOL, name=f"{name}_pool")(features)


def _sizes(section: Cnn) -> tuple[tuple[int, ...], int]:
    filters = tuple(layers.widened(count, section.width) for count in section.filters)
    dense = layers.widened(section.dense_units, section.width) if section.dense_units else 0
    return filters, dense


def _shrunk(side: int) -> int:
    return (side - KERNEL + 1) // POOL


def _max_blocks(side: int) -> int:
    blocks = 0
    while (side := _shrunk(side)) >= 1:
        blocks += 1
    return blocks
