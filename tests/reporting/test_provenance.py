"""Commit and versions as the page states them."""

import subprocess
from pathlib import Path

import pytest

from pipeline.reporting import provenance


def git(*arguments: str) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *arguments], check=True, capture_output=True, timeout=20)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    git("init", "-q", ".")
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "page.py").write_text("1\n")
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    return tmp_path


def test_the_commit_is_marked_where_the_code_differs_from_it(checkout: Path) -> None:
    commit = provenance.commit()
    assert len(commit) == 12 and set(commit) <= set("0123456789abcdef")
    (checkout / "params.yaml").write_text("seed: 1\n")
    (checkout / "notes.txt").write_text("not code\n")
    assert provenance.commit() == commit
    (checkout / "pipeline" / "page.py").write_text("2\n")
    assert provenance.commit() == commit + "+"


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit() == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() == ""


def test_versions_are_those_that_are_installed() -> None:
    import numpy

    found = provenance.origin()
    assert list(found)[:2] == ["commit", "Python"]
    assert found["numpy"] == numpy.__version__
