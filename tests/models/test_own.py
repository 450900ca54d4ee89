"""A function of somebody's own in place of a model, and what is said where it does not fit."""

import numpy as np
import pytest

from pipeline import models
from pipeline.models import ModelError

SHAPE, CLASSES = (4, 4, 1), 3
NETS = """
import keras
from keras import layers

def build_model():
    return keras.Sequential([layers.Input((4, 4, 1)), layers.Rescaling(1 / 255),
                             layers.Flatten(), layers.Dense(3, activation="softmax")])

def sized(input_shape, num_classes, units=5):
    inputs = keras.Input(input_shape, dtype="uint8")
    hidden = layers.Dense(units)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs)))
    return keras.Model(inputs, layers.Softmax()(layers.Dense(num_classes)(hidden)))

def unbuilt():
    return keras.Sequential([layers.Flatten(), layers.Dense(3)])

def too_wide():
    return keras.Sequential([layers.Flatten(), layers.Dense(10)])

def of_marks():
    return keras.Sequential([layers.Flatten(), layers.Dense(3, activation="sigmoid")])

def no_model():
    return "a model"

def needs_more(depth):
    return depth

def breaks():
    return 1 / 0

constant = 3
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("nets") / "mine.py"
    path.write_text(NETS, encoding="utf-8")
    return path


def _built(file, function, seed=0):
    name = f"{file}:{function}"
    return models.build(name, models.own_section(name), SHAPE, CLASSES, seed)


@pytest.mark.parametrize(
    ("function", "parameters"), [("build_model", 51), ("sized", 85 + 18), ("unbuilt", 51)]
)
def test_logits_stand_before_a_softmax_whatever_the_function_ends_in(file, function, parameters):
    import keras

    net = _built(file, function)
    images = np.arange(32, dtype=np.uint8).reshape(2, *SHAPE)
    logits = keras.Model(net.input, net.get_layer("logits").output)(images).numpy()
    assert net.count_params() == parameters
    assert not np.allclose(logits.sum(1), 1) and logits.std() > 0
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(net(images).numpy(), expected, rtol=1e-5)


def test_probabilities_are_those_of_the_function(file):
    import keras

    net = _built(file, "build_model")
    space: dict = {}
    exec(NETS, space)
    theirs = space["build_model"]()
    theirs.set_weights(net.get_weights())
    images = np.arange(32, dtype=np.uint8).reshape(2, *SHAPE)
    expected = keras.ops.convert_to_numpy(theirs(images.astype("float32")))
    np.testing.assert_allclose(net(images).numpy(), expected, rtol=1e-5)


def test_the_seed_gives_the_weights(file):
    first, again, other = (_built(file, "build_model", seed).get_weights()[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("resnet", r"no function 'resnet' in the file. It has: build_model, sized, unbuilt, "),
        ("constant", "no function 'constant'"),
        ("too_wide", r"from \(4, 4, 1\) to \(10,\), expected from \(4, 4, 1\) to \(3,\)"),
        ("of_marks", "activation 'sigmoid', expected softmax or none"),
        ("no_model", "got a str, expected a keras.Sequential"),
        ("needs_more", "needs depth, expected a function of input_shape and num_classes"),
        ("breaks", "the function fails: ZeroDivisionError: division by zero"),
    ],
)
def test_what_does_not_fit_is_said(file, function, said):
    with pytest.raises(ModelError, match=said):
        _built(file, function)


def test_a_file_that_is_missing_or_broken_is_said(tmp_path):
    with pytest.raises(ModelError, match=r"none.py:build_model: cannot be read \(No such file"):
        models.own_section(f"{tmp_path}/none.py:build_model")
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name", encoding="utf-8")
    with pytest.raises(ModelError, match=r"the file fails: ModuleNotFoundError: No module"):
        _built(broken, "build_model")


def test_another_version_of_the_file_is_another_section(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("a = 1", encoding="utf-8")
    before = models.own_section(f"{path}:build_model")
    path.write_text("a = 2", encoding="utf-8")
    assert models.own_section(f"{path}:build_model") != before
    assert models.own_section("dense") is None
