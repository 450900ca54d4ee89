import random

import numpy as np
import pytest

from pipeline import models
from pipeline.models import ModelError
from pipeline.params import Cnn, Dense, EfficientNet, Models

SHAPE = (8, 8, 1)


def test_every_model_but_the_ensemble_is_a_file_and_a_section():
    assert set(models.names()) == set(Models.model_fields) - {"ensemble"}


def test_unknown_name_lists_the_known():
    with pytest.raises(ModelError, match=r"unknown model 'resnet': choose among cnn, dense, eff"):
        models.build("resnet", Dense(), SHAPE, 10, seed=0)


def test_helpers_are_not_models():
    for name in ("layers", "backbone", "ensemble"):
        with pytest.raises(ModelError, match="unknown model"):
            models.check(name, Dense(), SHAPE)


def test_one_class_is_refused():
    with pytest.raises(ModelError, match="num_classes=1, expected at least 2"):
        models.build("dense", Dense(units=(2,)), SHAPE, 1, seed=0)


def test_shape_without_channels_is_refused():
    with pytest.raises(ModelError, match=r"expected \(height, width, channels\)"):
        models.check("dense", Dense(), (8, 8))  # type: ignore[arg-type]


def test_contract_uint8_in_probabilities_out():
    import keras

    images = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
    for name, section in (("dense", Dense(units=(3,))), ("cnn", Cnn(filters=(2,)))):
        model = models.build(name, section, SHAPE, 4, seed=0)
        probabilities = model(images).numpy()
        assert model.input.dtype == "uint8"
        assert probabilities.shape == (5, 4)
        np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-6)
        logits = keras.Model(model.input, model.get_layer("logits").output)(images).numpy()
        raised = np.exp(logits)
        np.testing.assert_allclose(raised / raised.sum(-1, keepdims=True), probabilities, atol=1e-6)
        assert [layer.name for layer in model.layers[-2:]] == ["logits", "probabilities"]


def test_scaling_sits_inside():
    """A Dense net of one relu unit with known weights: 255 in the image is 1 in the net."""
    model = models.build("dense", Dense(units=(1,)), (1, 1, 1), 2, seed=0)
    model.get_layer("hidden_1").set_weights([np.array([[2.0]]), np.array([0.5])])
    model.get_layer("logits").set_weights([np.array([[1.0, 0.0]]), np.array([0.0, 0.0])])
    probability = model(np.array([[[[255]]]], np.uint8)).numpy()[0, 0]
    assert probability == pytest.approx(1 / (1 + np.exp(-2.5)), abs=1e-6)


def test_same_seed_same_weights_other_seed_others():
    first, again, other = (
        models.build("dense", Dense(units=(4,), dropout=0.5), SHAPE, 3, seed).variables
        for seed in (7, 7, 8)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_building_leaves_the_random_state_alone():
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.rand()
    random.seed(1)
    np.random.seed(1)
    models.build("dense", Dense(units=(2,)), SHAPE, 2, seed=0)
    assert (random.random(), np.random.rand()) == expected


def test_building_does_not_draw_from_what_other_threads_draw_from(monkeypatch):
    """Dask draws from Python's generator when a worker is lost, while another one builds."""

    def drawn(*_):
        raise AssertionError("the global generator was used")

    monkeypatch.setattr(random, "randint", drawn)
    models.build("cnn", Cnn(filters=(2,), dropout=0.5), SHAPE, 2, seed=0)


def test_a_model_without_arithmetic_is_built_to_be_counted(monkeypatch):
    from pipeline.models import dense

    monkeypatch.delattr(dense, "num_parameters")
    assert models.num_parameters("dense", Dense(units=(3,)), SHAPE, 2) == 64 * 3 + 3 + 3 * 2 + 2


def test_a_model_without_width_says_so(monkeypatch):
    from pipeline.models import dense

    monkeypatch.delattr(dense, "with_width")
    with pytest.raises(ModelError, match="has no width"):
        models.with_width("dense", Dense(), 3)


def test_equal_cost_width_of_a_dense_net():
    """64 u + u + 10 u + 10 = 75 u + 10 weights for u units: 5 x (75 x 16 + 10) has u = 80.5."""
    wanted = 5 * (75 * 16 + 10)
    section = Dense(units=(16,))
    width = models.equal_cost_width("dense", section, SHAPE, 10, wanted)
    sized = section.model_copy(update={"width": width})
    assert models.num_parameters("dense", sized, SHAPE, 10) in (75 * 80 + 10, 75 * 81 + 10)
    assert width == pytest.approx(80.5 / 16, rel=0.01)


def test_equal_cost_width_of_five_cnns():
    wanted = 5 * models.num_parameters("cnn", Cnn(), (28, 28, 1), 10)
    width = models.equal_cost_width("cnn", Cnn(), (28, 28, 1), 10, wanted)
    found = models.num_parameters("cnn", Cnn(width=width), (28, 28, 1), 10)
    assert found == pytest.approx(wanted, rel=0.03)
    assert width == pytest.approx(5**0.5, rel=0.02)


def test_equal_cost_width_needs_a_width():
    with pytest.raises(ModelError, match="no width multiplier"):
        models.equal_cost_width("efficientnet", EfficientNet(), (32, 32, 3), 10, 10**7)
