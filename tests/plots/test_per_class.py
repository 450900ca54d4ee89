"""Scores by class: order, gap, flags, and what is left out where there are many."""

import numpy as np
import pandas as pd
import pytest

from pipeline.plots import per_class, style


def scores(classes: int = 3) -> pd.DataFrame:
    rows = []
    for number in range(classes):
        held = 0.9 - 0.8 * number / classes
        for split, f1 in (("probe", 0.95), ("test", held)):
            rows.append(
                {
                    "class_name": f"c{number}", "split": split, "f1": f1, "f1_low": f1 - 0.1,
                    "f1_high": f1 + 0.02, "class_gap": 0.95 - held, "class_gap_low": 0.85 - held,
                    "class_gap_high": 1.0 - held, "flagged": number == classes - 1,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_the_weakest_class_stands_first() -> None:
    table = per_class.by_class(scores(), "test", "probe")
    assert table.index.tolist() == ["c2", "c1", "c0"]
    assert table["f1_fit"].tolist() == [0.95] * 3
    assert table["gap"].to_list() == pytest.approx([0.95 - f1 for f1 in table["f1_held"]])
    assert table["flagged"].tolist() == [True, False, False]


def test_the_gap_may_stand_on_either_split_or_be_missing() -> None:
    on_probe = scores()
    on_probe.loc[on_probe["split"] == "test", "class_gap"] = np.nan
    expected = per_class.by_class(scores(), "test", "probe")["gap"]
    pd.testing.assert_series_equal(
        per_class.by_class(on_probe, "test", "probe")["gap"], expected, check_exact=False
    )
    bare = scores()[["class_name", "split", "f1"]]
    table = per_class.by_class(bare, "test", "probe")
    assert table["gap"].to_list() == pytest.approx(expected.to_list())
    assert not table["flagged"].any() and table["gap_low"].isna().all()


def test_up_to_twenty_classes_are_all_named(problems) -> None:
    figure = per_class.per_class(scores(20), "en")
    assert len(figure.axes) == 2
    assert len(figure.axes[0].get_yticklabels()) == 20
    assert problems(figure) == []


def test_of_more_the_twenty_weakest_are_named_and_all_are_ranked(problems) -> None:
    figure = per_class.per_class(scores(50), "en")
    ranked, named, _ = figure.axes
    assert [label.get_text() for label in named.get_yticklabels()][:2] == ["c49", "c48"]
    assert len(named.get_yticklabels()) == 20
    assert len(ranked.lines[0].get_xdata()) == 50
    assert "the 20 weakest of 50" in figure.texts[0].get_text()
    assert problems(figure) == []


def test_flagged_classes_are_in_the_colour_of_warning() -> None:
    figure = per_class.per_class(scores(), "en")
    colours = figure.axes[1].collections[-1].get_facecolors()
    from matplotlib.colors import to_rgba

    assert [tuple(colour) for colour in colours] == [
        to_rgba(style.BAD), to_rgba(style.GOOD), to_rgba(style.GOOD),
    ]  # fmt: skip


def test_a_class_without_score_is_no_error(problems) -> None:
    table = scores()
    table.loc[0:1, ["f1", "f1_low", "f1_high", "class_gap"]] = np.nan
    assert problems(per_class.per_class(table, "ja")) == []
