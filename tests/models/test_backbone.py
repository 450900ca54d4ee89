import io
import zipfile

import keras
import numpy as np
import pytest

from pipeline import models
from pipeline.models import backbone
from pipeline.params import Dense


@pytest.fixture
def model():
    """Two convolutions with batch norm as backbone, and a head."""
    images = keras.Input((4, 4, 1))
    features = images
    for number in (1, 2):
        features = keras.layers.Conv2D(2, 3, padding="same", name=f"conv_{number}")(features)
        features = keras.layers.BatchNormalization(name=f"norm_{number}")(features)
    inner = keras.Model(images, keras.layers.Flatten(name="flat")(features), name="backbone")
    inputs = keras.Input((4, 4, 1))
    outputs = keras.layers.Dense(2, name="logits")(inner(inputs))
    return keras.Model(inputs, outputs)


IMAGES = np.random.default_rng(0).normal(3, 2, (8, 4, 4, 1)).astype(np.float32)


def _names(variables):
    return [variable.path.rsplit("/", 2)[-2] for variable in variables]


def test_a_model_without_backbone_is_all_head():
    dense = models.build("dense", Dense(units=(2,)), (4, 4, 1), 2, seed=0)
    assert backbone.find(dense) is None
    assert models.backbone_variables(dense) == []
    assert len(models.trainable_variables(dense, head_only=True)) == 4
    models.freeze(dense, 1.0)
    with models.frozen_backbone(dense):
        assert len(dense.trainable_variables) == 4


def test_head_only_leaves_the_backbone_out(model):
    assert len(models.trainable_variables(model)) == 10
    assert _names(models.trainable_variables(model, head_only=True)) == ["logits", "logits"]
    assert len(models.backbone_variables(model)) == 8


@pytest.mark.parametrize(
    ("ratio", "trainable"),
    [
        (0.0, {"conv_1", "norm_1", "conv_2", "norm_2"}),
        # Six layers, the input one of them: half of six are input, conv_1 and norm_1.
        (0.5, {"conv_2", "norm_2"}),
        (0.6, {"norm_2"}),
        (1.0, set()),
    ],
)
def test_freeze_counts_layers_from_the_images(model, ratio, trainable):
    models.freeze(model, ratio)
    assert set(_names(model.trainable_variables)) == trainable | {"logits"}
    models.unfreeze(model)
    assert len(model.trainable_variables) == 10


def test_frozen_batch_norm_runs_in_inference_mode(model):
    expected = model(IMAGES, training=False).numpy()
    assert np.abs(model(IMAGES, training=True).numpy() - expected).max() > 0.01
    models.freeze(model, 1.0)
    statistics = [weight.copy() for weight in model.get_layer("backbone").get_weights()]
    expected = model(IMAGES, training=False).numpy()
    np.testing.assert_allclose(model(IMAGES, training=True), expected, atol=1e-6)
    after = model.get_layer("backbone").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(statistics, after, strict=True))


def test_frozen_backbone_ends_with_the_block(model):
    models.freeze(model, 0.5)
    before = _names(model.trainable_variables)
    with models.frozen_backbone(model):
        assert _names(model.trainable_variables) == ["logits", "logits"]
    assert _names(model.trainable_variables) == before


def test_frozen_backbone_ends_with_an_error_too(model):
    with pytest.raises(RuntimeError), models.frozen_backbone(model):
        raise RuntimeError
    assert len(model.trainable_variables) == 10


def test_freezing_is_saved_with_the_model(model, tmp_path):
    models.freeze(model, 0.5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert set(_names(loaded.trainable_variables)) == {"conv_2", "norm_2", "logits"}


def _changed(path, change):
    """The `.keras` file at `path` with `change` made to its configuration, a text."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members["config.json"] = change(members["config.json"].decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(name, content)


def test_a_model_file_is_read_as_it_was_saved(model, tmp_path):
    model.save(tmp_path / "whole.keras")
    read = backbone.read(tmp_path / "whole.keras")
    for mine, theirs in zip(model.get_weights(), read.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("units", [2_000_000_000, 100_000])
def test_a_model_of_more_weights_than_its_file_can_hold_is_not_built(model, tmp_path, units):
    path = tmp_path / "huge.keras"
    model.save(path)
    _changed(path, lambda text: text.replace('"units": 2', f'"units": {units}'))
    with pytest.raises(ValueError, match="more weights than the file has bytes for"):
        backbone.read(path)


def test_a_model_file_that_unpacks_to_gigabytes_is_not_read(model, tmp_path):
    path = tmp_path / "bomb.keras"
    model.save(path)
    _changed(path, lambda text: text + " " * (70 * 2**20))
    with pytest.raises(ValueError, match=r"'config\.json' in it would unpack to 73,"):
        backbone.read(path)


def test_batch_norms_may_be_kept_while_all_else_learns(model):
    models.freeze(model, 0.0, keep_batch_norm=True)
    assert set(_names(model.trainable_variables)) == {"conv_1", "conv_2", "logits"}
    expected = model(IMAGES, training=False).numpy()
    np.testing.assert_allclose(model(IMAGES, training=True), expected, atol=1e-6)
