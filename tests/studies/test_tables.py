import pytest

from overfit_atlas.gap_map import overfit_map
from pipeline.studies import tables
from pipeline.studies.outcome import map_settings


@pytest.fixture
def trials(run_study, make_plan, workshop):
    return run_study(make_plan(), "map", workshop())


def test_the_map_has_a_row_a_fit_sorted_by_place(trials, make_plan, planted, map_table):
    table = map_table(make_plan(), trials)
    keys = ["train_fraction", "label_noise", "epochs", "width", "dropout", "seed"]
    assert list(table.columns[:6]) == keys
    assert len(table) == 24
    assert table[keys].apply(tuple, axis=1).is_monotonic_increasing
    planted_gaps = [planted(w, d) for w, d in zip(table["width"], table["dropout"], strict=True)]
    assert table["gap_loss"].to_numpy() == pytest.approx(planted_gaps, abs=0.08)


def test_the_order_of_trials_changes_no_table(trials, make_plan, map_table):
    plan = make_plan()
    for make in (map_table, tables.curves_table):
        assert make(plan, trials).to_csv() == make(plan, trials[::-1]).to_csv()


def test_trials_that_two_processes_did_twice_change_no_table(trials, make_plan, map_table):
    plan, doubled = make_plan(), [*trials, *trials[2:5]]
    for make in (map_table, tables.curves_table):
        assert make(plan, doubled).to_csv() == make(plan, trials).to_csv()
    once, twice = (
        overfit_map.fit(map_table(plan, found), map_settings(plan, 0.2))
        for found in (trials, doubled)
    )
    assert tables.points_table(twice).to_csv() == tables.points_table(once).to_csv()


def test_the_curves_have_every_epoch_of_every_seed_and_no_time(trials, make_plan):
    table = tables.curves_table(make_plan(), trials)
    assert len(table) == 24 * 8 * 2
    assert "seconds" not in table
    one = table.query("width == 64 and dropout == 0.4 and seed == 1 and split == 'val'")
    assert one["epoch"].tolist() == list(range(1, 9))


def test_a_point_carries_its_verdict_and_is_underfit_where_that_says_so(
    trials, make_plan, map_table
):
    plan = make_plan()
    found = overfit_map.fit(map_table(plan, trials), map_settings(plan, 0.2))
    table = tables.points_table(found)
    assert len(table) == 12
    assert (table["verdict"] == "underfit").tolist() == table["underfit"].tolist()
    assert table.set_index(["width", "dropout"]).loc[(256, 0.0), "gap_loss"] == pytest.approx(
        0.8, abs=0.05
    )
    assert set(table["onset"]) <= {"confirmed", "none", "censored"}
    assert {"kind", "probability", "damage_loss", "probe_accuracy"} <= set(table)


def test_a_point_that_others_surely_beat_is_too_simple(trials, make_plan, map_table):
    """Width 4 without dropout: no gap, but the widest nets are right more often on both sides."""
    table = map_table(make_plan(), trials).set_index(["width", "dropout"])
    narrow, wide = (table.loc[(width, 0.8)].iloc[0] for width in (4, 256))
    assert narrow["probe_accuracy"] < wide["probe_accuracy"] - 0.1
    assert (narrow["verdict"], narrow["kind"]) == ("underfit", "too simple")
    assert wide["kind"] != "too simple"
    alone = [trial for trial in trials if trial.params == {"width": 4, "dropout": 0.8}]
    assert map_table(make_plan(), alone)["kind"].iloc[0] != "too simple"


def test_double_descent_looks_at_the_undropped_net_on_all_data(
    run_study, make_plan, workshop, map_table
):
    plan = make_plan({"tune.train_fractions": [0.5, 1.0], "tune.also_at_epochs": [4]})
    table = map_table(plan, run_study(plan, "map", workshop()))
    fits = tables.descent_fits(plan, table)
    assert len(fits) == 4 * 2
    assert fits["width"].tolist() == sorted([4, 16, 64, 256] * 2)
    row = table.query("width == 4 and dropout == 0 and train_fraction == 1 and epochs == 8").iloc[0]
    assert fits["val_error"].iloc[0] == pytest.approx(1 - row["val_accuracy"])
