"""Image grids: which images, in which order, with which words under them."""

import numpy as np
import pytest

from pipeline.plots import examples

NAMES = ("cat", "dog", "ship")
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.004, 0.996, 0], [0.0, 1.0, 0.0], [0.2, 0.5, 0.3]]
)
LABELS = np.array([0, 1, 0, 2, 2])
IMAGES = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4, 1)


def captions(figure) -> list[list[str]]:
    return [[text.get_text() for text in axes.texts] for axes in figure.axes if axes.images]


def pixels(figure) -> list[int]:
    return [int(axes.images[0].get_array().min()) for axes in figure.axes if axes.images]


def test_mistakes_are_the_wrong_answers_most_confident_first() -> None:
    table = examples.mistakes(PROBABILITIES, LABELS)
    assert table["image"].tolist() == [3, 2, 1, 4]
    assert table["predicted"].tolist() == [1, 1, 2, 1]
    assert table["probability_predicted"].tolist() == [1, 0.996, 0.6, 0.5]
    assert table["probability_true"].tolist() == [0, 0.004, 0.3, 0.3]


def test_both_classes_and_both_probabilities_stand_under_each_image() -> None:
    table = examples.mistakes(PROBABILITIES, LABELS)
    figure = examples.misclassified(table, IMAGES, NAMES, "en")
    assert pixels(figure) == [3 * 16, 2 * 16, 16, 4 * 16]
    assert captions(figure)[:3] == [
        ["✗ dog 100%", "✓ ship 0%"],
        ["✗ dog >99%", "✓ cat <1%"],
        ["✗ ship 60%", "✓ dog 30%"],
    ]


def test_only_as_many_as_asked_for_are_shown() -> None:
    table = examples.mistakes(PROBABILITIES, LABELS)
    assert len(pixels(examples.misclassified(table, IMAGES, NAMES, "en", num_examples=2))) == 2


def test_no_mistake_is_an_empty_figure_and_a_sentence(problems) -> None:
    none = examples.mistakes(np.eye(3), [0, 1, 2])
    assert problems(examples.misclassified(none, IMAGES, NAMES, "en")) == []


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0, "0%"),
        (1e-9, "<1%"),
        (0.01, "1%"),
        (0.5, "50%"),
        (0.99, "99%"),
        (0.999, ">99%"),
        (1, "100%"),
    ],
)
def test_a_probability_is_never_rounded_to_certainty(share: float, said: str) -> None:
    assert examples.percent(share) == said


def test_augmented_samples_start_with_the_originals() -> None:
    bright = IMAGES[:3].astype(float) + 300
    figure = examples.augmented(IMAGES[:3], {"bright": bright}, "en")
    assert pixels(figure) == [0, 16, 32, 255, 255, 255]
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["original", "bright"]


def test_grey_images_are_grey_and_colour_stays() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    examples.draw_image(axes, IMAGES[0])
    examples.draw_image(axes, np.zeros((4, 4, 3), np.uint8))
    assert [image.get_array().shape for image in axes.images] == [(4, 4), (4, 4, 3)]
    assert axes.images[0].get_clim() == (0, 255)
