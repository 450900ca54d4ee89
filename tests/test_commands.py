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


SERVERS = {
    r"mlflow (?:server|ui|models serve)\b": ("--host 127.0.0.1",),
    r"optuna_dashboard\._cli": ("--host 127.0.0.1",),
    r"dask (?:scheduler|worker)\b": ("--host 127.0.0.1", "--dashboard-address 127.0.0.1:"),
}


def test_every_server_that_is_shown_or_started_listens_on_this_machine_alone(sources: Any) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    blocks = [block for document in DOCUMENTS for block in _blocks(document)]
    shown = [
        line
        for text in (makefile, *blocks)
        for line in text.replace("\\\n", " ").splitlines()
        if not line.lstrip().startswith("#")
    ]
    for server, needed in SERVERS.items():
        commands = [line for line in shown if re.search(server, line)]
        assert commands, server
        for command in commands:
            assert [option for option in needed if option not in command] == [], command
    everywhere = {name: text for name, text in sources.texts.items() if name.startswith("pipeline")}
    assert [name for name, text in everywhere.items() if "0.0.0.0" in text] == []


def _blocks(document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
