"""The numbers in the README are those of a run, and it is said when they are not."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts import docs_numbers

ROOT = Path(__file__).resolve().parents[1]
SCORES = {
    "accuracy": 0.8125, "accuracy_interval": [0.75, 0.875], "worst_class_f1": 0.5,
    "loss": 0.75, "calibrated_loss": 0.625, "num_images": 400, "num_seeds": 5,
}  # fmt: skip
JUDGED = {
    "title": {"en": "overfit, too sure", "ja": "過学習（自信過剰）"},
    "probability": 0.97,
    "gap": {"loss": {"value": 0.25, "low": 0.125, "high": 0.5}},
    "onset": {"loss": {"epoch": 4, "low": 3, "high": 6}},
}
SENTENCE = {
    "en": "After 30 epochs, dense without dropout overfits from a width of at least 2 on.",
    "ja": "30 エポック後、ドロップアウトなしの dense は過学習する。",
}
STUDY = {
    "dataset": "demo", "confidence": 0.95, "model": "dense", "threshold": 0.3, "epochs": 30,
    "num_points": 8, "num_seeds": 3, "turn_folds": True,
    "slices": [{"sentence": SENTENCE}, {"sentence": {"en": "Earlier.", "ja": "もっと前。"}}],
}  # fmt: skip
COURSE = {"dense.gap": [0.25, 0.125], "dense.onset": [4, 9], "dense.verdict": ["a", "b"]}
ROW = (
    "| cnn | 5 | 81.2 % (75.0 to 87.5) | 81.2 % (75.0 to 87.5) | 0.50 | 0.750 / 0.625 "
    "| 0.25 (0.12 to 0.50) | epoch 4 (3 to 6) | overfit, too sure (0.97) |"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with results, a dvc.lock and documents with the two comments."""
    (tmp_path / "results" / "tune").mkdir(parents=True)
    (tmp_path / "docs").mkdir()
    splits = dict.fromkeys(("probe", "val", "test"), SCORES)
    documents: dict[str, Any] = {
        "metrics.json": {"cnn": splits, "dense": splits},
        "diagnosis.json": {"cnn": JUDGED, "dense": JUDGED},
        "tune/summary.json": STUDY,
    }
    for name, document in documents.items():
        (tmp_path / "results" / name).write_text(json.dumps(document))
    _lock(tmp_path, "first")
    for document in docs_numbers.DOCUMENTS.values():
        (tmp_path / document).write_text(f"before\n{_empty('numbers')}\n{_empty('course')} after\n")
    (tmp_path / docs_numbers.SAID).write_text(f"{_empty('course')}\n")
    (tmp_path / docs_numbers.RECORD).write_text(json.dumps({"course": COURSE}))
    return tmp_path


def _empty(name: str) -> str:
    return f"{docs_numbers.BEGIN.format(name)}old{docs_numbers.END.format(name)}"


def _lock(root: Path, digest: str) -> None:
    out = {"path": "results/metrics.json", "md5": digest}
    (root / "dvc.lock").write_text(json.dumps({"stages": {"evaluate": {"outs": [out]}}}))


def test_a_run_becomes_the_table_between_the_comments(project: Path) -> None:
    changed = docs_numbers.write(project)
    assert changed == [docs_numbers.RECORD, *docs_numbers.DOCUMENTS.values(), docs_numbers.SAID]
    text = (project / "README.md").read_text()
    assert text.startswith("before\n") and text.endswith(" after\n")
    assert ROW in text.splitlines() and "old" not in text
    assert f"\n\n{SENTENCE['en']} The map: 8 points, 3 fits each, whose seeds turn" in text
    assert "Earlier." not in text
    assert "-->the gap of the dense net goes from 0.25 to 0.12 nats, its onset from epoch 4" in text
    japanese = (project / "README.ja.md").read_text(encoding="utf-8")
    assert "| 0.25（0.12〜0.50） | エポック 4（3〜6） | 過学習（自信過剰）（0.97） |" in japanese
    assert f"\n\n{SENTENCE['ja']}地図は 8 点" in japanese
    said = (project / docs_numbers.SAID).read_text()
    assert "dense.gap      0.25    0.125           -0.125\n" in said
    assert "dense.verdict  a       b               -\n" in said
    assert docs_numbers.write(project) == []
    assert list(docs_numbers.stale(project)) == []


def test_what_is_stale_is_named(project: Path) -> None:
    docs_numbers.write(project)
    readme = project / "README.md"
    readme.write_text(readme.read_text().replace("81.2 %", "91.2 %"))
    _lock(project, "second")
    assert list(docs_numbers.stale(project)) == [
        "README.md: its numbers are not those of docs/numbers.json",
        "docs/numbers.json: its numbers are of another results/metrics.json than the one in "
        "dvc.lock",
    ]


def test_a_course_that_began_from_another_run_is_stale(project: Path) -> None:
    (project / docs_numbers.RECORD).write_text(
        json.dumps({"course": {**COURSE, "dense.gap": [0.5, 0.125]}})
    )
    docs_numbers.write(project)
    (said,) = docs_numbers.stale(project)
    assert "the course began from another run: run its step 5, then `make numbers`" in said


def test_what_dvc_says_of_the_experiment_is_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"results/verdicts.json": {"dense.gap": {"old": 0.5, "new": 0.25, "diff": -0.25}}}
    done = subprocess.CompletedProcess([], 0, stdout=json.dumps(said))
    monkeypatch.setattr(docs_numbers.subprocess, "run", lambda *_, **__: done)
    assert docs_numbers.read_course(project) == {"dense.gap": [0.5, 0.25]}
    monkeypatch.undo()
    assert docs_numbers.read_course(project) is None  # no repository, so no experiment


def test_missing_comments_are_named() -> None:
    with pytest.raises(ValueError, match="numbers: begin.*are missing"):
        docs_numbers.written("no comments", {"numbers": ""})


def test_the_record_and_the_documents_are_of_one_run() -> None:
    assert list(docs_numbers.stale(ROOT)) == []


def test_the_readme_has_the_numbers_of_the_record_in_both_languages() -> None:
    numbers = json.loads((ROOT / docs_numbers.RECORD).read_text(encoding="utf-8"))
    found = {}
    for language, document in docs_numbers.DOCUMENTS.items():
        text = (ROOT / document).read_text(encoding="utf-8")
        block = docs_numbers.block(numbers, language)
        assert block in text, f"{document}: run `make numbers`"
        found[language] = re.findall(r"^\| (.*) \|$", block, re.MULTILINE)
    english, japanese = (
        [re.findall(r"[\d.]+", row) for row in found[language]] for language in ("en", "ja")
    )
    assert english[1:] == japanese[1:]
