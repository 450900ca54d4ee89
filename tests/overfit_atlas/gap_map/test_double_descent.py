import numpy as np
import pandas as pd
import pytest

from overfit_atlas.gap_map import double_descent

WIDTHS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def fits(peak=0.0, noise=0.008, num_seeds=3, seed=0, label_noise=0.2, fitted_from=32):
    """Validation error falls with width, with a peak of height `peak` at width 32 on top."""
    generator = np.random.default_rng(seed)
    rows = []
    for width in WIDTHS:
        place = np.log2(width)
        error = 0.15 + 0.4 * np.exp(-place / 1.5) + peak * np.exp(-((place - 5) ** 2) / 1.5)
        train = 0.0 if width >= fitted_from else 0.3
        for repeat in range(num_seeds):
            val = error + noise * generator.standard_normal()
            rows.append((label_noise, width, repeat, train, val, val - train, 795 * width + 10))
    return pd.DataFrame(rows, columns=double_descent.COLUMNS)


def test_a_planted_peak_is_observed_where_it_is():
    (found,) = double_descent.judge(fits(peak=0.15))
    assert found.status == "observed"
    assert found.peak_width == 32
    assert found.p_value < 0.01
    assert (found.min_width, found.max_width, found.num_seeds) == (1, 512, 3)


def test_a_single_descent_is_reported_as_not_observed_in_this_range():
    (found,) = double_descent.judge(fits())
    assert found.status == "not observed in this range"
    assert found.peak_width is None
    assert found.p_value > 0.05


def test_seeds_alone_seldom_make_a_peak():
    flat = [
        fits(seed=seed).assign(
            val_error=0.2 + 0.01 * np.random.default_rng(seed).standard_normal(30)
        )
        for seed in range(100)
    ]
    observed = [double_descent.judge(table)[0].status == "observed" for table in flat]
    assert np.mean(observed) <= 0.12  # 5 % nominal, three standard errors of a hundred tries


def test_the_interpolation_threshold_is_the_width_from_which_training_errors_vanish():
    (found,) = double_descent.judge(fits(fitted_from=64))
    assert found.interpolation_width == 64
    assert found.interpolation_parameters == 795 * 64 + 10


def test_no_interpolation_threshold_where_the_widest_net_still_errs():
    (found,) = double_descent.judge(fits(fitted_from=1024))
    assert found.interpolation_width is None
    assert found.interpolation_parameters is None


def test_training_errors_that_come_back_move_the_threshold():
    table = fits(fitted_from=8)
    table.loc[table["width"] == 128, "probe_error"] = 0.02
    assert double_descent.judge(table)[0].interpolation_width == 256


@pytest.mark.parametrize("table", [fits(num_seeds=1), fits().query("width <= 4")])
def test_one_seed_or_few_widths_leave_it_undetermined(table):
    (found,) = double_descent.judge(table)
    assert found.status == "undetermined"
    assert found.p_value is None


def test_each_label_noise_is_judged_for_itself():
    table = pd.concat([fits(label_noise=0.2, peak=0.15), fits(label_noise=0.0)])
    found = double_descent.judge(table)
    assert [one.label_noise for one in found] == [0.0, 0.2]
    assert [one.status for one in found] == ["not observed in this range", "observed"]


def test_the_table_has_means_and_standard_errors():
    table = fits(num_seeds=2, noise=0.0)
    table.loc[0, "val_error"], table.loc[1, "val_error"] = 0.5, 0.7
    row = double_descent.table(table).iloc[0]
    assert row["val_error"] == pytest.approx(0.6)
    assert row["val_error_se"] == pytest.approx(0.1)
    assert (row["width"], row["num_seeds"], row["num_parameters"]) == (1, 2, 805)


@pytest.mark.parametrize(
    ("errors", "height", "place"),
    [
        ([3, 2, 1], 0, None),
        ([1, 2, 3], 0, None),
        ([3, 1, 2, 0], 1, 2),
        ([5, 1, 4, 2, 3, 3], 2, 2),
    ],
)
def test_the_height_of_a_peak_is_its_lesser_side(errors, height, place):
    found, where = double_descent._highest_peak(np.array(errors, float))
    assert found == height
    assert place is None or where == place
