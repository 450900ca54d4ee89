import keras
import numpy as np
import pytest

from pipeline import models
from pipeline.models import ModelError, ensemble
from pipeline.params import Cnn, Dense

SHAPE = (8, 8, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="module")
def members():
    return [
        models.build("dense", Dense(units=(4,), dropout=0.5, batch_norm=True), SHAPE, 3, seed=0),
        models.build("dense", Dense(units=(4,), dropout=0.5, batch_norm=True), SHAPE, 3, seed=1),
        models.build("cnn", Cnn(filters=(2,), dense_units=0), SHAPE, 3, seed=2),
    ]


def _logits(model):
    return keras.Model(model.input, model.get_layer("logits").output)(IMAGES).numpy()


def _softmax(logits):
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def test_mean_of_probabilities(members):
    expected = np.mean([model(IMAGES).numpy() for model in members], axis=0)
    combined = ensemble.combine(members, "probabilities")
    np.testing.assert_allclose(combined(IMAGES).numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(_logits(combined), np.log(expected), atol=1e-5)


def test_mean_of_logits(members):
    expected = np.mean([_logits(model) for model in members], axis=0)
    combined = ensemble.combine(members, "logits")
    np.testing.assert_allclose(_logits(combined), expected, atol=1e-5)
    np.testing.assert_allclose(combined(IMAGES).numpy(), _softmax(expected), atol=1e-6)


def test_the_two_averages_differ(members):
    first, second = (
        ensemble.combine(members, kind)(IMAGES) for kind in ("probabilities", "logits")
    )
    assert np.abs(first.numpy() - second.numpy()).max() > 1e-4


def test_certain_members_give_finite_logits(members):
    sure = models.build("dense", Dense(units=(1,)), SHAPE, 3, seed=0)
    sure.get_layer("logits").set_weights([np.zeros((1, 3)), np.array([0.0, -200.0, -300.0])])
    combined = ensemble.combine([sure, sure])
    np.testing.assert_allclose(_logits(combined)[0], [0, -200, -300], atol=1e-3)


def test_members_are_copied(members):
    before = [weight.copy() for weight in members[0].get_weights()]
    combined = ensemble.combine(members[:2])
    combined.set_weights([np.zeros_like(weight) for weight in combined.get_weights()])
    after = members[0].get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert members[0].name == "dense"


def test_one_member_is_that_member(members):
    for average in ("probabilities", "logits"):
        combined = ensemble.combine(members[:1], average)
        np.testing.assert_allclose(combined(IMAGES), members[0](IMAGES), atol=1e-6)


def test_parameters_add_up_and_names_are_unique(members):
    combined = ensemble.combine(members)
    assert combined.count_params() == sum(model.count_params() for model in members)
    names = [layer.name for layer in combined.layers]
    assert names[1:4] == ["member_1", "member_2", "member_3"]
    assert len(set(names)) == len(names)
    assert names[-2:] == ["logits", "probabilities"]


def test_an_ensemble_may_be_a_member(members):
    inner = ensemble.combine(members[:2])
    outer = ensemble.combine([inner, members[2]])
    expected = (inner(IMAGES).numpy() + members[2](IMAGES).numpy()) / 2
    np.testing.assert_allclose(outer(IMAGES).numpy(), expected, atol=1e-6)


def test_nothing_to_average_is_refused():
    with pytest.raises(ModelError, match="no members to average"):
        ensemble.combine([])


def test_other_classes_or_images_are_refused(members):
    other = models.build("dense", Dense(units=(2,)), SHAPE, 4, seed=0)
    with pytest.raises(ModelError, match=r"\(8, 8, 1, 3\), \(8, 8, 1, 4\)"):
        ensemble.combine([members[0], other])
