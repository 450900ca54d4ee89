import numpy as np
import pandas as pd
import pytest

from overfit_atlas.errors import AtlasError
from overfit_atlas.gap_map import overfit_map
from overfit_atlas.gap_map.overfit_map import COLUMNS, MapSettings

WIDTHS = (4, 8, 16, 32, 64, 128, 256, 512)
DROPOUTS = (0.0, 0.2, 0.4, 0.6, 0.8)
THRESHOLD = 0.25


def true_gap(width, dropout):
    """Rises with log2 width, falls with dropout; 0.25 is crossed."""
    rise = 1 / (1 + np.exp(-0.9 * (np.log2(width) - 5)))
    return 0.02 + 0.9 * rise * (1 - dropout) ** 1.3


def true_frontier(width):
    """The dropout at which `true_gap` is the threshold, solved for by hand; 0 where below."""
    rise = 1 / (1 + np.exp(-0.9 * (np.log2(width) - 5)))
    return max(0.0, 1 - ((THRESHOLD - 0.02) / 0.9 / rise) ** (1 / 1.3))


TRUE_WIDTH = 2 ** (5 - np.log(0.9 / 0.23 - 1) / 0.9)


def fits(gap=true_gap, noise=0.02, num_seeds=3, seed=0, images=0.0, underfit=0.0):
    generator = np.random.default_rng(seed)
    shift, rows = images * generator.standard_normal(), []
    for width in WIDTHS:
        for dropout in DROPOUTS:
            for repeat in range(num_seeds):
                truth = gap(width, dropout)
                measured = truth + shift + noise * (0.3 + 2 * truth) * generator.standard_normal()
                sure = underfit(width, dropout) if callable(underfit) else underfit
                rows.append((width, dropout, repeat, measured, images, sure))
    return pd.DataFrame(rows, columns=COLUMNS)


def mapped(table, **settings):
    return overfit_map.fit(table, MapSettings(THRESHOLD, 400, num_resamples=200, **settings))


def test_a_planted_frontier_is_recovered_within_its_band():
    found = mapped(fits()).frontier().query("examined").set_index("width")
    assert list(found.index) == list(WIDTHS)
    for width in (32, 64, 128, 256, 512):
        row = found.loc[width]
        assert row["need"] == "some"
        assert row["dropout"] == pytest.approx(true_frontier(width), abs=0.06)
        assert row["dropout_low"] <= true_frontier(width) <= row["dropout_high"]
        assert row["dropout_high"] - row["dropout_low"] < 0.25
    assert found.loc[4, "need"] == found.loc[8, "need"] == "none"
    assert found.loc[4, "dropout"] == 0.0


def test_the_width_from_which_the_undropped_net_overfits():
    found = mapped(fits()).overfits_from()
    assert found.reach == "from a width"
    assert found.width == pytest.approx(TRUE_WIDTH, rel=0.1)
    assert found.low <= TRUE_WIDTH <= found.high


@pytest.mark.parametrize("images", [pytest.param(0.0, marks=pytest.mark.long), 0.02])
def test_bands_hold_the_truth_about_as_often_as_they_say(images):
    held = []
    for seed in range(12):
        found = mapped(fits(seed=seed, images=images), seed=seed)
        table = found.frontier().query("examined and width >= 16")
        truth = np.array([true_frontier(width) for width in table["width"]])
        held += list((table["dropout_low"] <= truth) & (truth <= table["dropout_high"].fillna(1)))
    # 12 maps x 6 widths, 95 % bands; widths of one map are correlated, so the tolerance is wide.
    assert np.mean(held) >= 0.85


def test_noise_of_the_images_widens_the_band():
    def width_of_band(table):
        found = mapped(table).frontier().query("width == 128")
        return float((found["dropout_high"] - found["dropout_low"]).iloc[0])

    with_images = fits().assign(gap_loss_se=0.05)
    assert width_of_band(with_images) > 1.5 * width_of_band(fits())


def test_a_constant_surface_has_no_frontier_and_says_so():
    found = mapped(fits(gap=lambda width, dropout: 0.05, noise=0.005))
    assert found.crossing() == "everywhere below"
    assert found.overfits_from().reach == "at no width"
    assert set(found.frontier()["need"]) == {"none"}
    above = mapped(fits(gap=lambda width, dropout: 0.9, noise=0.005))
    assert above.crossing() == "everywhere above"
    assert above.overfits_from().reach == "at every width"
    assert set(above.frontier()["need"]) == {"not enough"}
    assert above.frontier()["dropout"].isna().all()


def test_points_are_underfit_as_they_were_judged_and_the_rest_is_interpolated():
    """Narrow nets with much dropout: no gap, but the training images are not learned either."""

    def sure(width, dropout):
        return 0.97 if np.log2(width) - 6 * dropout < 2 else 0.01

    found = mapped(fits(underfit=sure, noise=0.01, images=0.01))
    marked = found.points.set_index(["width", "dropout"])["underfit"]
    truth = [sure(width, dropout) > 0.5 for width, dropout in marked.index]
    assert marked.tolist() == truth
    surface = found.table().set_index(["width", "dropout"])["underfit"]
    assert surface.loc[(4.0, 0.8)] and not surface.loc[(512.0, 0.8)]
    assert surface.loc[[(float(w), d) for w, d in marked.index]].tolist() == truth


@pytest.mark.parametrize(("probability", "underfit"), [(0.7, True), (0.69, False), (None, False)])
def test_a_point_is_underfit_from_the_probability_on_from_which_that_is_said(probability, underfit):
    found = mapped(fits(underfit=np.nan if probability is None else probability))
    assert found.points["underfit"].all() == found.points["underfit"].any() == underfit
    assert found.table()["underfit"].all() == found.table()["underfit"].any() == underfit


def test_the_table_covers_the_region_with_every_examined_point():
    found = mapped(fits())
    table = found.table()
    assert len(table) == len(found.widths) * len(found.dropouts)
    assert set(WIDTHS) <= set(table["width"]) and set(DROPOUTS) <= set(table["dropout"])
    assert (table["gap_loss_low"] <= table["gap_loss"]).all()
    assert (table["gap_loss"] <= table["gap_loss_high"]).all()
    corner = table.set_index(["width", "dropout"]).loc[(512.0, 0.0)]
    assert corner["gap_loss"] == pytest.approx(true_gap(512, 0.0), abs=0.05)
    assert corner["probability"] == 1.0


def test_left_out_points_are_foretold_within_the_noise():
    found = mapped(fits()).leave_one_out()
    assert found.error < 0.05
    assert 0 < found.noise < found.error
    assert found.agreement >= 0.95
    assert 0.85 <= found.coverage <= 1.0


def test_equal_inputs_give_equal_tables_whatever_the_order_of_the_rows():
    table = fits()
    shuffled = table.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(mapped(table).frontier(), mapped(table).frontier())
    first, second = mapped(table).table(), mapped(shuffled).table()
    np.testing.assert_allclose(first["gap_loss"], second["gap_loss"], rtol=1e-6)


def test_failed_fits_are_left_out():
    table = fits()
    table.loc[table["width"] == 512, "gap_loss"] = np.nan
    assert mapped(table).points["width"].max() == 256


def test_variants_are_evenly_spaced_not_logarithmic():
    table = fits().assign(width=lambda rows: np.log2(rows["width"]) - 2)
    found = mapped(table, log_width=False)
    assert found.widths.tolist() == list(range(8))
    assert found.overfits_from().width == pytest.approx(np.log2(TRUE_WIDTH) - 2, abs=0.15)


def test_another_column_is_smoothed_on_the_same_lattice():
    table = fits().assign(val_loss=lambda rows: 0.5 + 0.1 * rows["dropout"])
    found = mapped(table)
    at = pd.DataFrame({"width": [64.0], "dropout": [0.5]})
    assert found.smooth("val_loss", at) == pytest.approx([0.55], abs=0.005)


def test_a_missing_column_and_too_few_points_are_said():
    with pytest.raises(AtlasError, match="column 'gap_loss' is missing"):
        mapped(fits().drop(columns="gap_loss"))
    with pytest.raises(AtlasError, match="fewer than 4 points"):
        mapped(fits().query("width == 4 and dropout < 0.5"))
