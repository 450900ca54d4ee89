from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.params import Train
from pipeline.training import optimizers
from pipeline.training.optimizers import FusedAdam

NAMES = get_args(Train.model_fields["optimizer"].annotation)
SHAPES = ((7, 5), (5,), (3, 3, 2, 4))


def _trained(optimizer, steps=100, graph=True):
    """Three variables after `steps` random gradients, the same for every optimizer."""
    generator = np.random.default_rng(0)
    variables = [keras.Variable(generator.normal(size=shape).astype("f")) for shape in SHAPES]
    optimizer.build(variables)

    def step(gradients):
        optimizer.apply(gradients, variables)

    call = tf.function(step, autograph=False) if graph else step
    for _ in range(steps):
        call([tf.constant(generator.normal(size=shape).astype("f")) for shape in SHAPES])
    return [variable.numpy() for variable in variables]


def _assert_close(found, expected, tolerance):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("weight_decay", [None, 0.1])
def test_fused_adam_equals_keras_adam(weight_decay, graph):
    """To 1e-5 after 100 steps, weights being of order 1 and having moved by as much."""
    settings = {"learning_rate": 1e-2, "weight_decay": weight_decay}
    steps = 100 if graph else 10
    expected = _trained(keras.optimizers.Adam(**settings), steps, graph)
    _assert_close(_trained(FusedAdam(**settings), steps, graph), expected, 1e-5)
    assert max(np.abs(_trained(FusedAdam(1e-9), 1)[0] - expected[0]).ravel()) > 0.05


def test_fused_adam_equals_keras_adamw():
    train = Train(optimizer="adamw", learning_rate=1e-2)
    optimizer = optimizers.make(train)
    assert isinstance(optimizer, FusedAdam)
    _assert_close(_trained(optimizer), _trained(keras.optimizers.AdamW(1e-2)), 1e-5)


def test_fused_adam_trains_a_net_as_keras_adam_does():
    """300 steps in one graph; weights agree to 1e-5, that is to 1e-5 of how far they moved.

    The net is smooth: under a relu a difference in the last digit may switch a unit.
    """
    images = tf.random.stateless_normal((32, 6), (0, 1))
    labels = tf.one_hot(tf.range(32) % 3, 3)
    found = []
    for optimizer in (keras.optimizers.Adam(1e-3), FusedAdam(1e-3)):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((6,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(3)]
        model = keras.Sequential(layers)
        optimizer.build(model.trainable_variables)
        found.append((_fitted(model, optimizer, images, labels), model.get_weights()))
    (loss, weights), (fused_loss, fused_weights) = found
    assert fused_loss == pytest.approx(loss, abs=1e-5)
    _assert_close(fused_weights, weights, 1e-5)


def _fitted(model, optimizer, images, labels):
    def step(number, _):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels, logits))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return number + 1, loss

    def fit():
        return tf.while_loop(lambda number, _: number < 300, step, (0, tf.constant(0.0)))[1]

    return float(tf.function(fit, autograph=False)())


def test_learning_rate_can_be_set_between_epochs():
    optimizer, variable = FusedAdam(1.0), keras.Variable([1.0])
    optimizer.build([variable])
    gradients = [tf.constant([1.0])]
    step = tf.function(lambda: optimizer.apply(gradients, [variable]), autograph=False)
    step()
    optimizer.learning_rate.assign(0.0)
    before = variable.numpy()
    step()
    assert variable.numpy() == before
    assert before == pytest.approx(0.0, abs=1e-5)


def test_only_adam_is_replaced_and_only_where_its_kernel_fits(monkeypatch):
    kinds = {name: type(optimizers.make(Train(optimizer=name))).__name__ for name in NAMES}
    assert kinds == {
        "adam": "FusedAdam",
        "adamw": "FusedAdam",
        "sgd": "SGD",
        "rmsprop": "RMSprop",
        "adadelta": "Adadelta",
        "adagrad": "Adagrad",
        "nadam": "Nadam",
        "adamax": "Adamax",
        "lion": "Lion",
        "muon": "Muon",
    }
    monkeypatch.setattr(optimizers, "fused_fits", lambda: False)
    assert type(optimizers.make(Train(optimizer="adam"))) is keras.optimizers.Adam
    assert type(optimizers.make(Train(optimizer="adamw"))) is keras.optimizers.AdamW


def test_fused_kernel_is_for_cpus(monkeypatch):
    monkeypatch.delenv("TPU_NAME", raising=False)
    assert optimizers.fused_fits()
    monkeypatch.setenv("TPU_NAME", "local")
    assert not optimizers.fused_fits()
    monkeypatch.delenv("TPU_NAME")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert not optimizers.fused_fits()


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_equals_keras_own(name):
    classes = {name.lower(): getattr(keras.optimizers, name) for name in dir(keras.optimizers)}
    special = {"exclude_layers": ["logits"]} if name == "muon" else {}
    expected = _trained(classes[name](learning_rate=1e-2, **special), steps=5)
    found = _trained(optimizers.make(Train(optimizer=name, learning_rate=1e-2)), steps=5)
    _assert_close(found, expected, 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_weight_decay_shrinks_by_rate_times_decay(name):
    """With gradients of zero nothing else moves: 1 - 0.1 x 0.5 a step."""
    train = Train(optimizer=name, learning_rate=0.1, weight_decay=0.5)
    optimizer, variable = optimizers.make(train), keras.Variable([[2.0, 4.0]])
    optimizer.build([variable])
    optimizer.apply([tf.zeros((1, 2))], [variable])
    np.testing.assert_allclose(variable.numpy(), [[1.9, 3.8]], rtol=1e-5)


@pytest.mark.parametrize("weight_decay", [None, 0.3])
@pytest.mark.parametrize("name", NAMES)
def test_slow_variables_learn_at_their_own_rate(name, weight_decay):
    """The slow one as if alone at a tenth of the rate, the other as if alone at the full rate."""
    settings = {"optimizer": name, "weight_decay": weight_decay}

    def moved(rate, slow, backbone_rate):
        train = Train(learning_rate=rate, backbone_rate=backbone_rate, **settings)
        pair = [keras.Variable([[1.0, -2.0]]), keras.Variable([[1.0, -2.0]])]
        optimizer = optimizers.make(train, pair[:slow])
        optimizer.build(pair)
        for gradient in ([[0.5, -1.0]], [[0.2, 0.3]], [[-0.1, 0.7]]):
            optimizer.apply([tf.constant(gradient)] * 2, pair)
        return [variable.numpy() for variable in pair]

    slow, fast = moved(0.01, slow=1, backbone_rate=0.1)
    np.testing.assert_allclose(slow, moved(0.001, slow=0, backbone_rate=1.0)[0], rtol=1e-5)
    np.testing.assert_allclose(fast, moved(0.01, slow=0, backbone_rate=1.0)[1], rtol=1e-5)


def test_backbone_rate_of_zero_leaves_the_backbone_alone():
    train = Train(optimizer="adamw", learning_rate=0.1, weight_decay=0.5, backbone_rate=0.0)
    pair = [keras.Variable([1.0]), keras.Variable([1.0])]
    optimizer = optimizers.make(train, pair[:1])
    optimizer.build(pair)
    optimizer.apply([tf.constant([1.0])] * 2, pair)
    assert pair[0].numpy() == 1.0
    assert pair[1].numpy() == pytest.approx(0.95 - 0.1, abs=1e-5)


def test_a_slowed_adam_is_still_the_fused_one():
    slow = [keras.Variable([1.0])]
    assert isinstance(optimizers.make(Train(backbone_rate=0.5), slow), FusedAdam)
