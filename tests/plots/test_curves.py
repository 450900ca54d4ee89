"""Learning curves: what is drawn where, bands, limits that one wild epoch cannot spoil, marks."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pipeline.plots import curves, style


def history(val: list[list[float]], probe: list[list[float]] | None = None) -> pd.DataFrame:
    """One list of losses a seed, by epoch."""
    rows = []
    for split, seeds in (("probe", probe or [[v / 2 for v in losses] for losses in val]),
                         ("val", val)):  # fmt: skip
        for seed, losses in enumerate(seeds):
            for epoch, loss in enumerate(losses, start=1):
                rows.append((seed, epoch, split, loss, 1 / (1 + loss)))
    return pd.DataFrame(rows, columns=["seed", "epoch", "split", "loss", "accuracy"])


def solid(axes):
    return [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata())]


def dashed(axes):
    return [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata())]


def said(figure: Figure) -> str:
    texts = [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]
    texts += [text for axes in figure.axes for text in axes.texts]
    return " | ".join(text.get_text().replace("\n", " ") for text in texts)


def test_solid_is_the_probe_and_dashed_the_validation_in_the_models_colour() -> None:
    table = history([[1.0, 0.6, 0.8]])
    figure = curves.learning_curves({"cnn": table}, "en")
    loss, accuracy = figure.axes
    assert [line.get_ydata().tolist() for line in solid(loss)] == [[0.5, 0.3, 0.4]]
    assert [line.get_ydata().tolist() for line in dashed(loss)] == [[1.0, 0.6, 0.8]]
    assert {line.get_color() for line in loss.lines} == {style.MODEL_COLOURS["cnn"]}
    assert dashed(accuracy)[0].get_ydata() == pytest.approx([0.5, 1 / 1.6, 1 / 1.8])
    assert "nats" in loss.get_ylabel() and loss.get_xlabel() == "Epoch"


def test_the_line_is_the_median_and_the_band_reaches_from_lowest_to_highest() -> None:
    table = history([[1.0, 0.5], [2.0, 0.7], [4.0, 0.6]])
    values = curves.band(table, "val", "loss")
    assert values["mid"].tolist() == [2.0, 0.6]
    assert values["low"].tolist() == [1.0, 0.5]
    assert values["high"].tolist() == [4.0, 0.7]
    assert values["seeds"].tolist() == [3, 3]
    assert "median of 3 seeds" in said(curves.learning_curves({"cnn": table}, "en"))


def test_curves_of_different_lengths_go_on_paler() -> None:
    table = history([[1.0, 0.5, 0.4, 0.3], [2.0, 0.7]])
    axes = curves.learning_curves({"cnn": table}, "en").axes[0]
    whole, rest = dashed(axes)
    assert whole.get_xdata().tolist() == [1, 2] and whole.get_alpha() is None
    assert rest.get_xdata().tolist() == [2, 3, 4] and rest.get_alpha() < 0.5


def test_one_wild_epoch_is_cut_off_and_written_down() -> None:
    calm = [1.0, 0.6, 0.5, 0.5, 0.6, 0.6, 0.7, 0.7]
    wild = [*calm[:4], 40.0, *calm[5:]]
    figure = curves.learning_curves({"cnn": history([wild], [calm])}, "en")
    assert figure.axes[0].get_ylim()[1] < 2
    assert "↑ up to 40" in said(figure)
    plain = curves.learning_curves({"cnn": history([calm])}, "en")
    assert "↑" not in said(plain)


def test_a_lasting_rise_is_shown_whole() -> None:
    rising = [1.0, 0.5, 1, 2, 3, 4, 5, 6, 7]
    axes = curves.learning_curves({"cnn": history([rising])}, "en").axes[0]
    assert axes.get_ylim()[1] > 7
    assert axes.get_ylim()[0] == 0


def test_accuracy_is_never_drawn_beyond_one_hundred_percent() -> None:
    axes = curves.learning_curves({"cnn": history([[0.1, 0.0, 0.0, 0.0]])}, "en").axes[1]
    assert 1 <= axes.get_ylim()[1] <= 1.01


def test_a_broken_fit_ends_in_a_cross() -> None:
    table = history([[1.0, 0.5, np.nan], [1.0, 0.6, 0.5]])
    axes = curves.learning_curves({"cnn": table}, "en").axes[0]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(2, 0.5)]


def test_nothing_finite_is_an_empty_panel_and_no_error(problems) -> None:
    table = history([[np.nan, np.inf]])
    assert problems(curves.learning_curves({"cnn": table}, "en")) == []


def test_a_single_epoch_is_a_dot(problems) -> None:
    figure = curves.learning_curves({"cnn": history([[0.7]])}, "en")
    assert [line.get_marker() for line in figure.axes[0].lines] == ["o", "o"]
    assert "One seed" in said(figure)
    assert problems(figure) == []


def test_without_probe_the_running_scores_are_drawn_dotted_and_named() -> None:
    table = history([[1.0, 0.5, 0.6]]).replace({"split": {"probe": "running"}})
    figure = curves.learning_curves({"cnn": table}, "en")
    dashes = [line._unscaled_dash_pattern for line in figure.axes[0].lines]
    assert dashes == [style.SPLIT_LINES["running"], style.SPLIT_LINES["val"]]
    assert "can mislead" in said(figure) and "are clean" not in said(figure)
    assert "probe" not in said(figure)


def marks(status: str, epoch: float) -> pd.DataFrame:
    rows = [("cnn", "best", "loss", 2.0, 1.0, 3.0, None),
            ("cnn", "onset", "loss", epoch, epoch - 1, epoch + 2, status),
            ("cnn", "onset", "accuracy", np.nan, np.nan, np.nan, "none"),
            ("other", "best", "loss", 9.0, 9.0, 9.0, None)]  # fmt: skip
    columns = ["model", "kind", "metric", "epoch", "low", "high", "status"]
    return pd.DataFrame(rows, columns=columns)


def test_best_epoch_and_onset_stand_under_the_curves_with_their_intervals() -> None:
    table = history([[1.0, 0.5, 0.6, 0.7]])
    figure = curves.learning_curves({"cnn": table}, "en", marks("confirmed", 3))
    loss, strip = figure.axes[0], figure.axes[1]
    places = {line.get_marker(): line.get_xdata()[0] for line in strip.lines}
    assert places == {"o": 2.0, "^": 3.0}
    spans = [path.vertices[:, 0].tolist() for c in strip.collections for path in c.get_paths()]
    assert spans == [[1.0, 3.0], [2.0, 5.0]]
    assert [list(line.get_xdata()) for line in loss.lines[2:]] == [[3.0, 3.0]]


def test_a_panel_without_any_epoch_to_mark_has_no_strip() -> None:
    table = history([[1.0, 0.5, 0.6, 0.7]])
    figure = curves.learning_curves({"cnn": table}, "en", marks("confirmed", 3))
    assert len(figure.axes) == 3
    nothing = marks("none", np.nan).query("kind == 'onset'")
    assert len(curves.learning_curves({"cnn": table}, "en", nothing).axes) == 2


def test_no_onset_is_no_mark_though_the_best_epoch_has_an_interval() -> None:
    none = marks("none", np.nan)
    none.loc[1, ["low", "high"]] = [2.0, 3.0]
    figure = curves.learning_curves({"cnn": history([[1.0, 0.5, 0.6, 0.7]])}, "en", none)
    assert "no onset" in said(figure)
    assert not any(line.get_marker() == "^" for line in figure.axes[1].lines)


def test_a_wild_seed_does_not_set_the_limits() -> None:
    calm = [1.0, 0.6, 0.5, 0.5]
    figure = curves.learning_curves({"cnn": history([calm, calm, [1.0, 30.0, 0.5, 0.5]])}, "en")
    assert figure.axes[0].get_ylim()[1] < 1.5
    assert "↑ up to 30" in said(figure)


@pytest.mark.parametrize(("status", "words"), [("none", "no onset"), ("censored", "no onset yet")])
def test_a_missing_onset_is_said_in_words(status: str, words: str) -> None:
    table = history([[1.0, 0.5, 0.6, 0.7]])
    figure = curves.learning_curves({"cnn": table}, "en", marks(status, np.nan))
    assert words in said(figure)


def test_marks_belong_to_the_score_they_are_of() -> None:
    table = marks("confirmed", 3).replace({"metric": {"loss": "calibrated_loss"}})
    assert len(curves.marks_of(table, "calibrated_loss", {"cnn": table})) == 2
    assert len(curves.marks_of(table, "loss", {"cnn": table})) == 0
    assert len(curves.marks_of(None, "loss", {"cnn": table})) == 0


def phased(phases: list[float]) -> pd.DataFrame:
    table = history([[1.0] * len(phases)])
    table["phase"] = [phases[epoch - 1] for epoch in table["epoch"]]
    table.loc[table["split"] == "val", "phase"] = np.nan
    return table


def test_phases_of_the_schedule_are_bands_with_their_names() -> None:
    table = phased([1, 1, 2, 3, 3, 4])
    assert curves.phases_of(table) == [(1, 1, 2), (2, 3, 3), (3, 4, 5), (4, 6, 6)]
    axes = curves.learning_curves({"cnn": table}, "en").axes[0]
    names = [text.get_text() for text in axes.texts]
    assert names == ["burn-in", "warm-up", "flat", "cool-down"]
    edges = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
    assert edges == [(0.5, 2.5), (2.5, 3.5), (3.5, 5.5), (5.5, 6.5)]


def test_models_with_other_schedules_share_no_bands() -> None:
    both = {"cnn": phased([1, 3]), "dense": phased([2, 3])}
    assert not curves.learning_curves(both, "en").axes[0].patches
    plain = curves.learning_curves({"cnn": history([[1.0, 0.5]])}, "en")
    assert curves.phases_of(history([[1.0]])) == [] and not plain.axes[0].patches
