"""The parts of the page as records: values by hand."""

import base64

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.page import answer, numbers, quiz, render
from overfit_atlas.page.courses import calibration, course, curves, mistakes, right
from overfit_atlas.page.effects import effects
from overfit_atlas.page.gallery import Pictures, gallery
from overfit_atlas.page.plane import plane
from overfit_atlas.scoring.fits import Fit, PerImage

LABELS = np.array([0, 1, 1])


def fit(said: list[list[int]], seed: int = 0) -> Fit:
    """Two epochs of three images with these answers."""
    predicted = np.array(said, np.uint8)
    right = predicted == LABELS
    ones = np.ones(right.shape)
    kept = PerImage(ones, right, ones * 0.8, ones, right, ones, val_predicted=predicted)
    rows = [
        {"seed": seed, "epoch": epoch, "split": split, "loss": loss + seed, "accuracy": 0.5}
        for epoch in (1, 2)
        for split, loss in (("probe", 0.5), ("val", 1.0 * epoch))
    ]
    return Fit(pd.DataFrame(rows), kept, seed)


FITS = [fit([[1, 1, 0], [0, 1, 1]]), fit([[1, 1, 1], [0, 1, 0]], 1)]


def test_mistakes_are_counted_over_seeds_most_frequent_first() -> None:
    assert mistakes(FITS, LABELS) == [[(0, 1, 2), (1, 0, 1)], [(1, 0, 1)]]
    assert right(FITS, LABELS) == [[0, 3], [2, 3]]


def test_curves_are_means_over_seeds_with_the_ends_of_val() -> None:
    found = curves(FITS, "loss")
    assert found == {"probe": [1, 1], "val": [1.5, 2.5], "low": [1, 2], "high": [2, 3]}


def test_calibration_pools_the_seeds() -> None:
    at_first, at_last = (np.array(bins).mean(0) for bins in calibration(FITS))
    assert at_first == pytest.approx([0.8, 3 / 6], abs=1e-3)
    assert at_last == pytest.approx([0.8, 5 / 6], abs=1e-3)


def test_a_model_without_epochs_has_a_verdict_alone() -> None:
    judged = {"name": "net", "verdict": "good fit", "title": {"en": "good fit", "ja": "適切"}}
    found = course(judged, [], "ja")
    assert (found["title"], found["epochs"]) == ("適切", [])
    assert "curves" not in found


def test_the_gallery_keeps_who_is_wrong_at_each_epoch() -> None:
    images = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2, 1)
    pictures = Pictures(images, LABELS, ("a", "b"), marks={"copied": [2]})
    found = gallery(pictures, {"net": FITS, "bare": []})
    assert found["true"] == [0, 1, 1] and found["marks"] == {"copied": [2]}
    assert list(found["models"]) == ["net"] and found["models"]["net"]["seeds"] == 2
    wrong = np.frombuffer(base64.b64decode(found["models"]["net"]["wrong"]), np.uint8)
    assert wrong.reshape(2, 3).tolist() == [[2, 0, 1], [0, 0, 1]]
    assert found["sprite"].startswith("data:image/webp;base64,")


def test_without_kept_answers_there_is_no_gallery() -> None:
    pictures = Pictures(np.zeros((3, 2, 2, 1), np.uint8), LABELS, ("a", "b"))
    assert gallery(pictures, {"net": []}) is None


def test_cells_of_a_grid_meet_half_way_and_leave_no_hole() -> None:
    points = pd.DataFrame({"width": [2, 2, 8, 8], "dropout": [0.0, 0.4, 0.0, 0.4]})
    points = points.assign(gap_loss=0.1, verdict="good fit", kind="", onset="none")
    found = plane({"points": points}, 0.3, "dense")
    assert found["points"][0]["cell"] == [1, 4, -0.2, 0.2]
    assert found["points"][3]["cell"] == [4, 16, 0.2, 0.6]
    assert found["epochs"] == [] and found["frontiers"] == []


def test_points_off_a_grid_are_small_and_alike() -> None:
    points = pd.DataFrame({"width": [2.0, 8.0, 3.0], "dropout": [0.0, 0.5, 0.1], "gap_loss": 0.1})
    cells = [one["cell"] for one in plane({"points": points}, 0.3, "dense")["points"]]
    heights = {round(y2 - y, 4) for _, _, y, y2 in cells}
    assert heights == {0.03}


def test_the_map_knows_gap_and_verdict_of_every_epoch() -> None:
    points = pd.DataFrame({"width": [2], "dropout": [0.0], "gap_loss": [0.2], "num_seeds": [3]})
    rows = [
        {"width": 2, "dropout": 0.0, "epoch": e, "split": s, "loss": loss, "accuracy": 0.5}
        for e in (1, 2)
        for s, loss in (("probe", 1.0), ("val", 1.0 + 0.1 * e))
    ]
    stages = pd.DataFrame(
        [
            {"width": 2, "dropout": 0.0, "epoch": epoch, "verdict": "underfit", "kind": "too short"}
            for epoch in (1, 2)
        ]
    ).assign(probability=[0.9, 0.8999])
    tables = {"points": points, "map_curves": pd.DataFrame(rows), "epochs": stages}
    point = plane(tables, 0.3, "dense")["points"][0]
    assert point["gap"] == [0.1, 0.2]
    judged = [[1, "underfit", "too short", True], [2, "underfit", "too short", False]]
    assert point["judged"] == judged and point["plainly"] is False


def test_the_map_has_a_frontier_with_its_sentence_after_each_budget() -> None:
    points = pd.DataFrame({"width": [2, 8], "dropout": 0.0, "epochs": 9, "gap_loss": 0.2})
    points = points.assign(onset=["none", "confirmed"], onset_epoch=[np.nan, 5.0])
    points = points.assign(onset_low=[1.0, 4.0], onset_high=[9.0, 7.0])
    rows = [
        {"train_fraction": share, "epochs": epochs, "width": width, "need": need, "dropout": 0.25}
        for share in (0.5, 1.0)
        for epochs, needs in ((9, ("some", "some")), (3, ("none", "some")))
        for width, need in zip((8, 2), needs, strict=True)
    ]
    lines = pd.DataFrame(rows).assign(dropout_low=0.1, dropout_high=0.4)
    found = plane({"points": points, "frontier": lines}, 0.3, "dense", {3: "Early."})
    line = {"dropout": 0.25, "low": 0.1, "high": 0.4}
    assert found["frontiers"] == [
        {"epochs": 3, "said": "Early.", "rows": [{"width": 2.0, **line}]},
        {"epochs": 9, "said": "", "rows": [{"width": 2.0, **line}, {"width": 8.0, **line}]},
    ]
    confirmed = {"status": "confirmed", "best_epoch": 5.0, "low": 4.0, "high": 7.0}
    assert [one["onset"] for one in found["points"]] == [
        {"status": "none", "best_epoch": None, "low": 1.0, "high": 9.0},
        confirmed,
    ]


def test_effects_on_accuracy_are_in_points_and_what_helps_comes_first() -> None:
    table = pd.DataFrame(
        [
            {
                "name": "L2",
                "metric": "val_accuracy",
                "at": "last",
                "effect": 0.0,
                "kind": "unclear",
            },
            {
                "name": "more",
                "metric": "val_accuracy",
                "at": "last",
                "effect": 0.02,
                "kind": "cures",
            },
            {"name": "more", "metric": "val_ece", "at": "last", "effect": 0.5, "kind": "cures"},
        ]
    ).assign(low=-0.01, high=0.03)
    found = effects(table, None, {"baseline": "large"})
    assert found["order"] == ["more", "L2"]
    assert [(row["effect"], row["low"], row["high"]) for row in found["rows"]] == [
        (0, -1, 3),
        (2, -1, 3),
    ]


def test_the_quiz_asks_ten_and_every_answer_occurs() -> None:
    asked = quiz.questions([], None, None, "en")
    assert {one["answer"] for one in asked} == set(quiz.ANSWERS)
    assert all(one["title"] == "made-up curves" for one in asked)
    points = [
        {
            "width": 2.0**i,
            "dropout": 0.0,
            "epochs": [1, 2, 3],
            "probability": 0.9,
            "probe": [1, 0.5, 0.2],
            "val": [1, 0.6, 0.9],
            "verdict": "overfit",
            "kind": "too sure",
            "probe_accuracy": [0.5] * 3,
            "val_accuracy": [0.5] * 3,
        }
        for i in range(12)
    ]
    asked = quiz.questions([], {"model": "dense", "points": points}, None, "en")
    assert len(asked) == 10 and asked == quiz.questions(
        [], {"model": "dense", "points": points}, None, "en"
    )


def test_the_reason_says_what_the_curve_shows() -> None:
    one = {"epochs": [1, 2, 3], "probe": [1, 0.5, 0.2], "val": [1, 0.6, 0.9]}
    one["val_accuracy"] = [0.5, 0.7, 0.68]
    said = quiz.reason(one, "too_sure", "en")
    assert said.endswith(
        "Gap at the end +0.70 nats; validation loss since its lowest point, epoch 2: +0.300 nats; "
        "accuracy since then: −2.0 points."
    )


@pytest.mark.parametrize(
    ("value", "ends", "form", "said"),
    [
        (0.874, (0.852, 0.893), numbers.percent, "87.4% (85.2–89.3%)"),
        (0.5, (-0.1, 0.9), numbers.signed, "+0.50 (−0.10 to +0.90)"),
        (-0.001, (), numbers.signed, "0.00"),
        (None, (0, 1), numbers.number, "–"),
        (0.02, (None, None), numbers.points, "+2.0"),
        (0.0002, (), numbers.chance, "<0.001"),
        (0.0006, (), numbers.chance, "0.001"),
    ],
)
def test_numbers_have_one_rounding(value: float, ends: tuple, form: object, said: str) -> None:
    assert numbers.with_span(value, ends, form, "en") == said


def test_negative_numbers_of_sentences_have_a_true_minus() -> None:
    said = numbers.true_minus("seed-1: accuracy (-0.1 points), gap -0.02 (-0.10 to +0.06)")
    assert said == "seed-1: accuracy (−0.1 points), gap −0.02 (−0.10 to +0.06)"


def test_verdicts_are_one_sentence_and_models_without_epochs_are_not_in_it() -> None:
    models = [
        ("a", "overfit", [1]),
        ("b", "good fit", [1]),
        ("c", "overfit", [1]),
        ("d", "data", []),
    ]
    courses = [{"name": n, "verdict": v, "epochs": e, "plainly": True} for n, v, e in models]
    assert answer.verdict_sentence(courses, "en") == "a and c overfit; b shows no overfitting"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            "a overfits; b and c probably overfit; d probably shows no overfitting; "
            "e cannot be judged; f cannot be judged (good fit or overfit)",
        ),
        (
            "ja",
            "a は過学習している。b と c はおそらく過学習している。d には、おそらく過学習がない。"
            "e は判定できない。f は判定できない（適切または過学習）",
        ),
    ],
)
def test_the_sentence_is_as_sure_as_the_records(language: str, said: str) -> None:
    likeliest = ["good fit", "overfit"]
    models = {
        "f": ("undetermined", "", 0.55),
        "e": ("undetermined", "epochs", None),
        "d": ("good fit", "", 0.71),
        "b": ("overfit", "too sure", 0.6),
        "a": ("overfit", "too sure", 0.9),
        "c": ("overfit", "by heart", 0.8999),
    }
    records = [
        {"name": n, "verdict": v, "kind": k, "probability": p, "likeliest": likeliest}
        for n, (v, k, p) in models.items()
    ]
    courses = [course(one, [], language) | {"epochs": [1]} for one in records]
    assert answer.verdict_sentence(courses, language) == said


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("verdict", sorted(set(answer.WORST_FIRST) - {"undetermined"}))
@pytest.mark.parametrize("models", ["a", "ab"])
def test_every_verdict_has_words_for_sure_and_for_probably(
    models: str, verdict: str, language: str
) -> None:
    said = [
        answer.verdict_sentence(
            [{"name": n, "verdict": verdict, "epochs": [1], "plainly": sure} for n in models],
            language,
        )
        for sure in (True, False)
    ]
    word = {"en": "probably", "ja": "おそらく"}[language]
    assert [word in one for one in said] == [False, True]


def test_onsets_say_why_there_is_none() -> None:
    assert answer.onset({"epoch": 9, "low": 5, "high": 11}, "en") == "epoch 9 (5–11)"
    assert answer.onset({"epoch": None, "status": "censored"}, "en") == "not yet"
    assert answer.onset(None, "en") == "–"


def test_a_japanese_list_has_spaces_beside_latin_letters_alone() -> None:
    assert numbers.listed(["L2", "半分の幅", "2 倍のデータ"], "ja") == "L2、半分の幅と 2 倍のデータ"
    assert numbers.listed(["半分の幅", "データ拡張"], "ja") == "半分の幅とデータ拡張"
    assert numbers.listed(["dense", "cnn"], "ja") == "dense と cnn"


@pytest.mark.parametrize(
    ("value", "said"), [(1.0, ">99%"), (0.996, ">99%"), (0.994, "99%"), (0.0, "<1%"), (0.006, "1%")]
)
def test_a_probability_is_never_said_to_be_certain(value: float, said: str) -> None:
    assert numbers.likely(value) == said


def test_an_unknown_probability_is_a_dash() -> None:
    assert numbers.likely(None) == "–"


def test_a_note_of_several_models_is_said_once_of_all_of_them() -> None:
    notes = {"a": ["one split", "no probe", "one seed"], "b": ["one split", "no probe"], "c": []}
    courses = [{"name": name, "notes": said} for name, said in notes.items()]
    assert render.shared(courses) == {("a", "b"): ["one split", "no probe"]}
