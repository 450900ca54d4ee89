"""The stage: a page written whole or not at all, the same for the same results, and logged."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from overfit_atlas.page import render
from pipeline import tracking
from pipeline.reporting.results import ResultsError
from pipeline.stages import report


class Recorded:
    """Stands in for an MLflow run; remembers what it was given."""

    def __init__(self) -> None:
        self.files: list[tuple[str, int]] = []
        self.datasets: list[str] = []

    def log_file(self, file: Path, folder: str | None = None) -> None:
        self.files.append((file.name, file.stat().st_size))

    def log_dataset(self, manifest: Any, source: str = "") -> None:
        self.datasets.append(manifest.dataset)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    recorded = Recorded()

    @contextmanager
    def stage_run(*arguments: Any, **more: Any) -> Iterator[Recorded]:
        yield recorded

    monkeypatch.setattr(tracking, "stage_run", stage_run)
    return recorded


@pytest.fixture
def asked(tmp_path: Path, digits_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Command line over results that hold the scores of one model alone."""
    scores = {"accuracy": 0.875, "num_seeds": 1, "num_images": 60}
    (tmp_path / "metrics.json").write_text(json.dumps({"cnn": {"test": scores}}))
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    monkeypatch.chdir(tmp_path)
    return ["--results", ".", "--data", str(digits_folder), "--out", "report"]


def test_the_page_is_written_and_logged(tmp_path: Path, run: Recorded, asked: list[str]) -> None:
    report.main(report.arguments().parse_args(asked))
    written = tmp_path / "report" / "index.html"
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["index.html"]
    assert written.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert run.files == [("index.html", written.stat().st_size)]
    assert run.datasets == ["digits"]


def test_equal_results_give_an_equal_page(tmp_path: Path, run: Recorded, asked: list[str]) -> None:
    report.main(report.arguments().parse_args(asked))
    first = (tmp_path / "report" / "index.html").read_bytes()
    report.main(report.arguments().parse_args(asked))
    assert (tmp_path / "report" / "index.html").read_bytes() == first


def test_a_failure_leaves_the_page_that_was_there(
    tmp_path: Path, run: Recorded, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("before")

    def fails(_: Any) -> str:
        raise RuntimeError("disk full")

    monkeypatch.setattr(render, "html", fails)
    with pytest.raises(RuntimeError, match="disk full"):
        report.main(report.arguments().parse_args(asked))
    assert (tmp_path / "report" / "index.html").read_text() == "before"
    assert not list(tmp_path.glob(".report*"))
    assert run.files == []


def test_without_results_the_remedy_is_named(run: Recorded, asked: list[str]) -> None:
    Path("metrics.json").unlink()
    with pytest.raises(ResultsError, match="dvc repro evaluate"):
        report.main(report.arguments().parse_args(asked))
