import pytest

from pipeline.studies.outcome import map_settings, outcome


def test_the_map_is_asked_what_the_parameters_say(make_plan):
    asked = map_settings(make_plan({"tune.threshold": 0.4}), 0.3)
    assert (asked.threshold, asked.num_images) == (0.4, 40)
    assert map_settings(make_plan({"tune.threshold": None}), 0.3).threshold == 0.3
    assert asked.folds and not map_settings(make_plan({"tune.turn_folds": False}), 0.3).folds
    assert asked.log_width and asked.num_resamples == 100
    variants = make_plan({"tune.model": "efficientnet", "tune.widths": [0, 1, 2, 3]})
    assert not map_settings(variants, 0.3).log_width
    axes = {"width": [2, 4], "models.dense.l2": [0.001, 0.1]}
    assert map_settings(make_plan({"tune.axes": axes}), 0.3).log_dropout


def test_the_outcome_has_all_tables_and_a_slice_a_budget(run_study, make_plan, workshop, planted):
    plan = make_plan({"tune.also_at_epochs": [2]})
    found = outcome(plan, run_study(plan, "map", workshop()))
    assert set(found.tables) == {
        "map", "map_curves", "epochs", "points", "frontier", "surface", "double_descent",
        "importance",
    }  # fmt: skip
    assert sorted(set(found.tables["frontier"]["epochs"])) == [2, 8]
    assert set(found.tables["points"]["epochs"]) == {8}
    assert found.first.fits["epochs"].unique().tolist() == [8]
    assert set(found.of_first("surface")["epochs"]) == {8}
    # planted: gap = 0.1 log2(width) (1 - dropout), threshold 0.2: from width 4 on without dropout.
    last = next(one for one in found.summary["slices"] if one["epochs"] == 8)
    assert last["crossing"] == "crosses"
    widest = last["widest"]
    assert (widest["width"], widest["need"]) == (256, "some")
    assert widest["dropout"] == pytest.approx(1 - 0.2 / 0.8, abs=0.06)
    assert last["largest_gap"]["gap_loss"] == pytest.approx(planted(256, 0.0), abs=0.05)


def test_figures_show_the_slice_with_all_data_and_least_noise(run_study, make_plan, workshop):
    few = {"tune.widths": [4, 64], "tune.dropouts": [0.0, 0.8]}
    slices = {"tune.train_fractions": [0.5, 1.0], "tune.label_noises": [0.2, 0.1]}
    plan = make_plan({**few, **slices})
    found = outcome(plan, run_study(plan, "map", workshop()))
    assert len(found.summary["slices"]) == 4
    first = found.summary["slices"][0]
    assert (first["train_fraction"], first["label_noise"]) == (1.0, 0.1)
    assert found.first.fits["train_fraction"].unique().tolist() == [1.0]
    assert found.first.fits["label_noise"].unique().tolist() == [0.1]
    assert len(found.summary["double_descent"]) == 2
