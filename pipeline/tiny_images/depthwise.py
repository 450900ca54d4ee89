"""The filter gradient of a depthwise convolution on tiny images, summed pixel by pixel.

TensorFlow's kernel for it is slow where the image is only a few pixels wide: of a training step of
EfficientNetB0 at 32x32 it takes a quarter and more. There are few pairs of an input and an output
pixel then, and each pair belongs to one tap of the filter:

    gradient[tap, channel] = sum over pairs of the tap, sum over images, input * output gradient

The forward pass and the gradient of the images stay TensorFlow's. The sums are the same numbers
added in another order, so filter gradients agree to float32 rounding (tested: 1e-5 relative).
"""

from typing import Any

import numpy as np
import tensorflow as tf

FEW_PAIRS = 25
MANY_PAIRS = 2_000
LARGE_KERNEL = 5


def depthwise(images: Any, kernel: Any, stride: int, padding: str) -> Any:
    """The depthwise convolution of `images` with `kernel`, with the gradient described above.

    Args:
        images: float32 `(num_images, side, side, channels)`, the side known.
        kernel: `(k, k, channels, 1)`.
        stride: the same along both axes.
        padding: "SAME" or "VALID".
    """
    strides = [1, stride, stride, 1]

    def convolved(images: Any, kernel: Any) -> Any:
        def gradients(upstream: Any) -> tuple[Any, Any]:
            of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(images),
                filter=kernel,
                out_backprop=upstream,
                strides=strides,
                padding=padding,
            )
            return of_images, _filter_gradient(images, upstream, kernel.shape, stride, padding)

        return tf.nn.depthwise_conv2d(images, kernel, strides, padding), gradients

    return tf.custom_gradient(convolved)(images, kernel)


def gains(side: int, kernel: int, stride: int, padding: str) -> bool:
    """Whether this gradient was measured to be faster at these sizes, in pixels."""
    output, _ = _geometry(side, kernel, stride, padding)
    pairs = side**2 * output**2
    return pairs <= FEW_PAIRS or (kernel >= LARGE_KERNEL and pairs <= MANY_PAIRS)


def taps(side: int, kernel: int, stride: int, padding: str) -> np.ndarray:
    """Which tap joins which input and output pixel: 0 or 1, `(side^2, output^2, kernel^2)`."""
    output, before = _geometry(side, kernel, stride, padding)
    axis = np.zeros((side, output, kernel), np.float32)
    for row in range(output):
        for tap in range(kernel):
            if 0 <= row * stride + tap - before < side:
                axis[row * stride + tap - before, row, tap] = 1
    both: np.ndarray = np.einsum("hok,wpl->hwopkl", axis, axis)
    return both.reshape(side**2, output**2, kernel**2)


def _filter_gradient(images: Any, upstream: Any, shape: Any, stride: int, padding: str) -> Any:
    """Products of every pair of pixels, summed over the images, then added up by tap."""
    size, channels = int(shape[0]), int(shape[2])
    joined = taps(int(images.shape[1]), size, stride, padding)
    num_inputs, num_outputs, num_taps = joined.shape
    by_pair = tf.constant(joined.reshape(-1, num_taps))
    if num_inputs * num_outputs <= FEW_PAIRS:
        left = tf.reshape(images, (-1, num_inputs, 1, channels))
        right = tf.reshape(upstream, (-1, 1, num_outputs, channels))
        products = tf.reshape(tf.reduce_sum(left * right, 0), (-1, channels))
        summed = tf.matmul(by_pair, products, transpose_a=True)
    else:
        left = tf.transpose(tf.reshape(images, (-1, num_inputs, channels)), (2, 1, 0))
        right = tf.transpose(tf.reshape(upstream, (-1, num_outputs, channels)), (2, 0, 1))
        products = tf.reshape(tf.matmul(left, right), (channels, -1))
        summed = tf.transpose(tf.matmul(products, by_pair))
    return tf.reshape(summed, shape)


def _geometry(side: int, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """The side of the output, and the number of padded pixels before the first."""
    if padding == "VALID":
        return (side - kernel) // stride + 1, 0
    output = -(-side // stride)
    return output, max((output - 1) * stride + kernel - side, 0) // 2
