import numpy as np
import pytest
import tensorflow as tf

from pipeline.tiny_images import depthwise

GEOMETRIES = [
    (1, 3, 1, "SAME"),
    (1, 5, 1, "SAME"),
    (2, 3, 1, "SAME"),
    (2, 5, 1, "SAME"),
    (4, 5, 1, "SAME"),
    (3, 5, 2, "SAME"),
    (4, 3, 2, "SAME"),
    (5, 5, 2, "VALID"),
    (7, 3, 2, "VALID"),
    (11, 5, 2, "VALID"),
]


def _value_and_gradients(function, *inputs):
    tensors = [tf.constant(values) for values in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = function(*tensors)
        loss = tf.reduce_sum(tf.sin(outputs))
    return outputs.numpy(), [gradient.numpy() for gradient in tape.gradient(loss, tensors)]


@pytest.mark.parametrize(("side", "kernel", "stride", "padding"), GEOMETRIES)
def test_forward_and_gradients_equal_tensorflows(side, kernel, stride, padding):
    """Outputs and image gradients bit by bit, filter gradients to 1e-5 of the largest."""
    generator = np.random.default_rng(0)
    images = generator.normal(size=(6, side, side, 8)).astype("f")
    filters = generator.normal(size=(kernel, kernel, 8, 1)).astype("f")
    strides = (1, stride, stride, 1)
    expected, (of_images, of_filters) = _value_and_gradients(
        lambda x, w: tf.nn.depthwise_conv2d(x, w, strides, padding), images, filters
    )
    found, (our_images, our_filters) = _value_and_gradients(
        lambda x, w: depthwise.depthwise(x, w, stride, padding), images, filters
    )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(our_images, of_images)
    np.testing.assert_allclose(our_filters, of_filters, atol=1e-5 * np.abs(of_filters).max())


def test_taps_of_a_single_pixel():
    """On a 1x1 image only the middle tap of nine meets it."""
    assert depthwise.taps(1, 3, 1, "SAME").ravel().tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_every_pair_of_pixels_has_one_tap_at_most():
    joined = depthwise.taps(4, 5, 1, "SAME")
    assert joined.shape == (16, 16, 25)
    assert joined.sum(-1).max() == 1
    # A row of 4 pixels reaches offsets -2..2 of 4 x 4 pairs in 14 ways; two axes: 14 squared.
    assert joined.sum() == 14**2
