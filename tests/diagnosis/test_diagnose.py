import json

import numpy as np
import pandas as pd
import pytest

from pipeline.diagnosis import synthetic, words
from pipeline.diagnosis.diagnose import best_reference, diagnose, diagnose_predictions
from pipeline.diagnosis.histories import History
from pipeline.diagnosis.scores import Predictions
from pipeline.diagnosis.verdict import Reference
from pipeline.params import Evaluate

SETTINGS = Evaluate()


def of(kind, seed=7, num_seeds=3, **more):
    case = synthetic.make(kind, seed, num_seeds)
    reference = Reference(case.reference, "model", "best")
    return case, diagnose("cnn", case.histories, SETTINGS, reference, synthetic.NUM_CLASSES, **more)


@pytest.fixture(scope="module")
def overfit():
    return of("overfit 1")


def test_an_overfit_is_told_with_its_onset(overfit):
    case, found = overfit
    assert found.verdict == "overfit"
    assert found.onsets["loss"].status == "confirmed"
    assert abs(found.onsets["loss"].median - np.median(case.onsets)) <= 2
    assert found.excess_gap["loss"].low > 0
    assert found.tags() == {"verdict": "overfit", "onset": "confirmed"}


def test_the_metrics_are_those_runs_are_sorted_by(overfit):
    _, found = overfit
    metrics = found.metrics()
    assert set(metrics) >= {
        "gap/loss", "gap/accuracy", "excess_gap", "best_epoch", "onset_epoch", "onset_censored",
    }  # fmt: skip
    assert metrics["gap/loss"] == found.gap["loss/last"].value
    assert metrics["onset_epoch"] == found.onsets["loss"].median
    assert metrics["onset_censored"] == 0


def test_no_onset_leaves_no_number_that_could_be_taken_for_one():
    _, found = of("censored", 10007)
    metrics = found.metrics()
    assert "onset_epoch" not in metrics
    assert metrics["onset_censored"] == 1


def test_json_is_plain_and_complete(overfit):
    _, found = overfit
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert document["verdict"] == "overfit"
    assert set(document["why"]) == {"key", "values", "en", "ja"}
    assert set(document["onset"]) == {"loss", "accuracy", "calibration"}
    assert len(document["onset"]["loss"]["seeds"]) == 3
    assert set(document["gap"]["loss"]["last"]) == {
        "value", "low", "high", "num_seeds", "num_images",
    }  # fmt: skip
    assert document["scores"]["val"]["ece"]["last"]["value"] > 0
    assert document["best_epoch"]["low"] <= document["best_epoch"]["median"]
    assert set(document["early_stopping"]) == {"GL_2", "PQ_0.5", "UP_3", "patience_5"}


def test_equal_histories_give_equal_diagnoses(overfit):
    _, found = overfit
    assert of("overfit 1")[1].as_json() == found.as_json()


def test_marks_name_best_epoch_and_onsets(overfit):
    _, found = overfit
    marks = found.marks()
    assert marks["kind"].tolist() == ["best", "onset", "onset", "onset"]
    assert marks["metric"].tolist() == ["loss", "loss", "accuracy", "calibration"]
    assert (marks["model"] == "cnn").all()
    assert marks["epoch"][1] == found.onsets["loss"].median


def test_seeds_that_broke_down_are_left_out_and_counted():
    case = synthetic.make("overfit 1", 7, 3)
    broken = synthetic.make("nan at the end", 7, 1).histories[0]
    found = diagnose("cnn", [*case.histories, broken], SETTINGS)
    assert (found.evidence.num_seeds, found.evidence.num_failed) == (3, 1)
    assert found.verdict == "overfit"
    assert "verdict.note.failed" in [note.key for note in found.notes]


def test_all_seeds_broken_is_undetermined():
    _, found = of("nan at the end")
    assert (found.verdict, found.metrics(), found.best_epochs) == ("undetermined", {}, ())
    json.dumps(found.as_json(), allow_nan=False)


def test_two_epochs_are_undetermined():
    assert of("two epochs")[1].judgement.why.key == "verdict.undetermined.epochs"


def test_one_seed_is_enough_for_a_verdict_but_says_so():
    _, found = of("overfit 2", 10007, num_seeds=1)
    assert found.verdict == "overfit"
    assert [note.key for note in found.notes] == ["verdict.note.one_seed"]
    assert found.gap["loss/last"].se_seeds is None


def test_a_keras_history_is_judged_and_says_what_is_less_certain():
    case = synthetic.make("overfit 2", 10007, 3)
    histories = [
        History(one.curves.replace({"split": {"probe": "running"}}).drop(columns="ece"), None)
        for one in case.histories
    ]
    found = diagnose("cnn", histories, SETTINGS)
    assert found.verdict == "overfit"
    assert set(found.onsets) == {"loss", "accuracy"}
    assert [note.key.rsplit(".", 1)[1] for note in found.notes] == [
        "no_per_image", "no_probe", "no_reference",
    ]  # fmt: skip
    assert "Keras shows" in words.report(found)


def test_seeds_of_different_length_are_judged_together(overfit):
    case, _ = overfit
    first = case.histories[0]
    stop = first.num_epochs - 4
    short = History(first.curves[first.curves["epoch"] <= stop], first.per_image.head(stop), 9)
    found = diagnose("cnn", [short, *case.histories[1:]], SETTINGS)
    assert found.verdict == "overfit"
    assert found.evidence.num_epochs == stop


def test_curves_of_whole_epochs_only_are_enough():
    curve = [2.0, 1.0, 0.5, *np.linspace(0.6, 3, 20)]
    epochs = np.arange(1, 24)
    curves = pd.DataFrame({"seed": 0, "epoch": epochs, "split": "val", "loss": curve})
    found = diagnose("curve", [History(curves)], SETTINGS)
    assert found.verdict == "overfit"
    assert found.gap["loss/last"] is None
    json.dumps(found.as_json(), allow_nan=False)


def test_no_histories_is_an_error():
    with pytest.raises(ValueError, match="no histories"):
        diagnose("cnn", [], SETTINGS)


def test_the_best_model_is_the_reference():
    models = {
        kind: synthetic.make(kind, 3, 1).histories for kind in ("underfit", "memorising", "ideal")
    }
    found = best_reference(models, SETTINGS)
    assert (found.name, found.source) == ("memorising", "model")
    assert found.low < found.accuracy <= 1
    assert best_reference({"x": synthetic.make("nan at the end", 3, 1).histories}, SETTINGS) is None


def test_a_target_goes_before_the_best_model():
    case = synthetic.make("underfit", 3, 3)
    settings = replace_target(0.95)
    found = diagnose("cnn", case.histories, settings, Reference(0.1), 10)
    assert (found.verdict, found.evidence.reference.source) == ("underfit", "target")


def replace_target(accuracy):
    return SETTINGS.model_copy(update={"target_accuracy": accuracy})


def predictions(accuracy, num_images=500, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, num_images)
    right = rng.random((1, num_images)) < accuracy
    predicted = np.where(right, labels, (labels + 1) % 10)
    probabilities = np.full((1, num_images, 10), 0.01)
    np.put_along_axis(probabilities, predicted[..., None], 0.91, -1)
    return Predictions(probabilities, labels)


def test_a_model_without_epochs_has_a_gap_but_no_onset():
    splits = {"probe": predictions(0.95), "val": predictions(0.85, seed=1)}
    found = diagnose_predictions("ensemble", splits, SETTINGS)
    assert (found.verdict, found.judgement.why.key) == (
        "undetermined",
        "verdict.undetermined.no_epochs",
    )
    assert found.gap["accuracy/last"].value == pytest.approx(0.1, abs=0.05)
    assert found.onsets == {}
    json.dumps(found.as_json(), allow_nan=False)


def test_a_model_without_epochs_can_memorise_and_underfit():
    by_heart = {"probe": predictions(1.0), "val": predictions(0.8, seed=1)}
    assert diagnose_predictions("ensemble", by_heart, SETTINGS).verdict == "memorising"
    weak = {"probe": predictions(0.6), "val": predictions(0.6, seed=1)}
    reference = Reference(0.99, "model", "cnn", 0.98)
    assert diagnose_predictions("ensemble", weak, SETTINGS, reference).verdict == "underfit"


@pytest.mark.parametrize("kind", list(synthetic.KINDS))
@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_kind_of_history_can_be_reported(kind, language):
    _, found = of(kind, 10007, num_seeds=1)
    said = words.report(found, language)
    assert "None" not in said and "nan" not in said.lower().split()
    assert found.name in said.splitlines()[0]
