from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline import tiny_images


@pytest.fixture
def model():
    """Of depthwise layers that of 5x5 taps and that of one pixel gain; of the others "narrow"."""
    layers = keras.layers
    inputs = keras.Input((4, 4, 3))
    inner_inputs = keras.Input((4, 4, 3))
    inner = layers.DepthwiseConv2D(5, padding="same", activation="relu", name="gains")(inner_inputs)
    nested = keras.Model(inner_inputs, inner, name="nested")
    features = layers.DepthwiseConv2D(3, padding="same", name="too_large")(nested(inputs))
    features = layers.Conv2D(5, 1, activation="tanh", name="narrow")(features)
    features = layers.Conv2D(5, 3, padding="same", name="wide")(features)
    features = layers.MaxPooling2D(4)(features)
    features = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="pixel")(features)
    keras.utils.set_random_seed(0)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(features)))


def _gradients(model, images):
    @partial(tf.function, autograph=False)
    def traced(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(model(images, training=True)))
        return loss, tape.gradient(loss, model.trainable_variables)

    loss, gradients = traced(images)
    return loss.numpy(), [gradient.numpy() for gradient in gradients]


def test_model_trains_the_same_inside_the_block(model):
    for weights in model.trainable_variables:
        weights.assign(weights + 0.01)
    images = tf.random.stateless_normal((5, 4, 4, 3), (0, 1))
    expected, theirs = _gradients(model, images)
    with tiny_images.rewritten(model) as count:
        found, ours = _gradients(model, images)
    assert count == 3
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_nothing_is_left_behind(model):
    tensorflows = tf.nn.depthwise_conv2d
    layer = model.get_layer("pixel")
    with pytest.raises(RuntimeError), tiny_images.rewritten(model):
        assert tf.nn.depthwise_conv2d is tensorflows
        assert "call" in vars(layer)
        assert "call" not in vars(model.get_layer("too_large"))
        raise RuntimeError
    assert "call" not in vars(layer)
    assert layer.call.__func__ is keras.layers.DepthwiseConv2D.call


@pytest.mark.parametrize(
    "settings",
    [{"strides": 1, "depth_multiplier": 2}, {"dilation_rate": 2}, {"kernel_size": (1, 3)}],
)
def test_what_the_formula_does_not_cover_is_left_alone(settings):
    layer = keras.layers.DepthwiseConv2D(**({"kernel_size": 3, "padding": "same"} | settings))
    assert_left_alone(layer, 2)


@pytest.mark.parametrize("settings", [{"strides": 2}, {"groups": 3}, {"kernel_size": 2}, {}])
def test_convolutions_of_more_than_one_pixel_or_large_images_are_left_alone(settings):
    layer = keras.layers.Conv2D(**({"filters": 6, "kernel_size": 1} | settings))
    assert_left_alone(layer, 2 if settings else 5)


def assert_left_alone(layer, side):
    inputs = keras.Input((side, side, 3))
    model = keras.Model(inputs, layer(inputs))
    with tiny_images.rewritten(model) as count:
        assert count == 0


def test_images_of_unknown_size_are_left_alone():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.DepthwiseConv2D(3, padding="same")(inputs))
    with tiny_images.rewritten(model) as count:
        assert count == 0


@pytest.mark.parametrize(("side", "channels", "filters"), [(1, 7, 5), (2, 3, 8), (4, 16, 4)])
def test_one_pixel_filters_equal_tensorflows_convolution(side, channels, filters):
    """To float32 rounding: the same sums in another order."""
    generator = np.random.default_rng(0)
    images = generator.normal(size=(6, side, side, channels)).astype("f")
    kernel = generator.normal(size=(1, 1, channels, filters)).astype("f")
    expected = tf.nn.conv2d(images, kernel, 1, "SAME")
    found = tiny_images.pointwise(tf.constant(images), tf.constant(kernel))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
