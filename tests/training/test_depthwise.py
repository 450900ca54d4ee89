import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.training import depthwise

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


@pytest.fixture
def model():
    """4x4 images, kernels of 5, 3 and 1: the first gains, the second does not, then one pixel."""
    layers = keras.layers
    inputs = keras.Input((4, 4, 3))
    inner_inputs = keras.Input((4, 4, 3))
    inner = layers.DepthwiseConv2D(5, padding="same", activation="relu", name="gains")(inner_inputs)
    nested = keras.Model(inner_inputs, inner, name="nested")
    features = layers.DepthwiseConv2D(3, padding="same", name="too_large")(nested(inputs))
    features = layers.MaxPooling2D(4)(features)
    features = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="pixel")(features)
    keras.utils.set_random_seed(0)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(features)))


def _gradients(model, images):
    @tf.function
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
    with depthwise.rewritten(model) as count:
        found, ours = _gradients(model, images)
    assert count == 2
    assert found == expected
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_nothing_is_left_behind(model):
    tensorflows = tf.nn.depthwise_conv2d
    layer = model.get_layer("pixel")
    with pytest.raises(RuntimeError), depthwise.rewritten(model):
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
    inputs = keras.Input((2, 2, 3))
    layer = keras.layers.DepthwiseConv2D(**({"kernel_size": 3, "padding": "same"} | settings))
    model = keras.Model(inputs, layer(inputs))
    with depthwise.rewritten(model) as count:
        assert count == 0


def test_images_of_unknown_size_are_left_alone():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, keras.layers.DepthwiseConv2D(3, padding="same")(inputs))
    with depthwise.rewritten(model) as count:
        assert count == 0
