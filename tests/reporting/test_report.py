"""What a run gives the page: one answer, one rounding, what was measured to help, what is there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from overfit_atlas.page.document import Page
from pipeline import params
from pipeline.reporting import report, results
from tests.reporting import pages


def made(found: results.Results, **asked: str) -> Page:
    return report.report(found, params.parse({"report": asked}), pages.ORIGIN)


@pytest.fixture(scope="module")
def found(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> results.Results:
    return pages.everything(digits_folder, tmp_path_factory.mktemp("results") / "all")


@pytest.fixture(scope="module")
def page(found: results.Results) -> Page:
    return made(found)


def test_the_headline_names_verdicts_and_the_model_that_validation_chose(page: Page) -> None:
    assert page.headline.startswith("dense and cnn overfit. Best on validation: dense, ")
    assert page.headline.endswith(" of the test images right.")


def test_the_advice_is_what_was_measured_to_help(page: Page) -> None:
    assert page.advice[0] == (
        "dropout 0.5: better on new images and a smaller gap, beyond stopping in time "
        "(measured on dense)."
    )
    assert page.advice[1].startswith("twice the data: better on new images")
    assert "half width" not in " ".join(page.advice)


def test_where_nothing_helped_that_is_the_advice(found: results.Results) -> None:
    effects = found.compare["remedies"]["effects"]
    bare = {"remedies": {**found.compare["remedies"], "effects": effects.assign(kind="harms")}}
    changed = replace(found, compare=bare)
    assert made(changed).advice == ["None of the remedies measured here on dense surely helps."]


def test_without_a_comparison_the_usual_is_offered_as_not_measured(found: results.Results) -> None:
    page = made(replace(found, compare={}))
    assert page.remedies is None
    assert len(page.advice) == 3 and "measured on" not in " ".join(page.advice)


def test_every_part_is_there(page: Page) -> None:
    assert [one["name"] for one in page.courses] == ["dense", "cnn"]
    assert len(page.plane["points"]) == 12 and page.plane["epochs"] == [1, 2, 3, 4, 5]
    assert page.remedies["order"][:2] == ["dropout 0.5", "twice the data"]
    assert len(page.gallery["true"]) == 60 and page.gallery["maps"]["cnn"]["rows"] == list(range(6))
    assert set(page.classes) == {"dense", "cnn"} and len(page.quiz) == 10
    assert [fold.title for fold in page.more][-1] == "Every parameter"


def test_parameters_that_say_where_things_lie_are_left_out(page: Page) -> None:
    keys = [key for key, _ in page.more[-1].terms]
    assert "models.cnn.filters" in keys
    assert not {key for key in keys if key.startswith(("workers", "tune.storage"))}


COPIES = {
    "pairs": {"exact": 1, "altered": 0, "shifted": 1, "mirrored": 0},
    "within": {"train": 1, "val": 0, "test": 0},
    "across": {"val": 1, "test": 0},
    "left_out_of_train": 0,
}


@pytest.fixture(scope="module")
def studied(
    found: results.Results, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> results.Results:
    """The same results with a study of single images, and copies."""
    folder = tmp_path_factory.mktemp("studied")
    val, train = found.prepared.val.ids, found.prepared.train.ids
    sure = "0.9,0.1,0.8,0.6,0.95"
    copied = "id,split,duplicate_of,duplicate_of_split,path,duplicate_of_path,kind"
    columns = "id,path,suspicion,rank,suggested,right_in,right_out,memorisation,low,high"
    study = {"content_hash": found.manifest.content_hash, "num_fits": 60, "memorised": 1}
    study |= {"dropped": 1, "dropped_expected": 0.8}
    written = {
        "images/val.csv": ["id,suspicious", f"{val[7]},True", f"{val[2]},False", f"{val[3]},True"],
        "images/train.csv": [
            columns,
            f"{train[4]},four.png,0.02,2,8,{sure}",
            f"{train[9]},nine.png,0.8,1,3,0.9,0.8,0.1,0.0,0.2",
        ],
        "images/summary.json": [json.dumps(study)],
        "data/duplicates.csv": [
            copied,
            f"{val[5]},val,{train[0]},train,,,exact",
            f"{train[2]},train,{train[1]},train,,,shifted",
        ],
        "data/summary.json": [json.dumps({"copies": COPIES})],
    }
    for name, lines in written.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join(lines))
    (folder / "metrics.json").write_text(json.dumps(found.metrics))
    read = results.read(folder, digits_folder)
    tables = {kind: read.tables[kind] for kind in ("images", "data")}
    return replace(found, tables={**found.tables, **tables}, summaries=read.summaries)


def test_suspicious_and_copied_images_become_filters(studied: results.Results) -> None:
    gallery, ids = made(studied).gallery, studied.prepared.train.ids
    assert gallery["marks"] == {"suspicious": [7, 3], "copied": [5]}
    train = gallery["train"]
    assert train["marks"] == {"memorised": [3], "suspicious": [4], "copied": [0, 2, 1]}
    assert train["facts"][3] == {
        "name": "four.png", "memorised": [0.8, 0.6, 0.95], "right_in": 0.9, "right_out": 0.1,
    }  # fmt: skip
    assert train["facts"][4]["suggested"] == "3"
    assert train["facts"][1]["copies"] == [["shifted", f"#{ids[2]}", "train"]]


def test_copies_and_the_study_are_counted(studied: results.Results) -> None:
    copies, study = made(studied).images_said
    assert copies.startswith("Copies: 1 exact, 1 near. Repeated within training 1, ")
    assert study.startswith("60 fits on parts of the training images: 1 memorised; 1 labels")


def test_a_study_of_other_images_or_none_is_said_with_the_command(
    found: results.Results, studied: results.Results
) -> None:
    other = {"images": {**studied.summaries["images"], "content_hash": "other"}}
    for one in (replace(studied, summaries=other), found):
        page = made(one)
        assert "make images" in page.images_said[-1]
        assert "memorised" not in (page.gallery["train"] or {"marks": {}})["marks"]


def test_the_score_without_copied_test_images_stands_beside_the_other(
    found: results.Results,
) -> None:
    alone = {"accuracy": 0.25, "accuracy_interval": [0.125, 0.5], "num_images": 40}
    dense = {**found.metrics["dense"], "test_without_copies": alone}
    page = made(replace(found, metrics={**found.metrics, "dense": dense}))
    assert page.scores.columns[-1] == "Accuracy, test without copies"
    assert [row[-1] for row in page.scores.rows] == ["25.0% (12.5–50.0%)", "–"]
    assert "dense, Test without copies" in [row[0] for row in page.more[0].tables[0].rows]


def test_remedies_have_japanese_names_and_others_keep_theirs(found: results.Results) -> None:
    order = made(found, language="ja").remedies["order"]
    assert {"半分の幅", "2 倍のデータ", "dropout 0.5"} <= set(order)


def test_one_evaluated_model_is_enough(tmp_path: Path, digits_folder: Path) -> None:
    scores = {"accuracy": 0.875, "num_seeds": 1, "num_images": 60}
    (tmp_path / "metrics.json").write_text(json.dumps({"mine": {"test": scores}}))
    page = made(results.read(tmp_path, digits_folder))
    assert page.headline == "Best on validation: mine, 87.5% of the test images right."
    assert (page.plane, page.remedies, page.gallery, page.classes) == (None, None, None, {})
    assert page.scores.rows[0][:2] == ["mine", "undetermined"]


def test_all_of_it_is_japanese_where_that_is_asked_for(found: results.Results) -> None:
    page = made(found, language="ja")
    assert page.headline.startswith("dense と cnn は過学習している。検証で最良なのは dense で")
    assert page.quiz[0]["reason"].endswith("ポイント変わった。")


@pytest.mark.long
def test_the_page_of_100_classes_is_small(tmp_path: Path) -> None:
    found = pages.of_many_classes(tmp_path, 100)
    assert len(pages.rendered(found, pages.ORIGIN).encode()) <= 5_000_000
