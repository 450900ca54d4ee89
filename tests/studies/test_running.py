import optuna
import pytest
from optuna.trial import TrialState

from pipeline.studies import searched, storage, tables
from pipeline.studies.running import STARTUP_TRIALS, finished


@pytest.fixture
def run(run_study):
    return run_study


def test_a_grid_is_fitted_whole_each_point_once_with_every_seed(make_plan, run, workshop):
    plan, shop, told = make_plan(), workshop(), []
    trials = run(plan, "map", shop, told.append)
    assert len(shop.tasks) == 4 * 3 * 2
    assert {task.seed for task in shop.tasks} == {0, 1}
    assert all(task.train.early_stopping is None for task in shop.tasks)
    assert sorted(map(str, (t.params for t in trials))) == sorted(map(str, plan.design()))
    assert [trial.number for trial in told] == [trial.number for trial in trials]
    assert all(trial.state == TrialState.COMPLETE for trial in trials)


def test_a_trial_keeps_scores_verdict_onset_seconds_and_every_epoch(
    make_plan, run, workshop, planted
):
    plan = make_plan()
    trial = next(t for t in run(plan, "map", workshop()) if t.params["width"] == 256)
    kept = trial.user_attrs
    assert trial.value == pytest.approx(planted(**trial.params), abs=0.05)
    assert trial.value == pytest.approx(sum(kept["gap_loss_by_seed"]) / 2)
    assert kept["gap_loss"] == pytest.approx(trial.value)
    assert kept["num_parameters"] == 65 * 256 + 2 * 257
    assert kept["seconds"] == pytest.approx(0.2)
    assert kept["verdict"] in ("overfit", "underfit", "good fit", "undetermined")
    assert kept["onset"] in ("confirmed", "none", "censored")
    assert len(trial.system_attrs["fits"]) == 2
    assert len(trial.system_attrs["curves"]["loss"]) == 2 * 8 * 2  # seeds x epochs x splits


def test_a_finished_map_fits_nothing_again(make_plan, run, workshop):
    plan = make_plan()
    first = run(plan, "map", workshop())
    shop, told = workshop(), []
    assert [t.number for t in run(plan, "map", shop, told.append)] == [t.number for t in first]
    assert shop.tasks == told == []


def test_a_grid_that_grows_fits_only_what_is_new(make_plan, run, workshop):
    run(make_plan(), "map", workshop())
    shop = workshop()
    larger = make_plan({"tune.widths": [4, 16, 64, 256, 512]})
    assert len(run(larger, "map", shop)) == 15
    assert {task.section.units for task in shop.tasks} == {(512,)}
    assert len(run(make_plan(), "map", workshop())) == 12


def test_another_threshold_fits_nothing_again_but_another_seed_or_epoch_does(
    make_plan, run, workshop
):
    run(make_plan(), "map", workshop())
    for changes, num_fits in (
        ({"tune.threshold": 0.3}, 0),
        ({"tune.search_trials": 3}, 0),
        ({"tune.seeds": [0, 2]}, 24),
        ({"tune.epochs": 9}, 24),
        ({"models.dense.l2": 0.1}, 24),
    ):
        shop = workshop()
        run(make_plan(changes), "map", shop)
        assert len(shop.tasks) == num_fits, changes


@pytest.mark.parametrize(("sampler", "dies_after"), [("grid", 0), ("sobol", 7)])
def test_a_killed_map_resumes_and_ends_with_the_same_table(
    make_plan, run, workshop, tmp_path, sampler, dies_after, map_table
):
    plan = make_plan({"tune.sampler": sampler, "tune.points": 12})
    whole = run(plan, "map", workshop(), folder=tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        run(plan, "map", workshop(dies_after=dies_after))
    shop = workshop(order=-1)
    resumed = run(plan, "map", shop)
    assert len(shop.tasks) <= 24 - dies_after + 8
    expected, found = (map_table(plan, trials) for trials in (whole, resumed))
    assert found.to_csv() == expected.to_csv()
    assert tables.curves_table(plan, resumed).to_csv() == tables.curves_table(plan, whole).to_csv()


@pytest.mark.parametrize("dies_after", [3, 17])
def test_a_killed_search_resumes_and_ends_with_the_same_table(
    make_plan, run, workshop, tmp_path, dies_after
):
    plan = make_plan()
    whole = run(plan, "search", workshop(), folder=tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        run(plan, "search", workshop(dies_after=dies_after))
    resumed = run(plan, "search", workshop(order=-1))
    assert searched.search_table(resumed).to_csv() == searched.search_table(whole).to_csv()


def test_the_search_prunes_after_a_seed_and_varies_the_learning_rate(make_plan, run, workshop):
    plan = make_plan({"tune.search_trials": 24})
    shop = workshop()
    trials = run(plan, "search", shop)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert len(trials) == 24
    assert pruned and all(trial.number >= STARTUP_TRIALS for trial in pruned)
    assert all(len(trial.system_attrs["fits"]) == 1 for trial in pruned)
    assert len(shop.tasks) == 48 - len(pruned)
    assert all(task.train.early_stopping == 2 for task in shop.tasks)  # a quarter of 8 epochs
    rates = [trial.params["train.learning_rate"] for trial in trials]
    assert 1e-4 <= min(rates) < 1e-3 < max(rates) <= 1e-2


def test_a_longer_search_begins_with_the_shorter_one(make_plan, run, workshop, tmp_path):
    short = run(make_plan({"tune.search_trials": 8}), "search", workshop())
    shop = workshop()
    longer = run(make_plan({"tune.search_trials": 12}), "search", shop)
    assert [trial.params for trial in longer[:8]] == [trial.params for trial in short]
    assert len(shop.tasks) <= 8


def test_map_and_search_never_share_a_trial(make_plan, run, workshop):
    plan = make_plan()
    mapped, searched = run(plan, "map", workshop()), run(plan, "search", workshop())
    assert all("train.learning_rate" not in trial.params for trial in mapped)
    assert all("train.learning_rate" in trial.params for trial in searched)


def test_a_fit_that_breaks_down_is_kept_as_failed_and_the_rest_counts(
    make_plan, run, workshop, map_table
):
    plan = make_plan()
    broken = workshop(breaks=lambda task: task.section.units == (256,) and task.seed == 1)
    trials = run(plan, "map", broken)
    table = map_table(plan, trials)
    wide = table[table["width"] == 256]
    assert wide["failed"].notna().tolist() == [False, True] * 3
    assert wide["gap_loss"].isna().tolist() == [False, True] * 3
    assert all(trial.state == TrialState.COMPLETE for trial in trials)


def test_a_point_where_every_fit_breaks_down_is_told_and_not_tried_for_ever(
    make_plan, run, workshop
):
    plan = make_plan()
    broken = workshop(breaks=lambda task: task.section.units == (256,))
    trials = run(plan, "map", broken)
    assert sum(trial.state == TrialState.PRUNED for trial in trials) == 3
    shop = workshop()
    run(plan, "map", shop)
    assert not shop.tasks


def test_each_slice_of_the_data_is_mapped(make_plan, run, workshop):
    plan = make_plan({"tune.label_noises": [0.0, 0.2], "tune.train_fractions": [0.5, 1.0]})
    shop = workshop()
    trials = run(plan, "map", shop)
    assert len(trials) == 12 * 4
    assert {(task.vary.train_fraction, task.vary.label_noise) for task in shop.tasks} == {
        (0.5, None), (1.0, None), (0.5, 0.2), (1.0, 0.2)
    }  # fmt: skip


def test_trials_are_told_as_they_finish_not_at_the_end(make_plan, run, workshop):
    plan, seen = make_plan(), []
    shop = workshop()
    run(plan, "map", shop, lambda trial: seen.append(len(shop.tasks)))
    assert seen == list(range(2, 25, 2))


def test_lost_trials_stand_in_the_study_as_failed(make_plan, run, workshop, tmp_path):
    plan = make_plan()
    with pytest.raises(KeyboardInterrupt):
        run(plan, "map", workshop(dies_after=5))
    run(plan, "map", workshop())
    url = storage.default_url(tmp_path / "mlruns")
    name = next(one for one in optuna.get_all_study_names(storage=url) if one.startswith("map"))
    study = optuna.load_study(study_name=name, storage=url)
    states = [trial.state for trial in study.trials]
    assert states.count(TrialState.COMPLETE) == 12
    assert states.count(TrialState.FAIL) == 1
    assert len(finished(study)) == 12


def test_a_map_ends_when_its_minutes_are_over_and_goes_on_from_there(make_plan, run, workshop):
    plan, shop = make_plan({"tune.minutes": 1.0}), workshop()
    seconds = iter(range(100))
    first = run(plan, "map", shop, until=9, clock=lambda: next(seconds))
    assert len(shop.tasks) == 11 and len(first) == 5  # two fits a point; half a point is given up
    assert len({trial.params["width"] for trial in first}) > 1  # spread, not the widest alone
    rest = workshop()
    assert len(run(plan, "map", rest)) == 12
    assert len(rest.tasks) == 2 * 7


def test_a_search_begins_no_trials_when_its_minutes_are_over(make_plan, run, workshop):
    plan, seconds = make_plan({"tune.minutes": 1.0}), iter(range(100))
    trials = run(plan, "search", workshop(), until=1, clock=lambda: next(seconds))
    assert len(trials) == plan.tune.batch
    assert len(run(plan, "search", workshop())) == 12


def test_the_gap_grows_epoch_by_epoch_in_a_trial_of_the_map(make_plan, run, workshop):
    trial = next(t for t in run(make_plan(), "map", workshop()) if t.params["width"] == 256)
    gaps = [trial.intermediate_values[epoch] for epoch in range(1, 9)]
    assert gaps[-1] == pytest.approx(trial.value)
    assert gaps[3] == pytest.approx(trial.value / 2)
    assert len(trial.user_attrs["val_loss_by_epoch"]) == 8
    assert not {"fits", "curves", "draws"} & trial.user_attrs.keys()
