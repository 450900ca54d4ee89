import numpy as np
import pytest

from pipeline.comparing import scoring
from pipeline.comparing.class_scores import Resampled, summaries


@pytest.fixture
def resampled(labels):
    return Resampled.draw(labels, num_classes=3, num_resamples=40)


def test_scores_are_those_of_the_epoch_that_counts(fit, probabilities, resampled):
    epochs = [probabilities(0.6), probabilities(0.8), probabilities(0.7, wrong=3)]
    fits = [fit(0, epochs, best=2), fit(1, epochs, best=2)]
    best = scoring.of_fits(fits, "best", resampled)
    last = scoring.of_fits(fits, "last", resampled)
    assert (best.epochs, last.epochs) == ((2, 2), (3, 3))
    assert best.values["val_loss"] == pytest.approx([-np.log(0.8)] * 2)
    assert best.values["val_accuracy"] == pytest.approx([1, 1])
    assert last.values["val_accuracy"] == pytest.approx([0.75, 0.75])
    # Positive: worse on validation. The probe has 0.9 for every label.
    assert best.values["gap_loss"] == pytest.approx(np.log(0.9 / 0.8))
    assert last.values["gap_accuracy"] == pytest.approx([0.25, 0.25])
    assert last.images["val_accuracy"].shape == (2, 12)


def test_one_temperature_changes_losses_and_no_answer(fit, probabilities, resampled):
    epochs = [probabilities(0.6), probabilities(0.9, wrong=3)]
    plain = scoring.of_fits([fit(0, epochs, best=2), fit(1, epochs, best=2)], "last", resampled)
    found = scoring.tempered(plain)
    for name in ("val_loss", "probe_loss", "gap_loss"):
        calibrated = name.replace("_loss", "_calibrated_loss")
        assert found.values[name].tolist() == plain.values[calibrated].tolist()
        assert found.values[name].tolist() != plain.values[name].tolist()
    assert (found.images["val_loss"] == plain.images["val_calibrated_loss"]).all()
    assert (found.values["val_accuracy"] == plain.values["val_accuracy"]).all()
    assert found.values["macro_f1"].tolist() == plain.values["macro_f1"].tolist()
    assert not {"val_ece", "val_brier"} & set(found.values)


def test_scores_by_class_belong_to_the_kept_predictions(fit, probabilities, resampled):
    epochs = [probabilities(0.8), probabilities(0.7, wrong=3)]
    best = scoring.of_fits([fit(0, epochs, best=1)], "best", resampled)
    last = scoring.of_fits([fit(0, epochs, best=1)], "last", resampled)
    assert best.classes.shape == (1, 41, 3)
    assert best.values["worst_class_f1"] == pytest.approx([1.0])
    assert last.classes is None and "macro_f1" not in last.values


def test_an_ensemble_of_equal_members_scores_as_one(probabilities, labels, resampled):
    members = np.stack([probabilities(0.8, wrong=2)] * 4)
    found = scoring.of_ensemble(
        {"probe": members, "val": members}, {"probe": labels, "val": labels}, 3, resampled
    )
    assert found.values["val_accuracy"] == pytest.approx([10 / 12] * 4)
    assert found.values["gap_loss"] == pytest.approx([0] * 4)
    assert found.classes[0, 0] == pytest.approx(resampled.f1(members[0].argmax(-1))[0])


def test_members_that_err_elsewhere_correct_each_other(labels, resampled):
    wrong = (labels + 1) % 3
    members = np.full((5, 12, 3), 0.1)
    for seed in range(5):
        said = np.where(np.arange(12) % 5 == seed, wrong, labels)
        members[seed, np.arange(12), said] = 0.8
    found = scoring.of_ensemble(
        {"probe": members, "val": members}, {"probe": labels, "val": labels}, 3, resampled
    )
    # Any two of three members outvote the third, so every choice is right everywhere.
    assert found.values["val_accuracy"] == pytest.approx([1.0] * 5)
    assert (members.argmax(-1) == labels).mean() < 0.85


def test_f1_by_class_is_that_of_scikit_learn(labels, resampled):
    from sklearn.metrics import f1_score

    predicted = np.array([0, 1, 2, 0, 0, 2, 1, 1, 2, 2, 1, 0])
    found = resampled.f1(predicted)
    assert found[0] == pytest.approx(f1_score(labels, predicted, average=None))
    counts = resampled.weights[7].astype(int)
    again = f1_score(np.repeat(labels, counts), np.repeat(predicted, counts), average=None)
    assert found[7] == pytest.approx(again)
    assert (resampled.weights[1:].reshape(40, 4, 3).sum(axis=1) == 4).all()


def test_a_class_without_images_is_left_out():
    some = Resampled.draw(np.array([0, 0, 1]), num_classes=3, num_resamples=5)
    f1 = some.f1(np.array([0, 1, 1]))
    assert np.isnan(f1[:, 2]).all()
    # F1 of 2/3 for both classes there are.
    assert summaries(f1)["macro_f1"][0] == pytest.approx(2 / 3)
    assert summaries(f1)["worst_class_f1"][0] == pytest.approx(2 / 3)
    assert summaries(f1)["f1_spread"][0] == pytest.approx(0, abs=1e-7)
