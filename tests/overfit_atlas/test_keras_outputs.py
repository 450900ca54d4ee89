"""What a model's outputs are, from its losses, its names and its values."""

import keras
import numpy as np
import pytest

from overfit_atlas import keras_outputs
from overfit_atlas.keras_outputs import Head, Reading, chosen, class_numbers, compiled_loss
from overfit_atlas.scoring.fits import InvalidFit

ONE, TWO = np.zeros((3, 2)), np.ones((3, 4, 1))


class Model:
    """What is asked of a Keras model."""

    def __init__(self, loss=None, names=None):
        self.loss = loss
        if names:
            self.output_names = names


def test_the_output_that_is_judged_is_taken_by_name_or_place():
    model = Model(names=["small", "large"])
    assert np.array_equal(chosen(model, [ONE, TWO], "large"), np.ones((3, 4)))
    assert np.array_equal(chosen(model, (ONE, TWO), 0), ONE)
    assert np.array_equal(chosen(Model(), [ONE, TWO], 1), np.ones((3, 4)))
    assert np.array_equal(chosen(model, {"a": ONE, "b": TWO}, "a"), ONE)
    assert np.array_equal(chosen(model, ONE, None), ONE)


@pytest.mark.parametrize("outputs", [{"a": ONE, "b": TWO}, [ONE, TWO]])
def test_of_several_outputs_one_must_be_named(outputs):
    model = Model(names=["a", "b"])
    with pytest.raises(InvalidFit, match=r"\['a', 'b'\]; say which is judged: output='a'; got No"):
        chosen(model, outputs, None)


def test_the_loss_of_an_output_stands_at_its_name_or_place():
    assert compiled_loss(Model("mse"), None) == "mse"
    assert compiled_loss(Model({"a": "mse", "b": "mae"}), "b") == "mae"
    several = Model(["mse", "mae"], ["a", "b"])
    assert [compiled_loss(several, one) for one in ("a", "b", 1, 2, "c")] == [
        "mse", "mae", "mae", None, None,
    ]  # fmt: skip
    assert compiled_loss(object(), None) is None


def test_class_numbers_are_had_from_every_form_of_labels():
    hot = np.eye(3)[[2, 0, 1]]
    for labels in (hot, np.array([[2], [0], [1]]), np.array([2.0, 0.0, 1.0])):
        assert class_numbers(labels).tolist() == [2, 0, 1]


def _is_logits(outputs, labels, loss, **options):
    return Head.of(Model(loss), np.array(outputs), [np.array(labels)], Reading(**options))


@pytest.mark.parametrize(
    ("outputs", "loss", "logits"),
    [
        ([[0.2, 0.8], [0.5, 0.5]], "sparse_categorical_crossentropy", False),
        ([[0.2, 0.9], [0.5, 0.5]], "sparse_categorical_crossentropy", True),
        ([[-2.0, 3.0], [0.5, 0.5]], None, True),
        ([[0.2, np.nan], [0.5, 0.5]], None, False),
        ([[0.2], [0.9]], "binary_crossentropy", False),
        ([[-0.2], [0.9]], "binary_crossentropy", True),
        ([[0.2, 0.8], [0.5, 0.5]], keras.losses.BinaryCrossentropy(from_logits=True), True),
    ],
)
def test_logits_are_known_by_the_loss_or_by_their_values(outputs, loss, logits):
    assert _is_logits(outputs, [0, 1], loss).from_logits is logits
    assert _is_logits(outputs, [0, 1], loss, from_logits=not logits).from_logits is not logits


def test_marks_need_a_column_each():
    marks = np.array([[1, 1, 0], [0, 1, 0]])
    head = Head.of(Model("binary_crossentropy"), np.full((2, 3), 0.5), [marks], Reading())
    assert head.marks
    with pytest.raises(InvalidFit, match="2 output columns for marks of shape"):
        Head.of(Model("binary_crossentropy"), np.full((2, 2), 0.5), [marks], Reading())


def test_who_guesses_marks_knows_how_often_each_is_set():
    marks = np.array([[1, 0], [1, 0], [0, 0], [1, 1]])
    head = Head.of(Model("binary_crossentropy"), np.full((4, 2), 0.5), [marks], Reading())
    loss, accuracy = head.facts(marks, 2).guess
    quarter = -0.25 * np.log(0.25) - 0.75 * np.log(0.75)
    assert loss == pytest.approx(quarter)  # of shares 3/4 and 1/4
    assert accuracy == pytest.approx(0.5)  # of rows, [1, 0]


def test_a_loss_is_known_by_name_whatever_it_is():
    assert keras_outputs.loss_name("Binary_Crossentropy") == "binary_crossentropy"
    assert "focal" in keras_outputs.loss_name(keras.losses.BinaryFocalCrossentropy())
    assert keras_outputs.loss_name(keras.losses.mean_squared_error).startswith("mean_squared")
