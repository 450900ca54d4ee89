import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from pipeline.studies.frontier_sampler import REPEATS, FrontierSampler

SPACE = {"width": IntDistribution(4, 512, log=True), "dropout": FloatDistribution(0.0, 0.8)}
THRESHOLD = 0.25


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def gap(width, dropout):
    rise = 1 / (1 + np.exp(-0.9 * (np.log2(width) - 5)))
    return 0.02 + 0.9 * rise * (1 - dropout) ** 1.3


def study(seed=0, **settings):
    return optuna.create_study(sampler=FrontierSampler(SPACE, THRESHOLD, seed=seed, **settings))


def measure(trial, found, generator):
    repeats = gap(**trial.params) + 0.02 * generator.standard_normal(3)
    trial.set_user_attr(REPEATS, repeats.tolist())
    found.tell(trial, float(repeats.mean()))


def run(found, num_batches, batch=4, seed=0):
    generator = np.random.default_rng(seed)
    for _ in range(num_batches):
        for trial in [found.ask(SPACE) for _ in range(batch)]:
            measure(trial, found, generator)
    return found


def test_after_the_start_trials_gather_at_the_frontier():
    trials = run(study(), 6).trials
    start = [abs(gap(**trial.params) - THRESHOLD) for trial in trials[:8]]
    later = [abs(gap(**trial.params) - THRESHOLD) for trial in trials[12:]]
    assert np.median(later) < 0.05 < np.median(start)


def test_no_point_is_tried_twice():
    points = [tuple(trial.params.values()) for trial in run(study(), 8).trials]
    assert len(set(points)) == len(points) == 32


def test_equal_seeds_give_equal_trials_and_others_do_not():
    first, again, other = (
        [trial.params for trial in run(study(seed), 4).trials] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_trials_asked_for_together_keep_apart():
    found = run(study(), 2)
    asked = [found.ask(SPACE).params for _ in range(4)]
    places = [(np.log2(point["width"]) / 7, point["dropout"] / 0.8) for point in asked]
    apart = [np.hypot(*np.subtract(a, b)) for i, a in enumerate(places) for b in places[:i]]
    assert min(apart) > 0.05


def test_a_failed_trial_is_forgotten_and_its_queued_repeat_changes_nothing():
    undisturbed = run(study(), 5)
    found, generator = run(study(), 2), np.random.default_rng(0)
    for _ in range(8):
        generator.standard_normal(3)
    lost = [found.ask(SPACE) for _ in range(4)]
    for trial in lost:
        found.tell(trial, state=TrialState.FAIL)
        found.enqueue_trial(trial.params)
    for _ in range(3):
        for trial in [found.ask(SPACE) for _ in range(4)]:
            measure(trial, found, generator)
    finished = [t.params for t in found.trials if t.state == TrialState.COMPLETE]
    assert finished == [trial.params for trial in undisturbed.trials]


def test_only_given_candidates_are_proposed():
    candidates = [{"width": w, "dropout": d} for w in (4, 32, 512) for d in (0.0, 0.3, 0.6, 0.8)]
    trials = run(study(candidates=candidates, num_initial=4), 3).trials
    assert sorted(map(str, (t.params for t in trials))) == sorted(map(str, candidates))


def test_a_parameter_outside_the_space_is_drawn_at_random():
    trial = study().ask({**SPACE, "rate": FloatDistribution(0.0, 1.0)})
    assert set(trial.params) == {"width", "dropout", "rate"}


def test_a_trial_without_repeats_counts_by_its_value():
    found = study()
    found.optimize(
        lambda trial: gap(
            trial.suggest_int("width", 4, 512, log=True), trial.suggest_float("dropout", 0.0, 0.8)
        ),
        n_trials=16,
    )
    assert np.median([abs(trial.value - THRESHOLD) for trial in found.trials[10:]]) < 0.08


@pytest.mark.parametrize(("threshold", "num_initial"), [(0.0, 8), (-1.0, 8), (0.1, 3)])
def test_impossible_settings_are_refused(threshold, num_initial):
    with pytest.raises(ValueError, match="expected"):
        FrontierSampler(SPACE, threshold, num_initial)
