"""Variants side by side, remedies, amount of data, ensemble."""

import itertools

import numpy as np
import pandas as pd
import pytest

from pipeline.plots import comparison, style


def history(level: float) -> pd.DataFrame:
    rows = [
        (seed, epoch, split, level / epoch, 0.5)
        for seed, epoch, split in itertools.product((0, 1), (1, 2, 3), ("probe", "val"))
    ]
    return pd.DataFrame(rows, columns=["seed", "epoch", "split", "loss", "accuracy"])


def variants(count: int) -> dict[str, pd.DataFrame]:
    return {"base": history(1), **{f"v{n}": history(2 + n) for n in range(count)}}


def test_a_few_variants_are_overlaid_with_the_baseline_in_grey() -> None:
    figure = comparison.comparison(variants(3), "en", "base")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Accuracy"]
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert len(colours) == 8 and colours[:2] == [style.BASELINE_COLOUR] * 2


def test_many_variants_get_a_panel_each_over_the_baseline() -> None:
    kinds = {"v0": "cures", "v1": "no effect"}
    figure = comparison.comparison(variants(7), "en", "base", kinds=kinds)
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == [f"v{n}" for n in range(7)]
    first = [line.get_color() for line in shown[0].lines]
    assert first[1] == first[3] == style.KINDS["cures"][0]
    assert shown[1].lines[1].get_color() == style.KINDS["no_effect"][0]
    assert shown[0].lines[0].get_ydata().tolist() == pytest.approx([1, 0.5, 1 / 3])
    assert shown[0].get_ylim() == shown[6].get_ylim()


def effects() -> pd.DataFrame:
    rows = [
        ("weak", "val_accuracy", 0.001, -0.01, 0.01, "no effect"),
        ("good", "val_accuracy", 0.02, 0.01, 0.03, "cures"),
        ("best", "val_accuracy", 0.05, 0.04, 0.06, "cures"),
        ("bad", "val_accuracy", -0.05, -0.06, -0.04, "harms"),
        ("good", "gap_loss", -0.2, -0.3, -0.1, "cures"),
        ("best", "gap_loss", -0.1, -0.2, -0.05, "cures"),
    ]
    return pd.DataFrame(rows, columns=["name", "metric", "effect", "low", "high", "kind"])


def test_cures_come_first_and_the_largest_of_them_on_top() -> None:
    figure = comparison.remedies(effects(), "en", "Large")
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["best", "good", "bad", "weak"]
    markers = [line.get_marker() for line in figure.axes[0].lines[1:]]
    assert markers == ["o", "o", "X", "o"]
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines[1:]]
    assert faces[0] == style.KINDS["cures"][0] and faces[3] == style.PAPER


def test_for_losses_smaller_is_better_and_comes_first() -> None:
    table = effects().query("metric == 'gap_loss'")
    figure = comparison.remedies(table, "en", "Large")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["good", "best"]


def test_each_panel_says_which_way_is_better() -> None:
    accuracy, gap = comparison.remedies(effects(), "en", "Large").axes
    assert accuracy.get_title() == "better →"
    assert gap.get_title() == "← better"
    assert len(gap.lines) == 3  # zero, and the two remedies with that metric


@pytest.mark.parametrize("kind", ["cures", "improves", "masks", "harms", "no effect", "unclear"])
def test_every_class_of_remedy_has_a_look_and_words(kind: str) -> None:
    from overfit_atlas.words import text

    assert comparison.kind_of(kind) in style.KINDS
    assert text(f"figure.kind.{comparison.kind_of(kind)}", "ja")


def test_beyond_the_data_the_curve_is_dashed_on_grey() -> None:
    points = pd.DataFrame({"num_images": [100, 200], "gap_loss": [1.0, 0.5]})
    images = np.array([100.0, 150, 250, 300, 400])
    fit = pd.DataFrame({"num_images": images, "mean": 1 / images, "low": 0.0, "high": 1.0})
    axes = comparison.data_size(points, fit, "en", formula="gap = 100/n").axes[0]
    inside, beyond = axes.lines[:2]
    assert inside.get_linestyle() == "-" and inside.get_xdata().tolist() == [100, 150, 200]
    assert beyond.get_linestyle() == "--" and beyond.get_xdata().tolist() == [200, 250, 300, 400]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100", "200"]


def test_sizes_too_close_to_be_read_are_not_all_labelled() -> None:
    assert comparison._readable([100, 110, 120, 200, 1600]) == [100, 200, 1600]
