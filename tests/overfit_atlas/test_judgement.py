"""Verdict, kind and probability of fits with planted curves."""

import json

import numpy as np
import pytest

from overfit_atlas import draws, judgement
from overfit_atlas.errors import AtlasError
from overfit_atlas.facts import Facts
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.scores import Predictions
from tests.overfit_atlas.made import falling, fit, flat, turn

KINDS = {"by heart": 0.4, "too sure": 0.5, "unclear": 0.1}
LIKELIEST = ("good fit", "overfit")
TEN = Facts((0.1,) * 10, 10, 400)


def judged(*fits, rules=judgement.DEFAULT, facts=TEN, siblings=None):
    return judgement.judge("net", fits, rules, facts, siblings)


def said(made):
    return made.verdict, made.kind


def three(*args, **more):
    return [fit(*args, seed=seed, **more) for seed in range(3)]


def test_a_rise_of_the_loss_that_one_temperature_takes_away_is_too_sure():
    made = judged(*three(turn(), falling(), calibrated=flat()))
    assert said(made) == ("overfit", "too sure")
    assert made.plainly and made.probability > 0.9
    assert made.onset["loss"].epoch in (8, 9, 10)
    assert made.damage["loss"].value == pytest.approx(0.5 - 0.05 / 2, abs=0.06)
    assert made.damage["calibrated_loss"].probability < 0.1
    assert "temperature" in made.remedies()


def test_a_calibrated_rise_is_wrong_more_often():
    made = judged(*three(turn(), falling()))
    assert said(made) == ("overfit", "wrong more often")


def test_a_fall_of_accuracy_is_wrong_more_often():
    error = np.where(np.arange(20) < 8, 0.2, 0.26)
    made = judged(*three(flat(), falling(), error=error))
    assert said(made) == ("overfit", "wrong more often")
    assert made.damage["accuracy"].value == pytest.approx(0.06, abs=0.005)


def test_a_wide_gap_that_harms_nothing_is_by_heart():
    made = judged(*three(flat(level=1.3), falling(), error=0.51, probe_error=0.05))
    assert said(made) == ("overfit", "by heart")
    assert made.estimate("gap/loss").value == pytest.approx(1.28, abs=0.02)
    assert made.known.wide == pytest.approx(0.15 * (np.log(10) - 1.3), abs=0.01)
    assert "harmed" in made.why().text("en") or "did not harm" in made.why().text("en")


@pytest.mark.parametrize(("level", "verdict"), [(1.3, "overfit"), (0.1, "good fit")])
def test_where_training_images_get_worse_too_no_sentence_says_that_nothing_was_harmed(
    level: float, verdict: str
) -> None:
    made = judged(*three(turn(low=level), turn(low=0.05), error=level / 3, probe_error=level / 4))
    assert made.verdict == verdict and made.damage["loss"].probability > 0.9
    assert made.why().key.endswith("_unsteady")
    assert "learning rate" in made.why().text("en") and "学習率" in made.why().text("ja")


def test_labels_are_to_blame_only_where_the_ruling_is_that_nothing_but_images_was_learned():
    by_gap = judged(*three(flat(level=1.3), falling(), error=0.51, probe_error=0.05))
    assert not by_gap.by_labels and "check_labels" not in by_gap.remedies()
    chance = judged(*three(np.full(20, 2.4), falling(), error=0.9, probe_error=0.05))
    assert said(chance) == ("overfit", "by heart")
    assert chance.by_labels and chance.as_json()["by_labels"]
    assert chance.remedies() == ("check_labels", "check_split")
    below = judged(*three(np.full(20, 2.0), falling(), error=0.9, probe_error=0.05))
    assert said(below) == ("overfit", "by heart") and not below.by_labels


def test_a_narrow_flat_gap_is_a_good_fit():
    made = judged(*three(flat(15, 0.30), flat(15, 0.25), error=0.08, probe_error=0.07))
    assert said(made) == ("good fit", "")
    assert made.estimate("gap/loss").value == pytest.approx(0.05, abs=0.01)


def test_a_loss_that_still_falls_is_too_short():
    made = judged(*three(np.linspace(2, 1, 10), np.linspace(1.9, 0.9, 10), error=0.4))
    assert said(made) == ("underfit", "too short")
    assert made.estimate("fall").value == pytest.approx(1 / 9 * 5, abs=0.01)


def test_a_net_below_a_sibling_on_both_sides_is_too_simple():
    small = three(flat(level=0.9), flat(level=0.85), error=0.29, probe_error=0.26)
    large = three(flat(level=0.5), flat(level=0.4), error=0.18, probe_error=0.08)
    alone = judged(*small)
    assert said(alone) == ("good fit", "")
    assert "no reference" in " ".join(note.text("en").lower() for note in alone.notes())
    beside = judged(*small, siblings={"large": judgement.drawn(large)})
    assert said(beside) == ("underfit", "too simple")
    assert beside.sibling == "large"
    assert "large does better" in beside.why().text("en")
    target = judged(*small, rules=Rules(target_accuracy=0.9))
    assert said(target) == ("underfit", "too simple")


def test_a_sibling_that_is_better_on_training_images_alone_is_no_reason():
    wide = three(flat(level=0.9), flat(level=0.1), error=0.29, probe_error=0.01)
    made = judged(
        *three(flat(level=0.9), flat(level=0.8), error=0.29, probe_error=0.26),
        siblings={"wide": judgement.drawn(wide)},
    )
    assert made.kind != "too simple"


def test_random_labels_are_by_heart_and_the_sentence_names_them():
    chance = np.full(20, np.log(10)) + np.linspace(0.02, 3, 20)
    made = judged(*three(chance, falling(), error=0.9, calibrated=np.full(20, 2.31)))
    assert said(made) == ("overfit", "by heart")
    assert made.why().key == "verdict.why.overfit_by_heart_labels"
    assert made.remedies() == ("check_labels", "check_split")


def test_a_net_that_says_the_largest_class_is_guessing_whatever_its_gap():
    shares = Facts((0.6, 0.4), 2, 400)
    level = np.full(20, 0.673)
    made = judged(*three(level, level, error=0.4, probe_error=0.4), facts=shares)
    assert said(made) == ("underfit", "guessing")


def test_validation_that_was_not_scaled_is_data():
    made = judged(*three(np.full(20, 9.0), falling(), error=0.6, calibrated=np.full(20, 2.0)))
    assert said(made) == ("data", "above chance")
    assert made.remedies()[0] == "check_scaling"


def test_validation_that_is_better_than_train_is_data():
    made = judged(*three(flat(level=0.3), flat(level=0.9), error=0.05, probe_error=0.3))
    assert said(made) == ("data", "better than train")


def test_copies_in_validation_are_data():
    copied = Facts((0.1,) * 10, 10, 400, copies=0.4)
    made = judged(*three(flat(), flat()), facts=copied)
    assert said(made) == ("data", "copies")
    assert "40.0%" in made.why().text("en")


@pytest.mark.parametrize(
    ("epochs", "images", "kind"), [(4, 400, "epochs"), (20, 29, "images"), (5, 30, None)]
)
def test_too_little_to_judge_by_is_said(epochs, images, kind):
    made = judged(fit(flat(epochs), flat(epochs, 0.4), images=images), facts=Facts())
    if kind is None:
        assert made.kind not in ("epochs", "images")
    else:
        assert said(made) == ("undetermined", kind)
        assert made.estimate("gap/loss").value == pytest.approx(0.1, abs=0.01)


def test_fits_that_broke_down_are_left_out_and_counted():
    broken = fit(np.r_[flat(10), [np.nan] * 10], falling())
    made = judged(broken, *three(turn(), falling(), calibrated=flat()))
    assert made.num_failed == 1 and made.num_seeds == 3
    assert made.verdict == "overfit"
    nothing = judged(broken)
    assert said(nothing) == ("undetermined", "failed")


def test_no_fits_are_refused():
    with pytest.raises(AtlasError, match="got no fits"):
        judgement.judge("net", [])


def test_the_price_of_stopping_by_the_loss_is_said_and_stopping_not_advised():
    error = np.linspace(0.5, 0.2, 20)
    made = judged(*three(turn(best=3), falling(), error=error, calibrated=flat()))
    assert made.draws.prices["loss", "accuracy"] == pytest.approx(0.25, abs=0.03)
    assert any("would give up 2" in note.text("en") for note in made.notes())
    assert "early_stopping" not in made.remedies()


def test_the_record_is_plain_json_in_both_languages():
    made = judged(*three(turn(), falling(), calibrated=flat()))
    record = json.loads(json.dumps(made.as_json(), allow_nan=False))
    assert record["schema"] == 1
    assert record["title"] == {"en": "overfit, too sure", "ja": "過学習（自信過剰）"}
    assert sum(record["probabilities"].values()) == pytest.approx(1)
    assert record["damage"]["loss"]["severity"] > 2
    assert record["onset"]["loss"]["low"] <= record["onset"]["loss"]["epoch"]
    assert record["onset"]["loss"]["epoch"] <= record["onset"]["loss"]["high"] <= 20
    assert made.tags() == {"verdict": "overfit", "kind": "too sure", "onset": "confirmed"}


def test_equal_fits_give_equal_judgements():
    fits = three(turn(), falling())
    assert judged(*fits).as_json() == judged(*fits).as_json()


def test_a_model_without_epochs_is_judged_by_its_gap_and_says_so():
    labels = np.arange(400) % 10

    def predictions(sure):
        probabilities = np.full((1, 400, 10), (1 - sure) / 9)
        probabilities[0, np.arange(400), labels] = sure
        return Predictions(probabilities, labels)

    rules = Rules()
    for val, verdict in ((0.85, "good fit"), (0.45, "overfit")):
        found = draws.of_predictions(predictions(val), predictions(0.9), rules)
        made = judgement.judged("ensemble", found, rules, TEN, {})
        assert made.verdict == verdict
        assert made.why().key.endswith("_without_epochs")
        assert "members" in made.why().text("en") and "構成モデル" in made.why().text("ja")
        assert made.as_json()["num_epochs"] == 0


@pytest.mark.parametrize(
    ("verdict", "kind", "known", "japanese", "english"),
    [
        ("overfit", "unclear", {"kinds": KINDS}, "自信過剰、丸暗記。", "too sure, by heart"),
        ("undetermined", "", {"likeliest": LIKELIEST}, "適切（<1%）と過学習（<1%）", "good fit"),
    ],
)
def test_each_language_names_kinds_and_verdicts_with_its_own_words(
    verdict, kind, known, japanese, english
):
    made = Judgement("net", verdict, judgement.DEFAULT, TEN, kind=kind, **known)
    why = made.as_json()["why"]
    assert japanese in why["ja"]
    assert english in why["en"] and english in why["values"].values()
