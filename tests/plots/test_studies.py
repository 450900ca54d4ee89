"""Importance, Pareto front, double descent."""

import numpy as np
import pandas as pd
import pytest

from pipeline.plots import studies


def test_the_most_important_comes_first_and_the_evaluator_is_named() -> None:
    rows = [("A", "dropout", 0.2), ("A", "width", 0.7), ("B", "dropout", 0.9), ("B", "width", 0.1)]
    table = pd.DataFrame(rows, columns=["evaluator", "parameter", "importance"])
    figure = studies.importances(table, "en", "val_loss")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["width", "dropout"]
    assert [bar.get_width() for bar in axes.patches] == [0.7, 0.2, 0.1, 0.9]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["A", "B"]
    assert "validation loss" in figure.texts[0].get_text()


def trials(*pairs: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["val_loss", "gap_loss"]).assign(dropout=0.1)


def test_the_front_holds_what_nothing_else_beats_in_both() -> None:
    table = trials((0.5, 0.9), (0.6, 0.2), (0.7, 0.3), (0.8, 0.1), (0.6, 0.4))
    front = studies.pareto_front(table)
    assert front[["val_loss", "gap_loss"]].values.tolist() == [[0.5, 0.9], [0.6, 0.2], [0.8, 0.1]]


def test_a_negative_gap_is_noise_and_wins_nothing() -> None:
    front = studies.pareto_front(trials((0.5, 0.0), (0.9, -0.3)))
    assert front["val_loss"].tolist() == [0.5]


def test_trials_without_scores_are_left_out_and_far_ones_are_counted() -> None:
    near = [(0.5 + 0.01 * n, 0.1 + 0.01 * n) for n in range(10)]
    figure = studies.pareto(trials(*near, (90.0, 0.1), (np.nan, 0.1)), "en")
    assert figure.axes[0].get_xlim()[1] < 1
    assert any("far off: 1." in text.get_text().replace("\n", " ") for text in figure.texts)


def test_no_finished_trial_is_no_error(problems) -> None:
    assert problems(studies.pareto(trials((np.nan, np.nan)), "en")) == []


def descent(noises: tuple[float, ...]) -> pd.DataFrame:
    rows = [(n, w, 0.5 / w, np.nan, 0.6 / w, 0.01) for n in noises for w in (1, 2, 4)]
    columns = ["label_noise", "width", "probe_error", "probe_error_se", "val_error", "val_error_se"]
    return pd.DataFrame(rows, columns=columns)


def test_each_label_noise_has_a_panel_with_probe_and_validation() -> None:
    figure = studies.double_descent(descent((0.0, 0.2)), "en")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["0% wrong labels",
                                                                    "20% wrong labels"]  # fmt: skip
    probe, val = figure.axes[0].lines
    assert probe.get_ydata() == pytest.approx([0.5, 0.25, 0.125])
    assert val.get_ydata() == pytest.approx([0.6, 0.3, 0.15])
    assert probe.get_linestyle() == "-" and val.get_linestyle() == "--"


def test_the_interpolation_threshold_is_marked_and_the_result_said() -> None:
    found = pd.DataFrame(
        {"label_noise": [0.0, 0.2], "interpolation_width": [2, np.nan],
         "status": ["observed", "not observed in this range"]}
    )  # fmt: skip
    left, right = studies.double_descent(descent((0.0, 0.2)), "en", found).axes
    assert left.lines[-1].get_xdata() == [2, 2] and len(right.lines) == 2
    assert left.get_title(loc="left").endswith("\ndouble descent")
    assert right.get_title(loc="left").endswith("\nno double descent")


def test_not_reached_anywhere_is_no_error(problems) -> None:
    found = pd.DataFrame(
        {"label_noise": [0.0], "interpolation_width": [None], "status": ["undetermined"]}
    )
    assert problems(studies.double_descent(descent((0.0,)), "en", found)) == []
