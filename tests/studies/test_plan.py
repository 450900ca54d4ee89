import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from pipeline.studies import ruling
from pipeline.studies.plan import _code_hash


def test_a_grid_design_is_every_width_with_every_dropout_widest_first(make_plan):
    plan = make_plan()
    design = plan.design()
    assert plan.num_points == len(design) == 12
    assert [point["width"] for point in design] == [256] * 3 + [64] * 3 + [16] * 3 + [4] * 3
    assert [point["dropout"] for point in design[:3]] == [0.0, 0.4, 0.8]


def test_a_sobol_design_has_as_many_points_as_asked_for_in_each_slice(make_plan):
    plan = make_plan(
        {"tune.sampler": "sobol", "tune.points": 7, "tune.train_fractions": [0.5, 1.0]}
    )
    design = plan.design()
    assert len(design) == 14 and plan.num_points == 7
    halves = [
        {(p["width"], p["dropout"]) for p in design if p["train_fraction"] == share}
        for share in (0.5, 1.0)
    ]
    assert halves[0] == halves[1]


def test_width_is_logarithmic_but_for_the_numbers_of_variants(make_plan):
    assert make_plan().plane["width"] == IntDistribution(4, 256, log=True)
    variants = make_plan({"tune.model": "efficientnet", "tune.widths": [0, 1, 2]})
    assert variants.plane["width"] == IntDistribution(0, 2)
    assert variants.tasks({"width": 2, "dropout": 0.1})[0].section.variant == "B2"


def test_only_what_differs_between_trials_is_a_parameter(make_plan):
    assert list(make_plan().space) == ["width", "dropout"]
    varied = make_plan({"tune.label_noises": [0.2, 0.0]})
    assert varied.space["label_noise"] == CategoricalDistribution([0.0, 0.2])
    assert list(varied.space) == ["width", "dropout", "label_noise"]
    assert list(make_plan().search_space) == ["width", "dropout", "train.learning_rate"]


def test_a_search_varies_any_key_by_a_range_or_by_choices(make_plan):
    asked = {
        "train": {"batch_size": {"low": 16, "high": 128, "log": True}, "label_smoothing": [0, 0.1]},
        "models.dense": {"l2": {"low": 0, "high": 1}, "activation": ["relu", "gelu"]},
        "train.augmentation": [[], ["flip"]],
        "dropout": [0.0],
    }
    plan = make_plan({"tune.search_space": asked})
    assert plan.search_space == {
        "width": IntDistribution(4, 256, log=True),
        "dropout": CategoricalDistribution([0.0]),
        "train.batch_size": IntDistribution(16, 128, log=True),
        "train.label_smoothing": CategoricalDistribution([0, 0.1]),
        "models.dense.l2": FloatDistribution(0, 1),
        "models.dense.activation": CategoricalDistribution(["relu", "gelu"]),
        "train.augmentation": CategoricalDistribution(["[]", '["flip"]']),
    }
    point = {"width": 8, "dropout": 0.0, "train.batch_size": 20, "models.dense.l2": 0.5}
    point |= {"models.dense.activation": "gelu", "train.augmentation": '["flip"]'}
    (task,) = plan.tasks(point, "search", [7])
    assert (task.section.units, task.section.l2, task.section.activation) == ((8,), 0.5, "gelu")
    assert (task.train.batch_size, task.train.augmentation) == (20, ("flip",))


def test_a_map_has_any_two_numeric_axes(make_plan):
    axes = {"models.dense.l2": [0.001, 0.1], "train.batch_size": [8, 16, 32]}
    plan = make_plan({"tune.axes": axes})
    assert plan.plane == {
        "models.dense.l2": FloatDistribution(0.001, 0.1, log=True),
        "train.batch_size": IntDistribution(8, 32),
    }
    assert len(plan.design()) == plan.num_points == 6
    task = plan.tasks(plan.design()[0])[0]
    assert (task.section.l2, task.train.batch_size) == (0.1, 8)
    assert plan.full(plan.design()[0])["width"] == 0.1
    shown = [plan.named(name) for name in ("width", "dropout_low", "gap_loss")]
    assert shown == ["models.dense.l2", "train.batch_size_low", "gap_loss"]
    assert make_plan().decisive("map") != plan.decisive("map")


def test_the_fits_of_a_map_point_are_never_stopped_early(make_plan):
    plan = make_plan({"train.early_stopping": 3, "models.dense.units": [10, 20]})
    tasks = plan.tasks({"width": 16, "dropout": 0.4})
    assert [task.seed for task in tasks] == [0, 1]
    first = tasks[0]
    assert (first.section.units, first.section.dropout) == ((16, 16), 0.4)
    assert (first.train.epochs, first.train.early_stopping) == (8, None)
    assert first.train.learning_rate == 1e-3
    assert not first.keep_weights and first.checkpoints is None


def test_the_fits_of_a_search_trial_have_its_rate_and_stop(make_plan):
    point = {"width": 16, "dropout": 0.4, "train.learning_rate": 3e-3}
    task = make_plan().tasks(point, "search", [7])[0]
    assert (task.seed, task.train.learning_rate, task.train.early_stopping) == (7, 3e-3, 2)


def test_labels_stay_as_prepared_unless_noises_are_listed(make_plan):
    plain = make_plan().tasks({"width": 4, "dropout": 0.0})[0].vary
    assert (plain.train_fraction, plain.label_noise) == (1.0, None)
    noisy = make_plan({"tune.label_noises": [0.0, 0.1], "tune.train_fractions": [0.5]})
    vary = noisy.tasks({"width": 4, "dropout": 0.0, "label_noise": 0.1})[0].vary
    assert (vary.train_fraction, vary.label_noise) == (0.5, 0.1)


def test_the_fold_turns_with_the_seed(make_plan):
    point = {"width": 4, "dropout": 0.0}
    assert [task.vary.fold for task in make_plan().tasks(point, seeds=[0, 1, 7])] == [0, 1, 7]
    assert not ruling.facts(make_plan()).one_split
    still = make_plan({"tune.turn_folds": False})
    assert [task.vary.fold for task in still.tasks(point)] == [0, 0]
    assert ruling.facts(still).one_split


def test_a_map_is_drawn_after_five_budgets_by_equal_factors(make_plan):
    plan = make_plan({"tune.epochs": 30, "tune.also_at_epochs": None})
    assert plan.budgets("map") == (5, 8, 12, 19, 30)
    assert plan.budgets("search") == (30,)
    assert make_plan({"tune.epochs": 2, "tune.also_at_epochs": None}).budgets("map") == (1, 2)


def test_budgets_end_with_the_whole_training(make_plan):
    plan = make_plan({"tune.also_at_epochs": [6, 2]})
    assert plan.budgets("map") == (2, 6, 8)
    assert plan.budgets("search") == (8,)


@pytest.mark.parametrize(
    ("key", "value", "map_changes", "search_changes"),
    [
        ("tune.threshold", 0.5, False, False),
        ("tune.widths", [4, 512], False, True),
        ("tune.search_trials", 99, False, False),
        ("tune.storage", "sqlite:///x.db", False, False),
        ("tune.epochs", 9, True, True),
        ("tune.batch", 7, False, True),
        ("tune.minutes", 3, False, False),
        ("tune.turn_folds", False, True, True),
        ("train.learning_rate", 0.1, True, True),
        ("train.seeds", [5, 6], False, False),
        ("models.dense.l2", 0.1, True, True),
        ("models.cnn.l2", 0.1, False, False),
        ("evaluate.wide_gap", 0.3, True, False),
        ("evaluate.smoothing", 5, True, True),
        ("evaluate.num_resamples", 500, False, False),
        ("workers.count", 7, False, False),
    ],
)
def test_a_study_starts_anew_where_its_numbers_would_change(
    make_plan, key, value, map_changes, search_changes
):
    before, after = make_plan(), make_plan({key: value})
    assert (before.decisive("map") != after.decisive("map")) is map_changes
    assert (before.decisive("search") != after.decisive("search")) is search_changes


@pytest.mark.parametrize(
    ("folder", "same"), [("/{}/.checkpoints/weights", True), ("/{}/models", False)]
)
def test_weights_from_a_registry_count_by_their_content_wherever_they_lie(make_plan, folder, same):
    changes = {"tune.model": "efficientnet", "tune.widths": [0, 1]}
    weights = [f"{folder.format(host)}/3f2a.keras" for host in ("a", "b")]
    one, other = (
        make_plan({**changes, "models.efficientnet.weights": path}).decisive("map")
        for path in weights
    )
    assert (one == other) is same


def test_the_code_that_trains_is_part_of_what_decides(make_plan):
    assert make_plan().decisive("map")["code"] == _code_hash("map")
    assert len(_code_hash("map")) == 64
