"""What is listed for DVC: the comparisons that were asked for, with what they need."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline import params
from pipeline.comparing.record import ComparisonError
from pipeline.stages import comparisons

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the command reads, as the folder it runs in."""
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _ask(*names: str) -> dict[str, Any]:
    comparisons.main(comparisons._parser().parse_args(list(names)))
    listing: dict[str, Any] = params.read_yaml(comparisons.LIST)
    return listing


def test_nothing_is_listed_before_it_is_asked_for(project: Path) -> None:
    """DVC would report it as not yet run, and fail to check it out, in every command."""
    kept = (ROOT / comparisons.LIST).read_text(encoding="utf-8")
    assert comparisons.listed({}, "dense") == kept
    assert _ask() == {"data": {}, "pretrain": {}, "images": {}, "compare": {}}


def test_what_is_asked_for_stays_listed_with_what_it_needs(project: Path) -> None:
    units = _ask("units")
    assert units["data"] == {"mnist": {"file": "experiments/data/mnist.yaml"}}
    assert list(units["compare"]) == ["units"] and units["images"] == {}
    both = _ask("transfer")
    assert list(both["compare"]) == ["transfer", "units"]
    assert list(both["data"]) == ["cifar10", "cifar100", "mnist"]
    assert both["pretrain"] == {"cifar100": {"out": "models/pretrained"}}
    assert _ask() == both


def test_the_search_for_images_is_listed_by_name_or_with_what_needs_it(project: Path) -> None:
    assert _ask("images")["images"] == {"train": {"needs": "data/prepared"}}
    assert _ask("units")["images"] == {"train": {"needs": "data/prepared"}}
    (project / comparisons.LIST).unlink()
    assert _ask("cleaned")["images"] == {"train": {"needs": "data/prepared"}}
    own = comparisons.listed({}, "mine.py:net", search=True)
    assert 'train: {needs: "mine.py"}' in own


def test_a_comparison_that_is_gone_or_broken_leaves_the_list(project: Path) -> None:
    _ask("units", "sizes")
    (project / "experiments/compare/units.yaml").unlink()
    (project / "experiments/compare/sizes.yaml").write_text("variants: 3")
    assert list(_ask("epochs")["compare"]) == ["epochs"]


def test_a_name_that_is_none_is_refused_and_the_list_stays(project: Path) -> None:
    before = comparisons.LIST.read_text(encoding="utf-8")
    with pytest.raises(ComparisonError, match="unit"):
        _ask("unit")
    assert comparisons.LIST.read_text(encoding="utf-8") == before
