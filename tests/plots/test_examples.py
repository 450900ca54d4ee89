"""Image grids: which images, in which order, with which words under them."""

import numpy as np
import pandas as pd
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
    said = examples.misclassified_finding(none, NAMES, "en")
    assert said == "On test, no image is classified wrongly."


def test_the_finding_is_the_most_confident_mistake() -> None:
    table = examples.mistakes(PROBABILITIES, LABELS)
    said = examples.misclassified_finding(table, NAMES, "en")
    assert said.endswith("ship (given 0%) taken for dog (given 100%).")


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


def learned() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": range(5), "forgotten": [0, 2, 0.5, 0, 1], "mean_loss": [0.1, 1, 3, 5, 0.2],
            "never_learned": [False, False, False, True, False],
            "learned_epoch": [1, 4, 6, np.nan, 2], "num_seeds": 2,
        }
    )  # fmt: skip


def test_the_most_forgotten_come_first_and_the_never_forgotten_not_at_all() -> None:
    figure = examples.hard_images(learned(), IMAGES, ["cat"] * 5, "en")
    assert pixels(figure) == [16, 4 * 16, 2 * 16]
    assert captions(figure)[0] == ["cat", "forgotten 4× in 2 fits"]


def test_the_hardest_have_the_highest_mean_loss_and_say_when_they_were_learned() -> None:
    figure = examples.hard_images(learned(), IMAGES, list("abcde"), "en", "mean_loss", 2)
    assert captions(figure) == [["d", "never learned"], ["c", "learned at 6"]]


def test_hard_images_finding_counts() -> None:
    said = examples.hard_images_finding(learned(), "en")
    assert said.startswith("Of 5 training images examined, 1 were never learned and 3 were")


def test_pairs_show_only_the_images_of_that_pair() -> None:
    pairs = pd.DataFrame({"true": [2, "cat"], "predicted": [1, "dog"], "count": [2, 1],
                          "rate": [1.0, 0.5], "low": [0.3, 0.1], "high": [1.0, 0.9]})  # fmt: skip
    table = examples.mistakes(PROBABILITIES, LABELS)
    figure = examples.confused_pairs(pairs, table, IMAGES, NAMES, "en")
    assert pixels(figure) == [3 * 16, 4 * 16, 2 * 16]
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == ["ship", "→ dog", "100% of the class, 2 times\ninterval 30% to 100%"]


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
