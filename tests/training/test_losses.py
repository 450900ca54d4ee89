from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.params import Train
from pipeline.training.losses import per_image_loss

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(0, 3, (6, 4)).astype(np.float32)
ONE_HOT = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0, 1]]
SOFT = GENERATOR.dirichlet(np.ones(4), 6).astype(np.float32)
LABELS = {"one_hot": ONE_HOT, "soft": SOFT}
NAMES = get_args(Train.model_fields["loss"].annotation)

KERAS = {
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "kl_divergence": keras.losses.KLDivergence,
    "cosine_similarity": keras.losses.CosineSimilarity,
    "mean_absolute_error": keras.losses.MeanAbsoluteError,
    "focal": lambda **settings: keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0, gamma=2.0, **settings
    ),
}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", NAMES)
def test_equals_keras_on_the_softmax(name, labels):
    ours = per_image_loss(name)(tf.constant(LABELS[labels]), tf.constant(LOGITS))
    expected = KERAS[name](reduction=None)(LABELS[labels], tf.nn.softmax(LOGITS))
    assert ours.shape == (6,)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", ["categorical_crossentropy", "binary_crossentropy", "focal"])
def test_label_smoothing_equals_keras(name):
    ours = per_image_loss(name, 0.1)(tf.constant(ONE_HOT), tf.constant(LOGITS))
    expected = KERAS[name](reduction=None, label_smoothing=0.1)(ONE_HOT, tf.nn.softmax(LOGITS))
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", ["kl_divergence", "cosine_similarity", "mean_absolute_error"])
def test_label_smoothing_is_that_of_the_labels(name):
    smoothed = ONE_HOT * 0.8 + 0.2 / 4
    ours = per_image_loss(name, 0.2)(tf.constant(ONE_HOT), tf.constant(LOGITS))
    expected = per_image_loss(name)(tf.constant(smoothed), tf.constant(LOGITS))
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Three classes of probability 1/2, 1/4, 1/4; the first is right.
        ("categorical_crossentropy", np.log(2)),
        ("binary_crossentropy", (np.log(2) + 2 * np.log(4 / 3)) / 3),
        ("kl_divergence", np.log(2)),
        ("cosine_similarity", -0.5 / np.sqrt(0.25 + 2 / 16)),
        ("mean_absolute_error", (0.5 + 0.25 + 0.25) / 3),
        ("focal", 0.25 * np.log(2)),
    ],
)
def test_by_hand(name, expected):
    logits = tf.constant([[np.log(2), 0.0, 0.0]], tf.float32)
    assert float(per_image_loss(name)(tf.constant([[1.0, 0.0, 0.0]]), logits)[0]) == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("height", [30.0, 200.0, 1e4])
def test_value_and_gradient_stay_finite_for_certain_and_wrong_logits(name, height):
    logits = tf.constant([[height, 0.0, 0.0], [0.0, height, 0.0]])
    labels = tf.constant([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = per_image_loss(name)(labels, logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert np.isfinite(loss).all()
    assert np.isfinite(gradient).all()
    assert loss[1] > loss[0]


@pytest.mark.parametrize("name", ["categorical_crossentropy", "binary_crossentropy", "focal"])
def test_a_certain_error_still_has_a_gradient(name):
    """Where Keras clips the probability the gradient is 0, and the image is never learned."""
    logits = tf.constant([[0.0, 60.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = per_image_loss(name)(tf.constant([[1.0, 0.0, 0.0]]), logits)
    assert tape.gradient(loss, logits).numpy()[0, 0] < -0.1


def test_kl_divergence_has_the_gradient_of_cross_entropy():
    found = []
    for name in ("kl_divergence", "categorical_crossentropy"):
        logits = tf.constant(LOGITS)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = per_image_loss(name)(tf.constant(SOFT), logits)
        found.append(tape.gradient(loss, logits).numpy())
    np.testing.assert_array_equal(*found)
