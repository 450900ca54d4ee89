from dataclasses import replace

import pytest

from pipeline.diagnosis import verdict
from pipeline.diagnosis.estimates import Estimate
from pipeline.diagnosis.onset import Onset, Onsets
from pipeline.diagnosis.verdict import Evidence, Message, Reference
from pipeline.params import Evaluate
from pipeline.texts import LANGUAGES


def about(value, half=0.02, **more):
    return Estimate(value, value - half, value + half, 3, 400, **more)


def onsets(status, confirmed=0):
    one = Onset(0, status, "not worse", 7 if status == "confirmed" else None, 7, 30)
    median = 7.0 if status == "confirmed" else None
    return Onsets(status, median, None, None, 7, 7, confirmed, 3 - confirmed, 0, (one,) * 3)


GOOD = Evidence(
    num_seeds=3,
    num_failed=0,
    num_epochs=30,
    num_images=400,
    onset=onsets("none"),
    probe_accuracy=about(0.95),
    val_accuracy=about(0.90),
    gap_loss=about(0.1),
    gap_accuracy=about(0.05),
    excess_gap=about(0.01),
    rise=about(0.005, se_images=0.01, se_seeds=0.005),
    val_loss=0.4,
    best_epoch=20.0,
    reference=Reference(0.96, low=0.93),
    chance=0.1,
    settings=Evaluate(),
)
HEART = replace(GOOD, probe_accuracy=about(0.995, 0.004))
NO_GAP = replace(GOOD, gap_loss=about(0.01), gap_accuracy=about(0.01))


def judged(evidence, **changes):
    found = verdict.judge(replace(evidence, **changes))
    return found.verdict, found.why.key.rsplit(".", 1)[1]


def test_no_onset_and_no_excess_is_a_good_fit():
    assert judged(GOOD) == ("good fit", "flat")


def test_a_good_fit_that_still_improves_says_so():
    assert judged(GOOD, onset=onsets("censored")) == ("good fit", "still_falling")


def test_a_confirmed_onset_is_overfit():
    assert judged(GOOD, onset=onsets("confirmed", 3)) == ("overfit", "onset")


@pytest.mark.parametrize(
    ("low", "expected"), [(0.0, ("good fit", "flat")), (1e-6, ("overfit", "excess"))]
)
def test_an_excess_gap_whose_lower_bound_is_above_zero_is_overfit(low, expected):
    assert judged(GOOD, excess_gap=Estimate(0.1, low, 0.2, 3)) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (Reference(0.98, low=0.9701), ("underfit", "model")),
        (Reference(0.98, low=0.9699), ("good fit", "flat")),
        (Reference(0.9701, "target"), ("underfit", "target")),
        (Reference(0.9699, "target"), ("good fit", "flat")),
        (None, ("good fit", "flat")),
    ],
)
def test_underfit_is_worse_than_the_reference_by_more_than_the_interval(reference, expected):
    assert judged(NO_GAP, reference=reference) == expected


def test_with_a_gap_it_is_not_underfit():
    low = {"reference": Reference(0.99, "target")}
    assert judged(NO_GAP, **low) == ("underfit", "target")
    assert judged(NO_GAP, **low, gap_loss=about(0.021))[0] != "underfit"
    assert judged(NO_GAP, **low, gap_accuracy=about(0.021))[0] != "underfit"


def test_a_model_that_only_guesses_is_underfit_without_a_reference():
    guessing = {"probe_accuracy": about(0.11), "reference": None}
    assert judged(NO_GAP, **guessing) == ("underfit", "guessing")
    assert judged(NO_GAP, **guessing, chance=None) == ("good fit", "flat")


def test_knowing_the_training_images_by_heart_is_memorising_not_a_fault():
    assert judged(HEART) == ("memorising", "benign")
    assert judged(HEART, excess_gap=Estimate(0.1, 0.05, 0.2, 3)) == ("memorising", "benign")


@pytest.mark.parametrize(("error", "expected"), [(0.0099, "memorising"), (0.0101, "good fit")])
def test_about_zero_is_one_in_a_hundred(error, expected):
    assert judged(GOOD, probe_accuracy=about(1 - error, 0.001))[0] == expected


def test_memorising_that_made_validation_worse_is_overfit():
    worse = {"rise": about(0.1), "excess_gap": about(0.2)}
    assert judged(HEART, **worse) == ("overfit", "excess")
    assert judged(HEART, onset=onsets("confirmed", 3)) == ("overfit", "onset")


def test_labels_that_validation_never_confirms_are_memorised_however_the_loss_rises():
    noise = {"val_accuracy": about(0.11), "onset": onsets("confirmed", 3), "rise": about(5.0)}
    assert judged(HEART, **noise) == ("memorising", "noise")
    assert judged(HEART, **noise | {"val_accuracy": about(0.13)}) == ("overfit", "onset")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"num_seeds": 0, "num_failed": 3}, "failed"),
        ({"num_images": 29}, "images"),
        ({"num_epochs": 6}, "epochs"),
        ({"num_epochs": 0, "onset": None}, "no_epochs"),
        ({"onset": onsets("none", 2)}, "disagree"),
        ({"rise": Estimate(0.05, -0.1, 0.11, 3, 400, 0.05, 0.01)}, "thin_images"),
        ({"rise": Estimate(0.05, -0.1, 0.11, 3, 400, 0.01, 0.05)}, "thin_seeds"),
        ({"rise": Estimate(0.05, -0.1, 0.11, 1, 400, 0.01, None, 0.05)}, "thin_seeds"),
    ],
)
def test_too_little_to_tell_says_what_is_missing(changes, why):
    assert judged(GOOD, **changes) == ("undetermined", why)


@pytest.mark.parametrize(
    ("high", "val_loss", "expected"),
    [(0.099, 0.4, "good fit"), (0.101, 0.4, "undetermined"), (0.049, 0.01, "good fit")],
)
def test_a_rise_that_matters_must_be_excluded(high, val_loss, expected):
    rise = Estimate(0.0, -0.1, high, 3, 400, 0.05, 0.01)
    assert judged(GOOD, rise=rise, val_loss=val_loss)[0] == expected


def test_a_curve_without_any_interval_is_still_judged_by_its_onset():
    bare = {"gap_loss": None, "gap_accuracy": None, "excess_gap": None, "probe_accuracy": None}
    assert judged(GOOD, **bare) == ("good fit", "flat")
    assert judged(GOOD, **bare, onset=onsets("confirmed", 3)) == ("overfit", "onset")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_has_its_sentence_and_remedies(language):
    changes = [
        {},
        {"onset": onsets("censored")},
        {"onset": onsets("confirmed", 3)},
        {"excess_gap": Estimate(0.1, 0.05, 0.2, 3)},
        {"num_seeds": 0, "num_failed": 3},
        {"num_images": 29},
        {"num_epochs": 6},
        {"num_epochs": 0, "onset": None},
        {"onset": onsets("none", 2)},
        {"rise": Estimate(0.05, -0.1, 0.11, 3, 400, 0.05, 0.01)},
        {"rise": Estimate(0.05, -0.1, 0.11, 3, 400, 0.01, 0.05)},
    ]
    found = [verdict.judge(replace(GOOD, **change)) for change in changes]
    found += [verdict.judge(HEART), verdict.judge(replace(HEART, val_accuracy=about(0.11)))]
    for source in ("model", "target"):
        found.append(verdict.judge(replace(NO_GAP, reference=Reference(0.99, source, "cnn"))))
    found.append(verdict.judge(replace(NO_GAP, probe_accuracy=about(0.1), reference=None)))
    assert len({one.why.key for one in found}) == len(found)
    for one in found:
        said = one.why.text(language)
        assert "None" not in said and "nan" not in said and "{" not in said
        assert one.remedies
    assert {one.verdict for one in found} == {
        "underfit", "good fit", "overfit", "memorising", "undetermined",
    }  # fmt: skip


def test_every_remedy_has_a_text_in_every_language():
    for names in verdict.REMEDIES.values():
        for name in names:
            for language in LANGUAGES:
                assert Message(f"verdict.remedy.{name}").text(language)


def test_a_judgement_is_json_with_both_languages():
    found = verdict.judge(replace(GOOD, onset=onsets("confirmed", 3))).as_json()
    assert found["verdict"] == "overfit"
    assert "epoch 20" in found["why"]["en"]
    assert "エポック 20" in found["why"]["ja"]
    assert found["why"]["values"]["num_confirmed"] == 3
    assert found["remedies"][0]["key"] == "early_stopping"
