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


def test_suspicious_and_copied_images_of_val_become_filters(
    found: results.Results, digits_folder: Path, tmp_path: Path
) -> None:
    val, train = found.prepared.val.ids, found.prepared.train.ids
    written = {
        "images/val.csv": ["id,suspicious", f"{val[7]},True", f"{val[2]},False", f"{val[3]},True"],
        "data/duplicates.csv": [
            "id,duplicate_of",
            f"{train[0]},{val[5]}",
            f"{train[1]},{train[2]}",
        ],
    }
    for name, lines in written.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("\n".join(lines))
    (tmp_path / "metrics.json").write_text(json.dumps(found.metrics))
    read = results.read(tmp_path, digits_folder)
    tables = {kind: read.tables[kind] for kind in ("images", "data")}
    changed = replace(found, tables={**found.tables, **tables})
    assert made(changed).gallery["marks"] == {"suspicious": [7, 3], "copied": [5]}


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
