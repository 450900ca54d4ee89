"""What is installed, from which locks, and what `make` does and says while it installs."""

import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pipeline

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {path.stem: path.read_text(encoding="utf-8") for path in ROOT.glob("requirements/*.lock")}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]
INSTALLED = {
    "run": [*PYPROJECT["project"]["dependencies"], *EXTRAS["pipeline"], *GROUPS["build"]],
    "lite": EXTRAS["lite"],
    "test": GROUPS["test"],
    "docs": GROUPS["docs"],
    "installer": GROUPS["installer"],
}
LIGHT_MEGABYTES = 250


def _pins(lock: str) -> dict[str, list[Requirement]]:
    """The pinned versions of each package: one, or one for each range of Pythons."""
    found: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^\w.*==.*?(?= *\\?$)", LOCKS[lock], re.MULTILINE):
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def test_every_group_has_a_lock_and_no_lock_names_addresses() -> None:
    assert LOCKS.keys() == INSTALLED.keys()
    assert [name for name, text in LOCKS.items() if re.search("://|^--|^/", text, re.M)] == []
    assert not (ROOT / "uv.lock").exists()


@pytest.mark.parametrize("lock", INSTALLED)
def test_a_lock_has_what_is_asked_for_with_its_hashes(lock: str) -> None:
    pins = _pins(lock)
    asked = [one for one in map(Requirement, INSTALLED[lock]) if one.name != "overfit-atlas"]
    for one in asked:
        for pin in pins[canonicalize_name(one.name)]:
            version = str(pin.specifier).removeprefix("==")
            assert one.specifier.contains(version), f"{one} in pyproject.toml, {pin} in {lock}.lock"
    packages = re.split(r"^(?=\w)", LOCKS[lock], flags=re.MULTILINE)[1:]
    assert len(packages) == sum(map(len, pins.values())) > 0
    assert [text for text in packages if "--hash=sha256:" not in text] == []


def test_the_extra_of_the_pipeline_takes_in_those_of_the_core() -> None:
    own = [Requirement(one) for one in EXTRAS["pipeline"] if one.startswith("overfit-atlas")]
    assert [one.extras for one in own] == [{"keras", "mlflow", "page"}]
    run = _pins("run")
    names = {
        canonicalize_name(Requirement(one).name) for extra in own[0].extras for one in EXTRAS[extra]
    }
    assert names <= run.keys()


@pytest.mark.parametrize("lock", ["test", "docs", "lite"])
def test_locks_agree_where_they_meet(lock: str) -> None:
    run, other = _pins("run"), _pins(lock)
    for name in run.keys() & other.keys():
        assert {str(pin.specifier) for pin in other[name]} <= {
            str(pin.specifier) for pin in run[name]
        }, name


def test_what_only_tests_need_is_not_in_the_run() -> None:
    tools = {canonicalize_name(Requirement(one).name) for one in GROUPS["test"]}
    assert {"playwright", "mypy", "pytest", "ruff", "pandas-stubs"} <= tools
    assert tools & _pins("run").keys() == set()


def test_a_light_installation_is_small() -> None:
    """The core with all that it brings, as installed here; `pipeline` itself has 2 MB."""
    wanted = [Requirement(one) for one in PYPROJECT["project"]["dependencies"]]
    assert {one.name for one in wanted} == {"numpy", "pandas", "scipy"}
    sizes: dict[str, int] = {}
    while wanted:
        name = canonicalize_name(wanted.pop().name)
        if name not in sizes:
            sizes[name] = _size(name)
            needs = map(Requirement, metadata.requires(name) or [])
            wanted += [one for one in needs if not one.marker or one.marker.evaluate({"extra": ""})]
    assert 50 < sum(sizes.values()) / 1e6 < LIGHT_MEGABYTES


def _size(name: str) -> int:
    files = [Path(str(file.locate())) for file in metadata.files(name) or []]
    return sum(file.stat().st_size for file in files if file.exists())


PYTHON = """#!/bin/sh
# Stands for .venv/bin/python: notes what it is asked for, and fails at what $FAILS names.
echo "$@" >> "$CALLS"
case "$*" in $FAILS) exit 1;; esac
"""


@pytest.fixture
def sources_alone(tmp_path: Path) -> Path:
    """What `make` needs to install, without git, in an environment that only takes notes."""
    folder = tmp_path / "un packed"
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ceiling = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=kept | ceiling | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What was printed, but for make's own closing line."""
    return [line for line in done.stdout.splitlines() if not line.startswith("make")]


def _noting(folder: Path, fails: str) -> dict[str, str]:
    """Variables for `make` with an environment that takes notes in the file `CALLS`."""
    (folder / ".git").mkdir()
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    (folder / ".venv" / "lib" / "python3" / "site-packages").mkdir(parents=True)
    return {"CALLS": str(folder / "calls"), "FAILS": fails}


def test_sources_without_git_are_refused_before_anything_is_installed(sources_alone: Path) -> None:
    for target in ("repro", "test"):
        done = _make(sources_alone, target)
        assert done.returncode == 2
        (line,) = _said(done)
        assert line.startswith("error: no git repository, which DVC needs;")
        assert "git init && git add . && git commit" in line
    assert not (sources_alone / ".venv").exists()
    subprocess.run(["git", "init", "-q"], cwd=sources_alone, check=True)
    assert "git" not in _make(sources_alone, "repro", "PYTHON=false").stdout


@pytest.mark.parametrize("python", ["false", "no-such-python"])
def test_another_python_is_refused_in_one_line(sources_alone: Path, python: str) -> None:
    (sources_alone / ".git").mkdir()
    done = _make(sources_alone, "repro", f"PYTHON={python}")
    assert done.returncode == 2
    refused = f"error: {python} is missing or not Python 3.11.4 to 3.13: install one"
    assert refused in _said(done)[-1]
    assert not (sources_alone / ".venv").exists()


def test_uv_installs_the_locks(sources_alone: Path) -> None:
    noting = _noting(sources_alone, fails="none")
    done = _make(sources_alone, ".venv/ready-to-test", **noting)
    assert done.returncode == 0, done.stdout
    assert len(_said(done)) == 2
    pip, *uv, compiled, tests = Path(noting["CALLS"]).read_text().splitlines()
    hashed = "--quiet --no-deps --require-hashes -r requirements"
    own = "--python .venv/bin/python"
    assert pip == f"-m pip install {hashed}/installer.lock"
    assert uv == [
        f"-m uv pip install {own} {hashed}/run.lock",
        f"-m uv pip install {own} --quiet --no-deps --no-build-isolation -e .",
    ]
    assert tests == f"-m uv pip install {own} {hashed}/test.lock"
    command, packages = compiled.split(" /tests?/ ")
    assert command == "-m compileall -q -j 0 -x"
    assert [name for name in packages.split() if not importlib.util.find_spec(name)] == []


def test_pip_installs_the_same_where_uv_cannot(sources_alone: Path) -> None:
    noting = _noting(sources_alone, fails="-m uv *")
    done = _make(sources_alone, ".venv/ready", **noting)
    assert done.returncode == 0, done.stdout
    assert _said(done)[1:] == ["uv cannot install here: pip does, which takes longer"] * 2
    by_pip = [
        line
        for line in Path(noting["CALLS"]).read_text().splitlines()
        if line.startswith("-m pip") and "installer" not in line
    ]
    assert by_pip == [
        "-m pip install --quiet --no-deps --require-hashes -r requirements/run.lock",
        "-m pip install --quiet --no-deps --no-build-isolation -e .",
    ]


def test_an_installation_that_fails_is_not_taken_for_done(sources_alone: Path) -> None:
    done = _make(sources_alone, ".venv/ready", **_noting(sources_alone, fails="*run.lock*"))
    assert done.returncode == 2
    assert not (sources_alone / ".venv" / "ready").exists()


def test_an_installation_that_fails_says_what_to_look_at(sources_alone: Path) -> None:
    done = _make(sources_alone, ".venv/ready", **_noting(sources_alone, fails="* install *"))
    assert (
        "error: installing failed, see above; is the package registry reached?" in _said(done)[-1]
    )


LOCALES = {"en": {"LANG": "C.UTF-8"}, "ja": {"LANG": "ja_JP.UTF-8"}}
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


@pytest.mark.parametrize("language", LOCALES)
def test_help_needs_no_terminal(sources_alone: Path, language: str) -> None:
    more = ({}, {"TERM": "dumb", "NO_COLOR": "1"})
    plain, dumb = (_make(sources_alone, **LOCALES[language], **one) for one in more)
    assert plain.returncode == 0
    assert plain.stdout == dumb.stdout
    assert "\x1b" not in plain.stdout
    listed = re.findall(r"^  ([a-z]+) +(.+)$", plain.stdout, re.MULTILINE)
    assert {target for target, _ in listed} == set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert all(bool(JAPANESE.search(said)) == (language == "ja") for _, said in listed)


def test_rows_of_experiments_are_whole_without_a_terminal(sources_alone: Path) -> None:
    noting = _noting(sources_alone, fails="none")
    python = sources_alone / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$COLUMNS columns"\n')
    (sources_alone / ".venv" / "ready").touch()
    assert _said(_make(sources_alone, "experiments", **noting)) == ["1000 columns"]
    assert _said(_make(sources_alone, "experiments", COLUMNS="60", **noting)) == ["60 columns"]


REFUSED = {
    "report": "no report yet. First: make repro",
    "dashboard": "no study yet. First: make repro",
    "model": "NAME is missing or unknown.",
    "compare": "NAME is missing or unknown.",
    "preset": "NAME is missing or unknown.",
}


@pytest.mark.parametrize("target", REFUSED)
def test_what_cannot_be_done_yet_is_one_line_in_either_language(
    sources_alone: Path, target: str
) -> None:
    for name in ("compare", "presets"):
        shutil.copytree(ROOT / "experiments" / name, sources_alone / "experiments" / name)
    noting = _noting(sources_alone, fails="none")
    (sources_alone / ".venv" / "ready").touch()
    said = {}
    for language, locale in LOCALES.items():
        done = _make(sources_alone, "--silent", target, TERM="dumb", **noting, **locale)
        assert done.returncode == 2 and "\x1b" not in done.stdout
        said[language] = done.stdout.splitlines()[0]
    assert said["en"].startswith("error: ") and REFUSED[target] in said["en"]
    assert said["ja"].startswith("エラー：") and JAPANESE.search(said["ja"])


def test_every_message_is_there_in_both_languages() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    english, japanese = (
        set(re.findall(rf"^([A-Z_]+)_{one} = ", text, re.MULTILINE)) for one in LOCALES
    )
    assert english == japanese == set(re.findall(r"call say,([A-Z_]+)", text))
    assert re.findall(r"\becho \"(?!\$)[A-Za-z]", text) == []  # all else goes through `say`


def test_everything_tells_the_same_version() -> None:
    version = PYPROJECT["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in citation
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert pipeline.__version__ == version
