"""The clean gap against the one of Keras' history, and the learning rate."""

import pandas as pd
import pytest

from pipeline.plots import running


def history() -> pd.DataFrame:
    rows = [
        (0, 1, "running", 2.0, 0.30, 0.5, 1e-2), (0, 1, "probe", 1.0, 0.60, None, None),
        (0, 1, "val", 1.2, 0.55, None, None),
        (0, 2, "running", 1.5, 0.50, 0.4, 1e-4), (0, 2, "probe", 0.4, 0.90, None, None),
        (0, 2, "val", 0.9, 0.70, None, None),
    ]  # fmt: skip
    columns = ["seed", "epoch", "split", "loss", "accuracy", "penalty", "learning_rate"]
    return pd.DataFrame(rows, columns=columns)


def gap(metric: str, split: str) -> list[float]:
    table = running.gaps(history(), metric)
    return list(table.loc[table["split"] == split, "gap"])


def test_the_clean_gap_is_validation_minus_probe() -> None:
    assert gap("loss", "probe") == pytest.approx([0.2, 0.5])


def test_keras_adds_the_penalty_to_its_validation_loss() -> None:
    assert gap("loss", "running") == pytest.approx([1.2 + 0.5 - 2.0, 0.9 + 0.4 - 1.5])


def test_gaps_in_accuracy_are_positive_when_validation_is_worse() -> None:
    assert gap("accuracy", "probe") == pytest.approx([0.05, 0.2])
    assert gap("accuracy", "running") == pytest.approx([-0.25, -0.2])


def test_a_model_without_running_scores_is_left_out(problems) -> None:
    both = {"cnn": history(), "ensemble": history().query("split != 'running'")}
    assert len(running.running_gap(both, "en").axes) == 1
    assert problems(running.running_gap({"ensemble": both["ensemble"]}, "en")) == []


def test_negative_gaps_are_not_cut_off() -> None:
    figure = running.running_gap({"cnn": history()}, "en")
    assert figure.axes[0].get_ylim()[0] < -0.3


def test_models_of_equal_rates_share_a_line_and_large_ranges_are_logarithmic() -> None:
    other = history().assign(learning_rate=1e-3)
    figure = running.learning_rate({"a": history(), "b": history(), "c": other}, "en")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a, b", "c"]
    axes = figure.axes[0]
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1e-2, 1e-4], [1e-3, 1e-3]]
    assert axes.get_yscale() == "log"
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "0.001" in labels and not any("$" in label for label in labels)


def test_who_stops_earlier_shares_the_line() -> None:
    figure = running.learning_rate({"long": history(), "short": history().query("epoch < 2")}, "en")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["long, short"]


def test_a_constant_rate_is_drawn_on_a_plain_axis() -> None:
    table = history().assign(learning_rate=1e-3)
    assert running.learning_rate({"a": table}, "en").axes[0].get_yscale() == "linear"
