"""Convolutions on images of a few pixels, as deep layers of an EfficientNet see them, made faster.

TensorFlow's kernels are written for larger images. Two kinds of layers gain from another order of
the same sums: depthwise ones (`depthwise.py`), and those of a single pixel, which are a product of
two matrices: each image's channels times the filter. This was measured on CPUs; a GPU or TPU keeps
its own kernels.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from pipeline import models
from pipeline.tiny_images import depthwise

LARGEST_SIDE = 4
"""Up to this side, in pixels, a product of matrices was measured to be faster."""


@contextmanager
def rewritten(model: keras.Model) -> Iterator[int]:
    """`model` with the faster layers in what is traced inside the block; yields how many.

    Only calls of this model's own layers are changed, and only until the block ends: no name of
    TensorFlow or Keras is. Layers whose images are not small enough to gain are left alone.
    """
    calls = {
        layer: _call(layer, convolve)
        for layer in models.every_layer(model)
        if (convolve := _faster(layer))
    }
    if len(tf.config.list_logical_devices()) > len(tf.config.list_logical_devices("CPU")):
        calls = {}
    with models.other_calls(calls):
        yield len(calls)


def pointwise(images: Any, kernel: Any) -> Any:
    """The convolution of `images` with a filter of one pixel, as a product of matrices.

    Args:
        images: `(num_images, height, width, channels)`.
        kernel: `(1, 1, channels, filters)`.

    Returns:
        `(num_images, height, width, filters)`; the numbers of `tf.nn.conv2d` to float32 rounding.
    """
    height, width, channels = images.shape[1:]
    rows = tf.matmul(tf.reshape(images, (-1, channels)), tf.reshape(kernel, kernel.shape[2:]))
    return tf.reshape(rows, (-1, height, width, kernel.shape[-1]))


def _faster(layer: Any) -> Callable[[Any, Any], Any] | None:
    """The faster convolution of this layer, or None where there is none or it does not gain."""
    kinds = (keras.layers.DepthwiseConv2D, keras.layers.Conv2D)
    if not isinstance(layer, kinds) or layer.data_format != "channels_last":
        return None
    side, kernel, stride = layer.input.shape[1:3], layer.kernel_size, layer.strides
    square = side[0] is not None and all(a == b for a, b in (side, kernel, stride))
    if not square or tuple(layer.dilation_rate) != (1, 1):
        return None
    if isinstance(layer, keras.layers.Conv2D):
        plain = kernel[0] == stride[0] == 1 and layer.groups == 1
        return pointwise if plain and side[0] <= LARGEST_SIDE else None
    padding = layer.padding.upper()
    if layer.depth_multiplier > 1 or not depthwise.gains(side[0], kernel[0], stride[0], padding):
        return None
    return lambda images, filters: depthwise.depthwise(images, filters, stride[0], padding)


def _call(layer: Any, convolve: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def call(images: Any) -> Any:
        outputs = convolve(images, tf.convert_to_tensor(layer.kernel))
        if layer.use_bias:
            outputs = tf.nn.bias_add(outputs, tf.convert_to_tensor(layer.bias))
        return outputs if layer.activation is None else layer.activation(outputs)

    return call
