"""Which train images the two atlases show, in which order, with which words under them."""

import numpy as np
import pandas as pd

from pipeline.plots import single_images

IMAGES = np.arange(4 * 16, dtype=np.uint8).reshape(4, 4, 4, 1)
TABLE = pd.DataFrame(
    {
        "class": ["cat", "dog", "ship", "cat"],
        "right_in": [1, 0.9, 1, 1],
        "right_out": [0.5, 0.1, 0.996, 0.002],
        "memorisation": [0.5, 0.8, 0.004, 0.998],
        "low": [0.2, 0.5, -0.1, 0.9],
        "suggested": ["dog", "ship", None, "dog"],
        "suggested_chance": [0.75, 0.2, np.nan, 0.999],
        "rank": [2, 3, np.nan, 1],
    }
)


def captions(figure) -> list[list[str]]:
    return [[text.get_text() for text in axes.texts] for axes in figure.axes if axes.images]


def pixels(figure) -> list[int]:
    return [int(axes.images[0].get_array().min()) for axes in figure.axes if axes.images]


def test_the_most_memorised_come_first_and_those_that_may_not_be_are_left_out() -> None:
    figure = single_images.memorised(TABLE, IMAGES, "en", num_fits=60)
    assert pixels(figure) == [3 * 16, 16, 0]
    assert captions(figure) == [
        ["cat", "in 100% · out <1%"],
        ["dog", "in 90% · out 10%"],
        ["cat", "in 100% · out 50%"],
    ]
    assert figure.texts[0].get_text() == "Train images most learnt by heart (60 fits)"


def test_images_that_are_not_counted_as_memorised_are_not_shown() -> None:
    table = TABLE.assign(memorisation=[0.25, 0.249, 0.004, 0.998], low=[0.1, 0.1, -0.1, 0.9])
    figure = single_images.memorised(table, IMAGES, "en", num_fits=60)
    assert pixels(figure) == [3 * 16, 0]


def test_labels_come_by_rank_and_images_that_no_fit_left_out_do_not() -> None:
    figure = single_images.suspicious(TABLE, IMAGES, "en", num_fits=60)
    assert pixels(figure) == [3 * 16, 0, 16]
    assert captions(figure)[:2] == [["cat", "→ dog >99%"], ["cat", "→ dog 75%"]]


def test_only_as_many_as_asked_for_are_shown_and_none_is_no_error(problems) -> None:
    assert len(pixels(single_images.suspicious(TABLE, IMAGES, "en", 60, num_examples=2))) == 2
    none = TABLE.assign(low=-1.0)
    assert problems(single_images.memorised(none, IMAGES, "en", 60)) == []
