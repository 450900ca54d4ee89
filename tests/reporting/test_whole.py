"""What the page says: the answer first, and plainly what is missing."""

import html
import json
import re
from pathlib import Path

import pytest

from pipeline.reporting import results
from tests.reporting import pages

ORDER = [
    "answer",
    "curves",
    "map",
    "classes",
    "mistakes",
    "remedies",
    "calibration",
    "data",
    "method",
]


def plain(text: str) -> str:
    """The words of a page, without styles, scripts and tags."""
    text = re.sub(r"<(style|script)>.*?</\1>", " ", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


@pytest.fixture(scope="module")
def whole(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return pages.html("en", digits_folder, tmp_path_factory.mktemp("results") / "all")


def made(folder: Path, data: Path, language: str = "en") -> str:
    return pages.rendered(results.read(folder, data), {"commit": ""}, language=language)


@pytest.fixture(scope="module")
def bare(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pages of results that hold nothing but the scores of one model, with numbers missing."""
    folder = tmp_path_factory.mktemp("bare")
    scores = {"accuracy": 0.875, "loss": None, "num_seeds": 1, "num_images": 60, "extra": 1}
    (folder / "metrics.json").write_text(json.dumps({"<b>mine</b>": {"test": scores}}))
    return {language: made(folder, digits_folder, language) for language in ("en", "ja")}


def test_the_answer_comes_first_and_the_method_last(whole: str) -> None:
    assert re.findall(r'<section id="(\w+)"', whole) == ORDER


def test_the_headline_names_verdicts_and_the_best_model(whole: str) -> None:
    words = plain(whole)
    assert "dense and cnn overfit. Best on validation is" in words
    assert re.search(r"validation is \w+, which classifies [\d.]+% \([\d.]+–[\d.]+%\) of", words)


def test_each_verdict_is_a_sentence_with_onset_gap_and_intervals(whole: str) -> None:
    card = plain(re.findall(r'<article class="answer">.*?</article>', whole, re.S)[0])
    assert card.startswith("dense overfit, ")
    assert re.search(r"Probability of the verdict \d+%", card)
    assert re.search(r"Gap in loss, last epoch \+1\.\d\d nats \+[\d.]+ to \+[\d.]+", card)
    assert re.search(r"Damage of the loss since the best epoch \+[\d.]+ nats", card)
    assert re.search(r"Overfitting begins at epoch \d+ \d+–\d+", card)


def test_the_advice_is_what_this_run_measured(whole: str) -> None:
    cards = [plain(c) for c in re.findall(r'<article class="answer">.*?</article>', whole, re.S)]
    measured = "dropout 0.5: better on new images and a smaller gap, beyond stopping in time"
    assert f"Worth trying {measured} (measured on dense)." in cards[0]
    assert "twice the data: better on new images, beyond stopping in time, though" in cards[0]
    assert "half width" not in cards[0] and "L1" not in cards[0]


def test_where_nothing_helped_that_is_the_advice(tmp_path: Path, digits_folder: Path) -> None:
    found = pages.everything(digits_folder, tmp_path / "all")
    kinds = found.compare["remedies"]["summary"]["kinds"]
    for name in kinds:
        kinds[name] = {"last": "harms", "best": "unclear"}
    text = plain(pages.rendered(found, {}))
    assert "None of the remedies measured here on dense surely helps." in text


def test_scores_carry_split_seeds_images_and_interval(whole: str) -> None:
    rows = re.findall(r"<tr><th scope=\"row\".*?</tr>", whole, re.S)
    assert re.match(
        r"dense Test [\d.]+% [\d.]+–[\d.]+% [\d.]+ 0\.\d+–0\.\d+ [\d.]+ [\d.]+ [\d.]+ [\d.]+ 3 60$",
        plain(rows[0].replace("</t", " </t")),
    )


def test_differences_between_models_carry_intervals(whole: str) -> None:
    words = plain(whole)
    assert "dense minus cnn −2.5 −4.5 to −0.6 −2.5 −4.4 to −0.7 0.021 20% 4–62%" in words
    assert "ensemble minus its average member +1.0 −0.3 to +2.4" in words
    assert "different answers for 8.6% of the test images" in words


def test_map_and_remedies_are_told_in_sentences(whole: str) -> None:
    words = plain(whole)
    assert "Without dropout, dense overfits from a width of about 9 (8–10) on." in words
    assert re.search(r"At width 256, a dropout rate of 0\.\d\d \(0\.\d\d–0\.\d\d\) brings", words)
    assert "points are foretold to within 0.021 nats, and 95% of them" in words
    assert "dropout 0.5 Cures +2.0 (+1.0 to +3.0) −0.20 (−0.21 to −0.19)" in words
    assert "How many units?" in words


def test_hard_training_images_are_counted(whole: str) -> None:
    assert re.search(
        r"Of 60 training images examined, \d+ were never learned and \d+ were learned and", whole
    )


def test_how_it_was_measured_names_commit_versions_seeds_and_params(whole: str) -> None:
    words = plain(whole)
    assert "Code (git commit) 0123456789ab" in words
    assert "Seeds of dense 0, 1, 2;" in words
    assert "models.cnn.filters [32]" in words
    assert "tune.storage" not in words and "workers" not in words


@pytest.mark.parametrize(
    "said",
    [
        "This model was evaluated, but not diagnosed.",
        "There are no learning curves yet. This writes them: dvc repro evaluate",
        "No map was drawn, so nothing can be said about width and dropout. "
        "This trains and draws it: dvc repro tune",
        "The per-class tables are missing. This writes them: dvc repro evaluate",
        "Confusions and predictions are missing. This writes them: dvc repro evaluate",
        "No comparison was run, so nothing can be said about remedies. "
        "This runs the small one that belongs to the report: dvc repro compare@remedies",
        "The reliability tables are missing, so there is no diagram.",
        "Code (git commit) unknown: not run from a git checkout",
        "Best on validation is <b>mine</b>, which classifies 87.5% of the test images correctly.",
        "<b>mine</b> Test 87.5% – – – – – 1 60",
    ],
)
def test_what_is_missing_is_said(bare: dict[str, str], said: str) -> None:
    assert said in plain(bare["en"].replace("</t", " </t"))


def test_what_is_missing_is_said_in_japanese(bare: dict[str, str]) -> None:
    words = plain(bare["ja"])
    assert '<html lang="ja">' in bare["ja"]
    assert "地図がないため" in words and "dvc repro tune" in words
    assert "このモデルは評価されたが、診断されていない。" in words


def test_results_that_were_cut_short_are_no_reason_to_crash(
    tmp_path: Path, digits_folder: Path
) -> None:
    found = pages.everything(digits_folder, tmp_path / "all")
    for name, table in found.compare["remedies"].items():
        if name == "effects":
            table["kind"] = None
    found.tune["summary"].clear()
    del found.compare["units"]["summary"]
    found.diagnosis["dense"] = {"verdict": "something new", "onset": {}, "gap": None}
    for kind in ("confusions", "calibration", "per_class"):
        found.tables[kind].pop("dense")
    text = plain(pages.rendered(found, {}))
    assert "dense undetermined" in text
    assert "Without dropout" not in text
