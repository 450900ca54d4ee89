from dataclasses import replace
from functools import cache

import h5py
import keras
import numpy as np
import pytest
from keras.src.applications import convnext, mobilenet_v3, resnet
from keras.src.applications import efficientnet as keras_efficientnet
from keras.src.legacy.saving import legacy_h5_format

from pipeline import models
from pipeline.models import ModelError, backbone, efficientnet
from pipeline.params import EfficientNet

COLOUR = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
GREY = COLOUR[:, :28, :28, :1]


def _network(width, **settings):
    """Two of Keras' seven blocks, one layer each, and narrow: quick to build."""
    blocks = keras_efficientnet.DEFAULT_BLOCKS_ARGS[:2]
    return keras_efficientnet.EfficientNet(
        width, 0.1, 32, blocks_args=blocks, weights_name="b0", **settings
    )


@cache
def _num_parameters(width):
    shape = {"input_shape": (32, 32, 3), "pooling": "avg"}
    return _network(width, include_top=False, weights=None, **shape).count_params()


@pytest.fixture
def small(monkeypatch):
    """Small networks in the place of B0 and B1, with their own numbers of parameters."""
    for variant, width in {"B0": 0.1, "B1": 0.3}.items():
        known = replace(efficientnet.VARIANTS[variant], parameters=_num_parameters(width))
        monkeypatch.setitem(efficientnet.VARIANTS, variant, known)
        monkeypatch.setattr(
            keras.applications,
            f"EfficientNet{variant}",
            lambda width=width, **settings: _network(width, **settings),
        )


def _built(shape=(32, 32, 3), num_classes=4, seed=0, **settings):
    return models.build("efficientnet", EfficientNet(**settings), shape, num_classes, seed)


@pytest.fixture
def imagenet_file(small, tmp_path):
    """A file in the layout of the published weights: old HDF5, statistics of ImageNet in it."""
    keras.utils.set_random_seed(3)
    network = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg"
    )
    normalisation = next(
        layer for layer in network.layers if isinstance(layer, keras.layers.Normalization)
    )
    normalisation.adapt_mean.assign([0.485, 0.456, 0.406])
    normalisation.adapt_variance.assign([0.229**2, 0.224**2, 0.225**2])
    path = tmp_path / "data/weights/efficientnetb0_notop.h5"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return path


def test_b0_has_the_published_number_of_parameters():
    """4,049,571 of the backbone without top (keras.io), and 1280 x 10 + 10 of the head."""
    model = _built((28, 28, 1), num_classes=10)
    expected = 4_049_571 + 1280 * 10 + 10
    assert model.count_params() == expected
    section = EfficientNet()
    assert models.num_parameters("efficientnet", section, (28, 28, 1), 10) == expected
    assert model(GREY).shape == (3, 10)


def test_parameters_of_b5_by_arithmetic():
    section = EfficientNet(variant="B5")
    assert models.num_parameters("efficientnet", section, (32, 32, 3), 10) == 28_513_527 + 20_490


@pytest.mark.parametrize(
    ("shape", "resolution", "inside"),
    [
        ((28, 28, 1), None, (32, 32, 3)),
        ((8, 40, 3), None, (32, 40, 3)),
        ((48, 48, 3), None, (48, 48, 3)),
        ((48, 48, 1), 64, (64, 64, 3)),
        ((64, 48, 3), 32, (32, 32, 3)),
    ],
)
def test_images_of_any_size_and_colour(small, shape, resolution, inside):
    model = _built(shape, resolution=resolution)
    assert tuple(backbone.find(model).input.shape[1:]) == inside
    images = np.zeros((2, *shape), np.uint8)
    assert model(images).shape == (2, 4)


def test_grey_is_the_colour_image_with_three_equal_channels(small):
    grey, colour = _built((32, 32, 1)), _built((32, 32, 3))
    images = COLOUR[..., :1]
    np.testing.assert_allclose(grey(images), colour(np.repeat(images, 3, axis=-1)), atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0.5}, r"width=0.5.*variant among B0, B1, .*, B7, .*, Lite0, Lite1, Lite2"),
        ({"freeze_ratio": 0.5}, r"freeze_ratio=0.5 would freeze random weights.*'imagenet'"),
        ({"weights": "gone.keras"}, r"no file gone.keras.*weights: null"),
        ({"weights": "imagenet"}, r"efficientnetb0_notop.h5.*download stage.*weights: null"),
    ],
)
def test_what_cannot_be_built_is_refused(settings, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=message):
        models.check("efficientnet", EfficientNet(**settings), (32, 32, 3))


def test_b5_at_16_pixels_is_refused_with_key_and_choice():
    section = EfficientNet(variant="B5").model_copy(update={"resolution": 16})
    with pytest.raises(ModelError, match=r"resolution=16: EfficientNetB5.*at least 32.*or null"):
        models.check("efficientnet", section, (32, 32, 3))


def test_two_channels_are_refused():
    with pytest.raises(ModelError, match="got 2 channels"):
        models.check("efficientnet", EfficientNet(), (32, 32, 2))


def test_with_width_is_the_number_of_the_variant():
    assert models.with_width("efficientnet", EfficientNet(), 3).variant == "B3"
    with pytest.raises(ModelError, match="got width=8"):
        models.with_width("efficientnet", EfficientNet(), 8)


def test_where_imagenet_weights_come_from():
    assert efficientnet.imagenet_weights_file("B5") == efficientnet.WeightsFile(
        "efficientnetb5_notop.h5",
        ("https://storage.googleapis.com/keras-applications/efficientnetb5_notop.h5",),
        "38879255a25d3c92d5e44e04ae6cec6f",
    )
    published = {name: sums[1] for name, sums in keras_efficientnet.WEIGHTS_HASHES.items()}
    known = efficientnet.VARIANTS.items()
    ours = {name.lower(): one.checksum for name, one in known if one.file is None}
    assert ours == published
    others = {
        "MobileNetV3Small": mobilenet_v3.WEIGHTS_HASHES["small_224_1.0_float"],
        "ResNet50V2": resnet.WEIGHTS_HASHES["resnet50v2"],
        "ConvNeXtTiny": convnext.WEIGHTS_HASHES["convnext_tiny"],
    }
    assert {name: one.checksum for name, one in known if one.file} == {
        name: sums[1] for name, sums in others.items()
    }


@pytest.mark.parametrize(
    "variant",
    ["MobileNetV3Small", "ResNet50V2", pytest.param("ConvNeXtTiny", marks=pytest.mark.long)],
)
def test_other_networks_of_keras_take_its_place(variant):
    section = EfficientNet(variant=variant)
    model = models.build("efficientnet", section, (28, 28, 1), 10, 0)
    assert model(GREY).shape == (3, 10)
    counted = models.num_parameters("efficientnet", section, (28, 28, 1), 10)
    assert model.count_params() == counted
    with pytest.raises(ModelError, match=f"{variant}, which has but one size"):
        models.with_width("efficientnet", section, 1)
    if variant == "ResNet50V2":  # the other two scale inside
        scale = keras.Model(model.input, model.get_layer("scale").output)
        for pixel, expected in ((0, -1.0), (255, 1.0)):
            scaled = scale(np.full((1, 28, 28, 1), pixel, np.uint8)).numpy()
            assert scaled == pytest.approx(expected, abs=1e-6)


def test_imagenet_by_name_and_by_path_agree_with_keras(imagenet_file, tmp_path, monkeypatch):
    """Keras' graph for "imagenet", its file handed over without a network, is the reference."""
    monkeypatch.setattr(keras_efficientnet.file_utils, "get_file", lambda *_, **__: imagenet_file)
    settings = {"include_top": False, "input_shape": (32, 32, 3), "pooling": "avg"}
    reference = keras.applications.EfficientNetB0(weights="imagenet", **settings)
    misled = keras.applications.EfficientNetB0(weights=str(imagenet_file), **settings)
    images = COLOUR.astype(np.float32)
    expected = reference(images).numpy()
    scale = np.abs(expected).max()

    monkeypatch.chdir(tmp_path)
    for weights in ("imagenet", str(imagenet_file)):
        ours = backbone.find(_built(weights=weights))
        np.testing.assert_allclose(ours(images), expected, atol=1e-5 * scale)
    assert np.abs(misled(images).numpy() - expected).max() > 0.05 * scale


def test_imagenet_weights_survive_saving(imagenet_file, tmp_path):
    model = _built(weights=str(imagenet_file))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(COLOUR), model(COLOUR), atol=1e-6)
    again = _built(weights=str(tmp_path / "model.keras"))
    np.testing.assert_allclose(
        backbone.find(again)(COLOUR), backbone.find(model)(COLOUR), rtol=1e-4
    )


@pytest.mark.parametrize("name", ["donor.keras", "donor.weights.h5"])
def test_transfer_takes_the_backbone_and_a_new_head(small, tmp_path, name):
    """From grey images of ten classes to colour ones of four."""
    donor, path = _built((28, 28, 1), num_classes=10, seed=5), tmp_path / name
    (donor.save if name.endswith(".keras") else donor.save_weights)(path)
    fresh, transferred = _built(seed=6), _built(seed=6, weights=str(path))
    pairs = zip(
        backbone.find(donor).get_weights(), backbone.find(transferred).get_weights(), strict=True
    )
    assert all(np.array_equal(a, b) for a, b in pairs)
    np.testing.assert_array_equal(
        fresh.get_layer("logits").get_weights()[0],
        transferred.get_layer("logits").get_weights()[0],
    )


@pytest.mark.parametrize("name", ["donor.keras", "donor.weights.h5"])
def test_weights_of_another_variant_are_refused(small, tmp_path, name):
    donor, path = _built(variant="B1"), tmp_path / name
    (donor.save if name.endswith(".keras") else donor.save_weights)(path)
    message = r"does not fit this network \(its backbone has .* weights, that of B0 .*same variant"
    with pytest.raises(ModelError, match=message):
        models.check("efficientnet", EfficientNet(weights=str(path)), (32, 32, 3))


def test_published_weights_of_another_variant_are_refused_before_they_are_loaded(imagenet_file):
    section = EfficientNet(variant="B2", weights=str(imagenet_file))
    with pytest.raises(ModelError, match="that of B2 7,768,569"):
        models.check("efficientnet", section, (32, 32, 3))


@pytest.mark.parametrize("name", ["weights.keras", "some.weights.h5", "weights.h5"])
def test_a_file_that_is_none_is_refused(small, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"no weights at all")
    with pytest.raises(ModelError, match=f"{name} does not fit this network"):
        _built(weights=str(path))


def test_a_model_without_backbone_is_no_donor(small, tmp_path):
    from pipeline.params import Dense

    path = tmp_path / "dense.keras"
    models.build("dense", Dense(units=(2,)), (8, 8, 1), 2, seed=0).save(path)
    with pytest.raises(ModelError, match="it has no backbone"):
        _built(weights=str(path))


def test_penalty_is_that_of_every_kernel(small):
    model = _built(l2=0.5)
    kernels = [
        variable.numpy() for variable in model.trainable_variables if "kernel" in variable.path
    ]
    expected = 0.5 * sum(float((kernel**2).sum()) for kernel in kernels)
    assert len(model.losses) == len(kernels) == 12
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


def test_dropout_stands_before_the_head(small):
    model = _built(dropout=0.5)
    names = [layer.name for layer in model.layers]
    assert names[-4:] == ["backbone", "dropout", "logits", "probabilities"]
    assert model.get_layer("dropout").rate == 0.5


def test_a_model_that_enlarges_is_in_inference_mode_unless_told(small, tmp_path):
    """Keras' Resizing would have dropout and batch norm behind it train where nothing is said."""
    model = _built((28, 28, 1), dropout=0.5)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.models.load_model(tmp_path / "model.keras")):
        np.testing.assert_array_equal(one(GREY), one(GREY, training=False))
        assert np.abs(one(GREY, training=True) - one(GREY, training=False)).max() > 1e-4
