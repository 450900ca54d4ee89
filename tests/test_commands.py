"""Every command the documents show exists."""

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "experiments").rglob("*.md")]
)
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _code(document: Path) -> str:
    """What stands in code blocks and between backticks."""
    text = document.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_exists(sources: Any, document: Path) -> None:
    code = _code(document)
    assert set(re.findall(r"\bmake ([a-z]\w*)", code)) <= TARGETS
    modules = re.findall(r"python -m (pipeline[\w.]*)", code)
    assert {name for name in modules if not name.isupper()} - {"pipeline.stages.NAME"} <= set(
        sources.modules
    )
    files = re.findall(r"(?:python|sh) ((?:benchmarks|experiments|scripts)/\S+)", code)
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_every_target_says_what_it_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    described = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert described == TARGETS
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony and set(phony.group(1).split()) == TARGETS
