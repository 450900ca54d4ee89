"""Grad-CAM on flat, nested, sequential and loaded models; what it refuses; and its sanity check."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.explain import ExplainError, MapLayer, default_layer, grad_cam, layers, upscaled

keras = pytest.importorskip("keras")

SHAPE = (12, 12, 1)


def images(count: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def flat(classes: int = 3) -> Any:
    """Contract of our models: uint8 in, layers "logits" and "probabilities" last."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE, dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(4, 3, name="conv_1")(x)
    x = keras.layers.Activation("relu", name="relu_1")(x)
    x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Conv2D(6, 3, activation="relu", name="conv_2")(x)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = keras.layers.Conv2D(5, 1, name="pixel")(x)
    logits = keras.layers.Dense(classes, name="logits")(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Softmax(name="probabilities")(logits), name="flat")


def nested() -> Any:
    """A backbone inside a model, as in efficientnet, with the weights of `flat`."""
    whole = flat()
    features = whole.get_layer("pixel").output
    backbone = keras.Model(whole.inputs[0], features, name="backbone")
    inputs = keras.Input(SHAPE, dtype="uint8")
    logits = whole.get_layer("logits")(keras.layers.Flatten()(backbone(inputs)))
    return keras.Model(inputs, whole.get_layer("probabilities")(logits), name="nested")


def sequential(with_input: bool) -> Any:
    keras.utils.set_random_seed(0)
    body = [
        keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    return keras.Sequential([keras.Input(SHAPE), *body] if with_input else body)


def classic(model: Any, pictures: np.ndarray, layer: str, classes: np.ndarray) -> np.ndarray:
    """The textbook way, which works on flat models only."""
    import tensorflow as tf

    outputs = [model.get_layer(layer).output, model.get_layer("logits").output]
    both = keras.Model(model.inputs[0], outputs)
    with tf.GradientTape() as tape:
        features, logits = both(pictures)
        score = tf.gather(logits, classes, batch_dims=1) - tf.reduce_mean(logits, axis=-1)
    weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2), keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * features, -1)).numpy()
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)


def test_layers_are_listed_in_order_with_sizes_and_without_single_pixels() -> None:
    expected = [MapLayer("conv_1", 10, 10), MapLayer("relu_1", 10, 10), MapLayer("conv_2", 3, 3)]
    assert layers(flat()) == expected
    assert layers(nested(), SHAPE) == expected


def test_the_default_prefers_maps_of_at_least_four_by_four() -> None:
    assert default_layer(flat()) == MapLayer("relu_1", 10, 10)
    small = keras.Sequential(
        [keras.Input((5, 5, 1)), keras.layers.Conv2D(2, 3, name="only"), keras.layers.Flatten()]
    )
    assert default_layer(small) == MapLayer("only", 3, 3)


def test_maps_equal_the_classic_method_on_a_flat_model() -> None:
    model, classes = flat(), np.array([0, 1, 2])
    for layer in ("relu_1", "conv_2"):
        expected = classic(model, images(), layer, classes)
        found = grad_cam(model, images(), classes, layer)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert found.dtype == np.float32 and found.max() <= 1 and found.min() >= 0


def test_nested_and_flat_models_of_equal_weights_give_equal_maps() -> None:
    pictures, classes = images(), np.array([2, 0, 1])
    maps = [grad_cam(model, pictures, classes, "relu_1") for model in (flat(), nested())]
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-5)


def test_maps_survive_saving_and_loading(tmp_path: Path) -> None:
    for number, model in enumerate((flat(), nested(), sequential(True))):
        before = grad_cam(model, images())
        model.save(tmp_path / f"{number}.keras")
        after = grad_cam(keras.models.load_model(tmp_path / f"{number}.keras"), images())
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_sequential_models_work_with_and_without_input_layer() -> None:
    with_input, without = sequential(True), sequential(False)
    without(images().astype("float32"))
    without.set_weights(with_input.get_weights())
    maps = [grad_cam(model, images(), [0, 1, 2]) for model in (with_input, without)]
    assert maps[0].shape == (3, 10, 10)
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-6)


def test_predicted_classes_are_explained_by_default_and_batches_change_nothing() -> None:
    model, pictures = flat(), images(5)
    predicted = np.asarray(model(pictures)).argmax(axis=1)
    expected = grad_cam(model, pictures, predicted)
    np.testing.assert_array_equal(grad_cam(model, pictures), expected)
    np.testing.assert_allclose(grad_cam(model, pictures, batch_size=2), expected, atol=1e-6)


def test_the_logit_is_explained_so_that_a_sure_model_still_has_a_map() -> None:
    model = flat()
    logits = model.get_layer("logits")
    kernel, bias = logits.get_weights()
    sure = bias + np.array([500, 0, 0], dtype=np.float32)
    classes = [0, 0, 0]
    before = grad_cam(model, images(), classes)
    logits.set_weights([kernel, sure])
    assert np.asarray(model(images()))[:, 0].tolist() == [1, 1, 1]
    np.testing.assert_allclose(grad_cam(model, images(), classes), before, atol=1e-6)


def test_what_all_logits_have_in_common_changes_no_map() -> None:
    """Softmax gives the same probabilities then, so the explanation must be the same too."""
    model = flat()
    logits = model.get_layer("logits")
    kernel, bias = logits.get_weights()
    before = grad_cam(model, images(), [0, 1, 2]), np.asarray(model(images()))
    common = np.random.default_rng(1).normal(size=(len(kernel), 1)).astype(np.float32)
    logits.set_weights([kernel + common, bias])
    np.testing.assert_allclose(np.asarray(model(images())), before[1], atol=1e-5)
    np.testing.assert_allclose(grad_cam(model, images(), [0, 1, 2]), before[0], atol=1e-4)


def test_the_model_is_as_before() -> None:
    model = flat()
    before = np.asarray(model(images()))
    grad_cam(model, images())
    assert all("call" not in vars(layer) for layer in model.layers)
    np.testing.assert_array_equal(np.asarray(model(images())), before)


def test_no_image_gives_no_map() -> None:
    assert grad_cam(flat(), images(0)).shape == (0, 10, 10)


def test_members_of_an_ensemble_are_averaged() -> None:
    members = [nested(), nested()]
    members[1].get_layer("backbone").set_weights(
        [-weights for weights in members[0].get_layer("backbone").get_weights()]
    )
    members[0].name, members[1].name = "member_1", "member_2"
    inputs = keras.Input(SHAPE, dtype="uint8")
    mean = keras.layers.Average()([member(inputs) for member in members])
    whole = keras.Model(inputs, mean, name="ensemble")
    assert [layer.name for layer in layers(whole)] == ["conv_1", "relu_1", "conv_2"]
    assert grad_cam(whole, images(), [0, 1, 2]).shape == (3, 10, 10)


def test_a_layer_of_single_pixels_is_refused_with_those_that_would_do() -> None:
    with pytest.raises(ExplainError, match=r"'pixel'.*single pixel.*conv_2 \(3x3\)"):
        grad_cam(flat(), images(), layer="pixel")


def test_an_unknown_layer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ExplainError, match=r"no layer 'conv_9'.*conv_1 \(10x10\), relu_1"):
        grad_cam(flat(), images(), layer="conv_9")


def test_a_dense_model_is_refused_in_plain_words() -> None:
    dense = keras.Sequential(
        [keras.Input(SHAPE), keras.layers.Flatten(), keras.layers.Dense(3)], name="dense"
    )
    assert layers(dense) == []
    with pytest.raises(ExplainError, match=r"'dense' has no convolution.*cnn or efficientnet"):
        grad_cam(dense, images())


def test_a_model_whose_maps_are_all_one_pixel_is_refused() -> None:
    tiny = keras.Sequential(
        [keras.Input((3, 3, 1)), keras.layers.Conv2D(2, 3, name="c"), keras.layers.Flatten()],
        name="tiny",
    )
    with pytest.raises(ExplainError, match=r"single pixel \(c \(1x1\)\).*image_size"):
        grad_cam(tiny, np.zeros((1, 3, 3, 1)))


def test_upscaled_keeps_corners_flat_areas_and_the_mean() -> None:
    maps = np.array([[[0.0, 1.0], [0.5, 0.5]]])
    large = upscaled(maps, 4, 6)
    assert large.shape == (1, 4, 6) and large.dtype == np.float32
    assert large[0, 0, 0] == 0 and large[0, 0, -1] == 1 and large[0, -1, 0] == 0.5
    assert large.mean() == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_array_equal(upscaled(np.ones((2, 1, 1)), 3, 3), np.ones((2, 3, 3)))
    np.testing.assert_allclose(upscaled(maps, 2, 2), maps)


def test_upscaled_equals_tensorflow() -> None:
    import tensorflow as tf

    maps = np.random.default_rng(0).random((2, 4, 5)).astype(np.float32)
    expected = tf.image.resize(maps[..., None], (9, 15))[..., 0]
    np.testing.assert_allclose(upscaled(maps, 9, 15), expected, atol=1e-6)


@pytest.fixture(scope="module")
def trained() -> tuple[Any, np.ndarray, np.ndarray]:
    """A small CNN that has learned real digits, and images it is right about."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pictures, labels = data.images[..., None].astype("float32") / 16, data.target
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(12, 3, activation="relu", padding="same", name="conv_1")(inputs)
    x = keras.layers.Conv2D(12, 3, activation="relu", padding="same", name="conv_2")(x)
    x = keras.layers.Dense(32, activation="relu")(keras.layers.Flatten()(x))
    logits = keras.layers.Dense(10, name="logits")(x)
    model = keras.Model(inputs, keras.layers.Softmax()(logits))
    model.compile(
        keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(pictures[:1200], labels[:1200], batch_size=32, epochs=4, verbose=0)
    held, true = pictures[1200:], labels[1200:]
    right = np.asarray(model(held)).argmax(axis=1) == true
    assert right.mean() > 0.8
    return model, held[right][:40], true[right][:40]


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    from scipy.stats import spearmanr

    pairs = zip(first, second, strict=True)
    return float(np.mean([spearmanr(a.ravel(), b.ravel()).statistic for a, b in pairs]))


def test_sanity_randomised_weights_change_the_map(
    trained: tuple[Any, np.ndarray, np.ndarray],
) -> None:
    """Adebayo et al. 2018: a map that stays when weights are random shows edges, not reasons."""
    model, pictures, labels = trained
    learned = grad_cam(model, pictures, labels)
    same = grad_cam(model, pictures, labels)
    randomised = keras.models.clone_model(model)
    maps = grad_cam(randomised, pictures, labels)
    alive = (maps.max(axis=(1, 2)) > 0) & (learned.max(axis=(1, 2)) > 0)
    assert alive.sum() >= 20
    assert rank_correlation(learned[alive], same[alive]) == pytest.approx(1)
    assert rank_correlation(learned[alive], maps[alive]) < 0.5


def test_maps_of_different_classes_differ(trained: tuple[Any, np.ndarray, np.ndarray]) -> None:
    model, pictures, labels = trained
    own, other = (grad_cam(model, pictures, classes) for classes in (labels, (labels + 1) % 10))
    alive = (own.max(axis=(1, 2)) > 0) & (other.max(axis=(1, 2)) > 0)
    assert rank_correlation(own[alive], other[alive]) < 0.5


@pytest.mark.parametrize("name", ["cnn", "efficientnet"])
def test_our_own_models_have_maps(name: str) -> None:
    from pipeline.models import build
    from pipeline.params import Models

    shape = (32, 32, 3) if name == "efficientnet" else (28, 28, 1)
    model = build(name, getattr(Models(), name), shape, 10, seed=0)
    found = {layer.name: layer for layer in layers(model)}
    chosen = default_layer(model)
    assert min(chosen.height, chosen.width) >= 4
    if name == "cnn":
        assert chosen == MapLayer("conv_1_relu", 26, 26)
    else:
        assert found["block2b_add"] == MapLayer("block2b_add", 8, 8)
        with pytest.raises(ExplainError, match="single pixel"):
            grad_cam(model, np.zeros((1, *shape), np.uint8), layer="top_conv")
    pictures = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.uint8)
    maps = grad_cam(model, pictures)
    assert maps.shape == (2, chosen.height, chosen.width)
    assert maps.max() == pytest.approx(1)


def test_our_dense_model_is_refused() -> None:
    from pipeline.models import build
    from pipeline.params import Models

    with pytest.raises(ExplainError, match="no convolution"):
        default_layer(build("dense", Models().dense, (8, 8, 1), 10, seed=0))
