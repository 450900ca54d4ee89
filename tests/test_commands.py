"""Every command that documents show exists; git's hooks and hosts run what `make test` runs."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "experiments").rglob("*.md")]
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


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
    described = set(re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE))
    assert described == TARGETS
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony and set(phony.group(1).split()) == TARGETS


SERVERS = {
    r"mlflow (?:server|ui|models serve)\b": ("--host 127.0.0.1",),
    r"optuna_dashboard\._cli": ("--host 127.0.0.1",),
    r"dask (?:scheduler|worker)\b": ("--host 127.0.0.1", "--dashboard-address 127.0.0.1:"),
}


def test_every_server_that_is_shown_or_started_listens_on_this_machine_alone(sources: Any) -> None:
    blocks = [block for document in DOCUMENTS for block in _blocks(document)]
    shown = [
        line
        for text in (MAKEFILE, *blocks)
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


def _yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def test_hooks_are_the_checks_of_make_test() -> None:
    recipe = re.search(r"^test: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe
    text = recipe.group(1).replace(' $(if $(LONG),-m "")', "")
    checks = [found.rstrip() for found in re.findall(r"python -m [\w .=-]+", text)]
    assert len(checks) == 4
    (repository,) = _yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = repository["hooks"]
    assert [f".venv/bin/{check}" for check in checks] == [hook["entry"] for hook in hooks]
    assert {(hook["language"], hook["pass_filenames"]) for hook in hooks} == {("system", False)}


def test_a_host_runs_the_very_checks_on_every_python_promised() -> None:
    job = _yaml(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]
    matrix = job["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = SpecifierSet(project["requires-python"])
    assert matrix["python"] == [f"3.{minor}" for minor in range(30) if f"3.{minor}.99" in promised]
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos"}
    assert _commands(job) == [
        "sh .ci/run",
        ".venv/bin/python -m benchmarks --quick --only import reader",
    ]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.rstrip().endswith("\nexec make test")


def test_a_host_makes_the_site() -> None:
    job = _yaml(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["docs"]
    assert _commands(job) == ["make docs"]
    assert job["steps"][-1]["with"]["path"] == "site"


def test_what_runs_at_night_exists() -> None:
    job = _yaml(ROOT / ".github" / "workflows" / "nightly.yml")["jobs"]["long"]
    runs = {one["name"]: one["run"] for one in job["strategy"]["matrix"]["include"]}
    assert _commands(job) == ["make .venv/ready-to-test", "${{ matrix.run }}"]
    assert set(re.findall(r"^make (\S+)$", "\n".join(runs.values()), re.MULTILINE)) <= TARGETS
    files = [word for run in runs.values() for word in run.split() if word.startswith("tests/")]
    assert files and [file for file in files if not (ROOT / file).exists()] == []
    read = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*.py")]
    assert [name for name in job["env"] if name != "PYTHON" and name not in "".join(read)] == []


def test_no_workflow_may_write_to_the_repository() -> None:
    assert len(WORKFLOWS) == 2
    assert [_yaml(path)["permissions"] for path in WORKFLOWS] == [{"contents": "read"}] * 2


def _commands(job: Any) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


COURSES = {"README.md": "## Ten minutes", "README.ja.md": "## 10 分コース"}


def _course(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    section = text[text.index(COURSES[document]) :]
    section = section[: section.index("\n## ", 1)]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def test_each_step_of_the_course_is_one_command_that_exists() -> None:
    from dvc.cli import parse_args

    steps = [block.strip() for block in _course("README.md")]
    assert len(steps) == 7 and all("\n" not in step for step in steps)
    for step in steps:
        bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", step)
        assert set("[]*?~!^#{}") & set(bare) == set(), "zsh reads it otherwise than bash"
        program, *rest = shlex.split(step)
        if program == "make":
            assert rest[0] in TARGETS
        elif program == "dvc":
            parse_args(rest)  # ends with an error for an option that DVC does not know
        else:
            assert (program, rest[-1]) == ("git", "dvc.lock")


def test_what_the_course_tries_are_parameters_that_hold() -> None:
    from pipeline import params

    steps = [shlex.split(block) for block in _course("README.md")]
    pairs = [step[place + 1] for step in steps for place, word in enumerate(step) if word == "-S"]
    assert len(pairs) == 3
    params.parse({}, dict(params.assignment(pair) for pair in pairs))


def test_the_course_is_the_same_in_japanese() -> None:
    assert _course("README.ja.md") == _course("README.md")


@pytest.mark.parametrize("document", COURSES)
def test_every_picture_and_page_that_is_named_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert named and [link for link in named if not (ROOT / link).exists()] == []
