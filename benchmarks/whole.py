"""Rows about the pipeline as a whole: what it costs to do nothing, a little, and everything."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ruamel.yaml import YAML

from benchmarks import processes
from benchmarks.measured import Measured, load_average
from benchmarks.processes import ROOT, BenchmarkError, timed
from benchmarks.setting import Setting
from benchmarks.stopwatch import PARTS, RECORD

NEEDED = """
import json
from dvc.repo import Repo
stages = Repo().index.stages
outs = [one.fs_path for stage in stages for one in stage.outs]
deps = [one.fs_path for stage in stages for one in stage.deps if not hasattr(one, "params")]
print(json.dumps([outs, deps]))
"""
SMALL = ROOT / "tests" / "small.yaml"
DVC = sys.executable, "-m", "dvc", "repro"
FIRST = "judge@dense"
SUMMARY = sys.executable, "-m", "pipeline.stages.summary"
ROW = r"\bdense\b.+\d%"
"""A line of the table of results."""
FINISHED = "data", "models", "results", ".checkpoints", ".dvc/cache", "mlruns/optuna.db", "dvc.lock"
"""What a finished run leaves that another threshold does not make anew."""


def no_op(name: str, setting: Setting) -> Measured:
    """`dvc repro` of the real pipeline when every stage is up to date."""
    project = _project(setting.folder / "project")
    _pretend_done(project)

    def repro(_: int) -> float:
        taken, printed = timed(DVC, project)
        if "Running stage" in printed:
            raise BenchmarkError(f"a stage was not up to date:\n{printed}")
        return taken

    return repeated(name, repro, "the real dvc.yaml, stand-ins for what stages write", setting)


def fixed_cost(name: str, setting: Setting) -> Measured:
    """What all stages of the pipeline take to start and to end, and DVC around them.

    Seen on a pipeline with next to nothing to do in each stage, which in all takes longer: graphs
    are traced, a little is fitted and every figure is drawn.
    """
    rounds: list[dict[str, float]] = []

    def repro(number: int) -> float:
        project = _project(setting.folder / f"project-{number}")
        _shrink(project / "params.yaml")
        _under_stopwatch(project / "dvc.yaml")
        taken = timed(DVC, project)[0]
        stages = [json.loads(line) for line in (project / RECORD).read_text().splitlines()]
        shutil.rmtree(project)
        spent = {part: sum(one.get(part, 0.0) for one in stages) for part in PARTS}
        spent["dvc"] = taken - sum(one["seconds"] for one in stages)
        fixed: float = sum(spent.values())
        rounds.append({**spent, "stages": len(stages), "work": taken - fixed})
        return fixed

    found = repeated(name, repro, "", setting)
    mean = {part: fmean(one[part] for one in rounds) for part in rounds[0]}
    remark = (
        f"start and end of {mean['stages']:.0f} stages, with the tests' small parameters: imports "
        f"{mean['imports']:.1f} s, MLflow {mean['mlflow']:.1f} s, workers {mean['workers']:.1f} s, "
        f"DVC and Python {mean['dvc']:.1f} s; tracing, fits and figures on top of it: "
        f"{mean['work']:.0f} s; in all{found.remark.lstrip(';')}"
    )
    return replace(found, remark=remark)


def first_verdict(name: str, setting: Setting) -> Measured:
    """From the end of the installation to the first verdict and its picture, as `make repro` is."""

    def judged(number: int) -> float:
        project = _project(setting.folder / f"project-{number}")
        seconds = timed([*DVC, FIRST], project)[0]
        if not (project / "results" / "judged" / "dense.png").exists():
            raise BenchmarkError("no picture of the first verdict.")
        shutil.rmtree(project)
        return seconds

    return repeated(name, judged, f"`dvc repro {FIRST}` in a fresh copy of the project", setting)


def whole(name: str, setting: Setting) -> Measured:
    """All that `make repro` does after the installation, and how long each stage takes of it."""
    rounds: list[dict[str, float]] = []

    def everything(number: int) -> float:
        project = _project(setting.folder / f"project-{number}")
        parts: dict[str, float] = {}
        for command in ((*DVC, FIRST), DVC, SUMMARY):
            for part, seconds in _by_stage(command, project):
                parts[part] = parts.get(part, 0.0) + seconds
        shutil.rmtree(project)
        rounds.append(parts)
        return sum(parts.values())

    found = repeated(name, everything, "the shipped defaults, a fresh copy of the project", setting)
    return replace(found, parts={part: fmean(one[part] for one in rounds) for part in rounds[0]})


def _by_stage(command: Sequence[str], project: Path) -> Iterator[tuple[str, float]]:
    """Each stage that ran with its seconds, DVC's part of them included; then what else there is.

    A stage's seconds end where the next begins; together they are the seconds of the command.
    """
    part = "the table in the terminal" if command == SUMMARY else "DVC before its first stage"
    began = 0.0
    for now, line in _lines(command, project):
        if stage := re.match(r"Running stage '(.+)':", line):
            yield part, now - began
            part, began = stage[1], now
    yield part, now - began


def _lines(command: Sequence[str], project: Path) -> Iterator[tuple[float, str]]:
    """Each line that a command prints and the seconds until then; "" when it has ended.

    Raises:
        BenchmarkError: the command fails.
    """
    started = time.perf_counter()
    said: list[str] = []
    with subprocess.Popen(
        command,
        cwd=project,
        env=processes.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            yield time.perf_counter() - started, line
    if process.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{''.join(said)[-2000:]}")
    yield time.perf_counter() - started, ""


def threshold(name: str, setting: Setting) -> Measured:
    """From another `evaluate.wide_gap` to the new table of results, in a finished project.

    Raises:
        BenchmarkError: this checkout has no finished run, or a model is fitted once more.
    """
    project = _project(setting.folder / "project")
    for part in FINISHED:
        if not (ROOT / part).exists():
            raise BenchmarkError(f"{part}: not found. Run `make repro` first.")
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        (project / part).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, project / part)
    if "Running stage" in timed(DVC, project)[1]:
        raise BenchmarkError("this checkout's run is not up to date. Run `make repro` first.")
    everything: list[float] = []

    def changed(number: int) -> float:
        _change(project / "params.yaml", {"evaluate.wide_gap": 0.16 + 0.01 * number})
        lines = list(_lines([*DVC, "evaluate"], project))
        table = next((seconds for seconds, line in lines if re.search(ROW, line)), None)
        if table is None:
            raise BenchmarkError("`evaluate` printed no table.")
        rest, printed = timed(DVC, project)
        if re.search(r"best epoch \d", printed):
            raise BenchmarkError(f"a fit was run again:\n{printed[-2000:]}")
        everything.append(lines[-1][0] + rest)
        return table

    found = repeated(name, changed, "", setting)
    remark = (
        "`dvc repro evaluate` until its table stands in the terminal; with its figures, the map, "
        f"the remedies and the page judged anew {fmean(everything):.1f} s, no fit among it; in "
        f"all{found.remark.lstrip(';')}"
    )
    return replace(found, remark=remark)


def repeated(name: str, once: Callable[[int], float], remark: str, setting: Setting) -> Measured:
    """`once` in every round; the remark also says how long processors worked."""
    load, used = load_average(), processes.processor_seconds()
    seconds = [once(number) for number in setting.each_round(name)]
    mean = (processes.processor_seconds() - used) / len(seconds)
    remark = f"{remark}; {mean:.2f} s of processor time"
    return setting.labelled(Measured(name, "s", seconds, remark=remark), load)


def _project(folder: Path) -> Path:
    """A copy of the files under version control, as a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for file in filter(None, listed.stdout.split("\0")):
        if (ROOT / file).is_file() and file != "dvc.lock":
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
    timed(["git", "init", "-q"], folder)
    return folder


def _pretend_done(project: Path) -> None:
    """Stand-ins for every output of the pipeline, committed to DVC as if stages had made them."""
    printed = timed([sys.executable, "-c", NEEDED], project)[1]
    outs, deps = json.loads(printed.splitlines()[-1])
    inside = [one for one in deps if any(Path(out) in Path(one).parents for out in outs)]
    for path in [project / one for one in (*outs, *inside)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text("{}\n", encoding="utf-8")
        else:
            path.mkdir(exist_ok=True)
            (path / "stand-in.txt").write_text(path.name, encoding="utf-8")
    timed([sys.executable, "-m", "dvc", "commit", "--force"], project)
    timed(DVC, project)


def _under_stopwatch(path: Path) -> None:
    stages = path.read_text(encoding="utf-8")
    timed_stages = stages.replace("python -m pipeline.", "python -m benchmarks.stopwatch pipeline.")
    path.write_text(timed_stages, encoding="utf-8")


def _shrink(path: Path) -> None:
    """The parameters of the tests' small pipeline, with one epoch and one seed."""
    _change(path, YAML(typ="safe").load(SMALL))


def _change(path: Path, changes: Mapping[str, Any]) -> None:
    """Set dotted keys of a file of parameters."""
    yaml = YAML()
    document = yaml.load(path)
    for key, value in changes.items():
        *sections, last = key.split(".")
        place = document
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    yaml.dump(document, path)
