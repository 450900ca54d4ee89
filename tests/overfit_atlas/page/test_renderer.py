"""The script that draws the charts is put together once, and its cache may be missing or broken."""

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import vl_convert

from overfit_atlas.page import render


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    render.renderer.cache_clear()
    yield tmp_path / "overfit-atlas"
    render.renderer.cache_clear()


def anew() -> str:
    render.renderer.cache_clear()
    return render.renderer()


def test_it_is_put_together_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = render.renderer()
    assert "vegaEmbed" in script and "</script" not in script
    (kept,) = cache.iterdir()
    assert version("vl-convert-python") in kept.name

    def refuses(**_: Any) -> str:
        raise AssertionError("put together a second time")

    monkeypatch.setattr(vl_convert, "javascript_bundle", refuses)
    assert anew() == script


def test_what_another_snippet_gave_is_not_taken(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda snippet: snippet)
    render.renderer()
    monkeypatch.setattr(render, "EXPOSED", "window.other = 1;")
    assert anew() == "window.other = 1;"


def test_a_folder_that_cannot_be_written_and_a_broken_file_do_no_harm(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda snippet: snippet)
    cache.write_text("a file where the folder should be")
    assert anew() == render.EXPOSED
    cache.unlink()
    render.renderer.cache_clear()
    render.renderer()
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    for broken in (b"\xff\xfe", b"", whole[:-1], whole.replace(b"vega", b"Vega"), whole[60:]):
        kept.write_bytes(broken)
        assert anew() == render.EXPOSED
        assert kept.read_bytes() == whole
