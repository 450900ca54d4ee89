import numpy as np
import pytest

from pipeline import models
from pipeline.models import dense, layers
from pipeline.params import Dense

SHAPE = (28, 28, 1)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (Dense(units=(400,)), 784 * 400 + 400 + 400 * 10 + 10),
        (Dense(units=(16, 16)), 784 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10),
        (Dense(units=(512,) * 4), 784 * 512 + 512 + 3 * (512 * 512 + 512) + 512 * 10 + 10),
        (Dense(units=(16,), width=0.5), 784 * 8 + 8 + 8 * 10 + 10),
        (Dense(units=(16,), width=0.001), 784 * 1 + 1 + 1 * 10 + 10),
        # Batch norm: no bias, but gamma, beta, moving mean and moving variance.
        (Dense(units=(16,), batch_norm=True), 784 * 16 + 4 * 16 + 16 * 10 + 10),
        (Dense(units=(16,), dropout=0.5, l1=1e-3, l2=1e-3), 784 * 16 + 16 + 16 * 10 + 10),
    ],
)
def test_parameter_count(section, expected):
    assert dense.num_parameters(section, SHAPE, 10) == expected
    assert models.build("dense", section, SHAPE, 10, seed=0).count_params() == expected


def test_forty_thousand_units_counted_without_building():
    assert dense.num_parameters(Dense(units=(40_000,)), SHAPE, 10) == 31_800_010


def test_with_width_sets_every_hidden_layer():
    sized = models.with_width("dense", Dense(units=(64, 64, 64), width=2.0), 7)
    assert (sized.units, sized.width) == ((7, 7, 7), 1.0)


def test_penalty_is_that_of_all_kernels_and_no_bias():
    section = Dense(units=(3,), l1=0.01, l2=0.1)
    model = models.build("dense", section, (2, 2, 1), 2, seed=0)
    for layer in ("hidden_1", "logits"):
        kernel, bias = model.get_layer(layer).get_weights()
        model.get_layer(layer).set_weights([kernel, bias + 5])
    kernels = [model.get_layer(name).get_weights()[0] for name in ("hidden_1", "logits")]
    expected = sum(0.01 * np.abs(k).sum() + 0.1 * (k**2).sum() for k in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-6)


def test_no_penalty_by_default():
    assert models.build("dense", Dense(units=(3,)), (2, 2, 1), 2, seed=0).losses == []


def test_dropout_follows_every_hidden_activation():
    model = models.build("dense", Dense(units=(3, 3), dropout=0.25), (2, 2, 1), 2, seed=0)
    assert [layer.name for layer in model.layers[3:]] == [
        "hidden_1",
        "hidden_1_relu",
        "hidden_1_dropout",
        "hidden_2",
        "hidden_2_relu",
        "hidden_2_dropout",
        "logits",
        "probabilities",
    ]
    assert model.get_layer("hidden_2_dropout").rate == 0.25


def test_batch_norm_stands_before_the_activation():
    section = Dense(units=(3,), batch_norm=True, activation="elu")
    model = models.build("dense", section, (2, 2, 1), 2, seed=0)
    names = [layer.name for layer in model.layers]
    assert names.index("hidden_1_norm") == names.index("hidden_1_elu") - 1


@pytest.mark.parametrize(
    ("initialiser", "deviation"),
    [
        ("he_normal", (2 / 784) ** 0.5),
        ("he_uniform", (2 / 784) ** 0.5),
        ("lecun_normal", (1 / 784) ** 0.5),
        ("glorot_normal", (2 / (784 + 300)) ** 0.5),
        ("glorot_uniform", (2 / (784 + 300)) ** 0.5),
    ],
)
def test_initialisers_have_their_variance(initialiser, deviation):
    section = Dense(units=(300,), initialiser=initialiser)
    model = models.build("dense", section, SHAPE, 10, seed=0)
    assert model.get_layer("hidden_1").get_weights()[0].std() == pytest.approx(deviation, rel=0.02)
    logits = model.get_layer("logits").get_weights()[0]
    assert logits.std() == pytest.approx((2 / 310) ** 0.5, rel=0.05)


@pytest.mark.parametrize(
    ("count", "width", "expected"), [(10, 1.0, 10), (10, 0.26, 3), (10, 0.01, 1), (3, 1.5, 4)]
)
def test_widened_rounds_and_never_vanishes(count, width, expected):
    assert layers.widened(count, width) == expected
