import numpy as np
import pytest

from pipeline.comparing import judged, record, tables
from pipeline.comparing.judged import Setting
from pipeline.comparing.outcome import plan
from pipeline.comparing.variant import Where
from pipeline.data.prepared import Manifest, Prepared, Split
from pipeline.params import Evaluate

RULES = Evaluate(num_resamples=100).rules

DOCUMENT = {
    "title": "t",
    "data": "mnist",
    "model": "dense",
    "baseline": {"train.epochs": 3},
    "variants": {
        "wide": {"models.dense.units": [9]},
        "stopped": {"train.early_stopping": 1},
        "ensemble": {"ensemble": 2},
        "cooler": {"temperature": True},
    },
}
SEEDS = (0, 1, 2)


@pytest.fixture
def data(labels):
    images = np.zeros((12, 4, 4, 1), np.uint8)
    split = Split("val", images, labels.astype(np.int32), labels.astype(np.int32), np.arange(12))
    manifest = Manifest("toy", ("a", "b", "c"), (4, 4, 1), {}, (), (), "")
    return Prepared(manifest, split, split, split, split)


@pytest.fixture
def outcomes(fit, probabilities, data, tmp_path):
    """The baseline overfits after epoch 2, `wide` does not; `stopped` has the same fits."""
    variants = record.parse(DOCUMENT).resolved(SEEDS)
    planned = plan(variants, SEEDS, Where(tmp_path))
    down = [probabilities(0.6), probabilities(0.8), probabilities(0.5, wrong=2)]
    flat = [probabilities(0.6), probabilities(0.8), probabilities(0.85)]
    results = [fit(seed, down, best=2) for seed in SEEDS]
    results += [fit(seed, flat, best=3) for seed in SEEDS]
    results += [fit(seed, down, best=2) for seed in SEEDS]
    members = np.stack([probabilities(0.8)] * 3)
    of_ensemble = {
        "ensemble": {
            moment: {"probe": np.stack([probabilities(0.9)] * 3), "val": members}
            for moment in ("best", "last")
        }
    }
    counts = dict.fromkeys(("baseline", "wide", "stopped", "ensemble", "cooler"), 12)
    settings = Evaluate(num_resamples=100)
    setting = Setting(data, settings, counts, of_ensemble, {"ensemble": data.probe})
    return judged.outcomes(planned, results, setting)


def test_fits_that_variants_share_run_once(tmp_path):
    planned = plan(record.parse(DOCUMENT).resolved(SEEDS), SEEDS, Where(tmp_path))
    assert len(planned.tasks) == 9
    assert planned.places["ensemble"] == planned.places["baseline"] == (0, 1, 2)
    assert planned.places["cooler"] == (0, 1, 2)
    assert planned.places["stopped"] == (6, 7, 8)
    assert [task.seed for task in planned.tasks[3:6]] == [0, 1, 2]
    # Only what an ensemble is made of carries its weights.
    assert [task.keep_weights for task in planned.tasks] == [True] * 3 + [False] * 6


def row(table, **wanted):
    found = table
    for column, value in wanted.items():
        found = found[found[column] == value]
    assert len(found) == 1
    return found.iloc[0]


def test_effects_at_the_end_and_at_the_best_epoch(outcomes):
    table = tables.effects(outcomes, RULES)
    last = row(table, name="wide", metric="val_accuracy", at="last")
    assert last["effect"] == pytest.approx(2 / 12)
    assert (last["num_seeds"], last["num_images"]) == (3, 12)
    best = row(table, name="wide", metric="val_loss", at="best")
    assert best["effect"] == pytest.approx(np.log(0.8 / 0.85))
    # 0.061 nats, surely, and more than the 0.011 that are material here; so is the gap.
    assert best["kind"] == "cures" and best["high"] < 0


def test_one_temperature_is_judged_by_the_calibrated_loss(outcomes):
    table = tables.effects(outcomes, RULES)
    last = row(table, name="cooler", metric="val_loss", at="last")
    curves = outcomes[0].results[0].history
    expected = curves.series("val", "calibrated_loss")[-1] - curves.series("val", "loss")[-1]
    assert last["effect"] == pytest.approx(expected)
    assert row(table, name="cooler", metric="val_accuracy", at="last")["effect"] == 0


def test_the_best_epoch_is_that_of_the_raw_loss():
    for variant in record.parse(DOCUMENT).resolved(SEEDS):
        assert variant.train.best_by == "loss"


def test_early_stopping_hands_over_its_best_epoch(outcomes):
    table = tables.effects(outcomes, RULES)
    assert row(table, name="stopped", metric="val_accuracy", at="last")["effect"] > 0.1
    assert row(table, name="stopped", metric="val_accuracy", at="best")["effect"] == 0


def test_what_is_known_of_each_variant(outcomes):
    found = tables.variants(outcomes, RULES)
    assert list(found) == ["baseline", "wide", "stopped", "ensemble", "cooler"]
    assert found["baseline"]["baseline"] and found["baseline"]["effect"] == {
        "last": None,
        "best": None,
    }
    assert found["wide"]["effect"]["best"] == "cures"
    assert found["wide"]["changes"] == {"models.dense.units": [9]}
    assert found["baseline"]["values"]["last"]["val_accuracy"]["value"] == pytest.approx(10 / 12)
    # Three epochs and twelve images are too few to be judged.
    assert (found["baseline"]["verdict"], found["baseline"]["kind"]) == ("undetermined", "images")
    assert found["baseline"]["onset"]["loss"]["seeds"] == [2, 2, 2]
    assert "verdict" not in found["ensemble"] and "verdict" not in found["cooler"]
    # One batch an epoch of 12 images; an ensemble of two costs twice.
    assert (found["wide"]["num_updates"], found["ensemble"]["num_updates"]) == (3, 6)
    assert found["ensemble"]["num_parameters"] == 200


def test_curves_have_every_variant_that_was_trained(outcomes):
    table = tables.curves(outcomes)
    assert list(table.columns[:2]) == ["variant", "seed"]
    assert list(table["variant"].unique()) == ["baseline", "wide", "stopped"]
    assert len(table) == 3 * 3 * 3 * 3  # variants, seeds, epochs, splits


def test_per_class_effects_name_the_class(outcomes):
    table = tables.classes(outcomes, ("a", "b", "c"), 0.95)
    assert len(table) == 4 * 3
    found = row(table, name="wide", class_name="b")
    assert (found["f1"], found["f1_baseline"], found["effect"]) == (1, 1, 0)


def test_a_variant_that_broke_down_is_named_and_left_out(fit, probabilities, data, tmp_path):
    document = {**DOCUMENT, "variants": {"hot": {"train.learning_rate": 1000.0}}}
    planned = plan(record.parse(document).resolved((0, 1)), (0, 1), Where(tmp_path))
    good = [fit(seed, [probabilities(0.8)] * 2, best=1) for seed in (0, 1)]
    bad = fit(1, [probabilities(0.8)] * 2, best=1, failed="epoch 2: the val loss is nan")
    setting = Setting(data, Evaluate(num_resamples=100), {"baseline": 12, "hot": 12}, {}, {})
    found = judged.outcomes(planned, [*good, good[0], bad], setting)
    assert tables.effects(found, RULES).empty
    assert tables.variants(found, RULES)["hot"]["failures"] == [
        "seed 1, epoch 2: the val loss is nan"
    ]


def test_one_line_a_variant_for_the_terminal(outcomes):
    lines = tables.told(tables.effects(outcomes, RULES))
    assert lines[0].startswith("wide: cures; val_accuracy +0.167 [")
    assert len(lines) == 4
