"""The maps: classes of colour, frontier, underfit, onsets, distance from the best."""

import itertools

import numpy as np
import pandas as pd
import pytest

from pipeline.plots import maps, plane

WIDTHS, DROPOUTS = (4, 16, 64), (0.0, 0.3, 0.6)


def fits() -> pd.DataFrame:
    rows = [
        (w, d, s, 0.1 * i * (1 - d) + 0.01 * s, 1 + i - d, 0.5 + d / 10)
        for (i, w), d, s in itertools.product(enumerate(WIDTHS), DROPOUTS, (0, 1))
    ]
    columns = ["width", "dropout", "seed", "gap_loss", "val_loss", "val_accuracy"]
    return pd.DataFrame(rows, columns=columns)


def surface() -> pd.DataFrame:
    means = fits().groupby(["width", "dropout"]).mean().reset_index()
    return means.assign(
        gap_loss_low=means["gap_loss"] - 0.02,
        gap_loss_high=means["gap_loss"] + 0.02,
        underfit=means["width"] == 4,
    )


def frontier() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "width": [4.0, 16, 64], "dropout": [0, 0.1, np.nan],
            "dropout_low": [0, 0, 0.4], "dropout_high": [0, 0.2, np.nan],
        }
    )  # fmt: skip


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()] if figure.legends else []


def test_colours_change_at_the_threshold_and_its_round_multiples() -> None:
    levels, colours = maps._gap_levels(pd.Series([-0.2, 0.7]), pd.Series([0.0]), 0.1)
    assert levels[1:-1].tolist() == pytest.approx([0.05, 0.1, 0.2, 0.5])
    assert levels[0] < -0.2 and levels[-1] > 0.7
    assert colours[:2] == maps.BELOW and colours[2:] == maps.ABOVE[:3]
    assert len(colours) == len(levels) - 1


@pytest.mark.parametrize("highest", [0.05, 0.15, 0.39, 0.41, 3.9, 4.1, 1e4])
def test_there_is_a_colour_for_each_class_however_large_the_gap(highest: float) -> None:
    levels, colours = maps._gap_levels(pd.Series([0.0, highest]), pd.Series([0.1]), 0.1)
    assert len(colours) == len(levels) - 1 and (np.diff(levels) > 0).all()
    assert levels[-1] > highest and levels[2] == 0.1


def test_all_below_the_threshold_is_all_blue() -> None:
    levels, colours = maps._gap_levels(pd.Series([0.01]), pd.Series([0.02]), 0.1)
    assert len(colours) == len(levels) - 1
    assert colours[:2] == maps.BELOW and (np.diff(levels) > 0).all()


def test_points_are_means_over_seeds_in_the_colours_of_the_surface() -> None:
    figure = maps.gap_map(fits(), surface(), frontier(), "en", 0.1)
    axes = figure.axes[0]
    dots = next(c for c in axes.collections if len(c.get_offsets()) == 9)
    assert sorted({float(x) for x, _ in dots.get_offsets()}) == [4, 16, 64]
    assert dots.get_array().min() == pytest.approx(0.005)
    assert axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["4", "16", "64"]


def test_underfit_is_hatched_and_explained_only_where_there_is_some() -> None:
    with_it = maps.gap_map(fits(), surface(), frontier(), "en", 0.1)
    without = maps.gap_map(fits(), surface().assign(underfit=False), frontier(), "en", 0.1)
    assert any("underfit" in said for said in words(with_it))
    assert not any("underfit" in said for said in words(without))


def test_a_map_without_a_crossing_has_no_line_and_is_no_error(problems) -> None:
    for threshold in (5.0, 1e-9):
        figure = maps.gap_map(fits(), surface(), frontier(), "en", threshold)
        assert problems(figure) == []


def test_a_single_dropout_is_a_stripe(problems) -> None:
    one, flat = fits().query("dropout == 0"), surface().query("dropout == 0")
    figure = maps.gap_map(one, flat, frontier(), "en", 0.1)
    assert figure.axes[0].get_ylim() == (-0.05, 0.05)
    assert problems(figure) == []


def test_failed_fits_are_left_out_of_the_means() -> None:
    broken = fits()
    broken.loc[0, "gap_loss"] = np.nan
    means = plane.means(broken, "gap_loss")
    assert means.loc[0, "gap_loss"] == pytest.approx(0.01)
    assert len(means) == 9


def onsets() -> pd.DataFrame:
    rows = [(4, 0.0, [np.nan, np.nan, 9]), (16, 0.0, [5, 7, np.nan]), (64, 0.0, [3, 3, 4])]
    return pd.DataFrame(
        [(w, d, s, epoch) for w, d, found in rows for s, epoch in enumerate(found)],
        columns=["width", "dropout", "seed", "onset_epoch"],
    )


def test_seeds_without_onset_count_as_later_than_all_others() -> None:
    table = maps.onset_by_point(onsets())
    np.testing.assert_array_equal(table["onset_epoch"], [np.nan, 7, 3])


def test_the_onset_is_written_at_its_point_and_a_dash_where_there_is_none() -> None:
    figure = maps.onset_map(onsets(), "en")
    places = {text.get_text(): text.xy for text in figure.axes[0].texts}
    assert places == {"–": (4.0, 0.0), "7": (16.0, 0.0), "3": (64.0, 0.0)}


def test_no_onset_anywhere_is_no_error(problems) -> None:
    nowhere = onsets().assign(onset_epoch=np.nan)
    assert problems(maps.onset_map(nowhere, "ja")) == []


def test_the_star_stands_at_the_best_measured_point() -> None:
    for value, best in (("val_loss", (4, 0.6)), ("val_accuracy", (4, 0.6))):
        figure = maps.validation_map(fits(), surface(), "en", value)
        star = next(line for line in figure.axes[0].lines if line.get_marker() == "*")
        assert (star.get_xdata()[0], star.get_ydata()[0]) == best


def test_distances_from_the_best_read_in_the_direction_of_the_score() -> None:
    assert maps._signed(-0.05, share=False) == "+0.05"
    assert maps._signed(0.05, share=True) == "-5%"
    losses = maps.validation_map(fits(), surface(), "en").axes[1].get_yticklabels()
    assert all(label.get_text().startswith("+") for label in losses)
    shares = maps.validation_map(fits(), surface(), "en", "val_accuracy").axes[1].get_yticklabels()
    assert all(label.get_text().startswith("-") for label in shares)


def test_slices_show_every_fit_and_the_threshold() -> None:
    figure = maps.slices(fits(), surface(), "en", 0.1)
    left, right = figure.axes
    assert sum(len(c.get_offsets()) for c in left.collections if len(c.get_offsets()) == 6) == 18
    for axes, names in ((left, ["4", "16", "64"]), (right, ["0", "0.3", "0.6"])):
        assert [text.get_text() for text in axes.get_legend().get_texts()] == names
        assert axes.lines[-1].get_ydata() == [0.1, 0.1]


def test_widths_of_efficientnet_are_its_variants() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    plane.width_axis(axes, [0, 1, 2], "efficientnet", "en")
    axes.set_xlim(-0.5, 2.5)
    axes.figure.draw_without_rendering()
    assert axes.get_xscale() == "linear"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["B0", "B1", "B2"]


def test_many_widths_are_labelled_by_powers_of_two() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    plane.width_axis(axes, np.arange(3, 600), "dense", "en")
    assert axes.xaxis.get_majorticklocs().tolist() == [4, 8, 16, 32, 64, 128, 256, 512]
