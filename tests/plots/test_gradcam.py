"""The Grad-CAM figure: wrong answers left with two maps, right ones on the other side with one."""

import numpy as np
import pandas as pd

from pipeline.plots import gradcam

NAMES = ("cat", "dog")
TABLE = pd.DataFrame(
    {"image": [0, 1], "true": [0, 1], "predicted": [1, 1], "probability_true": [0.2, 0.9],
     "probability_predicted": [0.8, 0.9]}
)  # fmt: skip
IMAGES = np.full((2, 8, 8, 1), 90, np.uint8)
HEAT = np.linspace(0, 1, 32).reshape(2, 4, 4)


def drawn(of_true: np.ndarray = HEAT) -> list[list[str]]:
    figure = gradcam.grad_cam(TABLE, (IMAGES, of_true, HEAT[::-1]), NAMES, "en", "conv_1 (4x4)")
    assert any("conv_1 (4x4)" in text.get_text() for text in figure.texts)
    return [[text.get_text() for text in axes.texts] for axes in figure.axes if axes.images]


def test_wrong_answers_show_both_classes_and_right_ones_their_own() -> None:
    assert drawn() == [["cat"], ["✓ cat 20%"], ["✗ dog 80%"], ["dog"], ["✓ dog 90%"]]


def test_an_empty_map_is_said_to_be_empty() -> None:
    assert set(drawn(0 * HEAT)[1]) == {"✓ cat 20%", "(nothing speaks for it)"}


def test_only_right_or_only_wrong_answers_are_no_error(problems) -> None:
    for rows in ([0], [1], []):
        some = TABLE.iloc[rows], (IMAGES[rows], HEAT[rows], HEAT[rows])
        assert problems(gradcam.grad_cam(*some, NAMES, "ja", "conv_1")) == []


def test_the_map_covers_the_whole_image() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    gradcam.draw_overlay(axes, IMAGES[0], HEAT[0])
    image, heat = axes.images
    assert list(image.get_extent()) == list(heat.get_extent()) == [0, 8, 8, 0]
    assert heat.get_clim() == (0, 1)
