"""`dvc repro` killed at random moments, and two at once: in the end the numbers are the same.

The kills run where ATLAS_FAULTS says how many moments to try (ATLAS_FAULTS=20): they take minutes.
"""

import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from tests.test_repro import Copy

NUM_FAULTS = int(os.environ.get("ATLAS_FAULTS", "0"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(6000)]
SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
SCORES = ("download", "preprocess", "train", "evaluate")
ALL = (*SCORES, "search", "tune", "compare", "report")
OTHERS = ("cnn", "efficientnet", "ensemble")
SCORED = ("metrics.json", "diagnosis.json", "curves/dense.csv")
OF_STUDIES = ("tune/map.csv", "search/search.csv", "compare/remedies/effects.csv")
REFUSED = "Unable to acquire lock|is busy, it is being blocked by"
REPRO = (sys.executable, "-m", "dvc", "repro")


def _one_model(root: Path, stages: Sequence[str]) -> None:
    """Leave `stages` of dvc.yaml, and of the models `dense`: seconds instead of minutes."""
    yaml = YAML()
    document = yaml.load(root / "dvc.yaml")
    del document["plots"]
    for name in set(document["stages"]) - set(stages):
        del document["stages"][name]
    for name in OTHERS:
        del document["stages"]["train"]["foreach"][name]
    for stage in {"evaluate", "report"} & set(stages):
        deps = document["stages"][stage]["deps"]
        document["stages"][stage]["deps"] = [
            dep
            for dep in deps
            if Path(dep).stem not in (*OTHERS, "tuned", "overtuning") or dep.startswith("pipeline/")
        ]
    yaml.dump(document, root / "dvc.yaml")
    (root / "dvc.lock").unlink(missing_ok=True)


def one_model_copy(root: Path, sources: Any, stages: Sequence[str] = SCORES) -> Copy:
    """A small copy of the project whose pipeline trains `dense` alone."""
    made = Copy(root, sources)
    _one_model(root, stages)
    return made


def _begun(project: Copy, **options: Any) -> subprocess.Popen[str]:
    """`dvc repro`, started; `options` are those of Popen."""
    return subprocess.Popen(REPRO, cwd=project.root, env=project.environment(), **options)


def _disturbed(project: Copy, name: str, moment: float) -> None:
    """Start `dvc repro`, and after `moment` seconds end it by signal `name`."""
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dvc = _begun(project, **nowhere, start_new_session=True)
    with suppress(subprocess.TimeoutExpired):
        dvc.wait(moment)
    below = _below(dvc.pid)
    if name == "SIGINT":  # as Ctrl-C in a terminal: to all of them
        with suppress(ProcessLookupError):
            os.killpg(dvc.pid, signal.SIGINT)
    else:
        dvc.send_signal(getattr(signal, name))
    dvc.wait(300)
    _, orphans = psutil.wait_procs(below, timeout=120)
    assert [" ".join(one.cmdline()) for one in orphans] == []


def _below(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _runs(project: Copy) -> list[tuple[str, str]]:
    project.run(sys.executable, "-m", "pipeline.stages.send_runs")  # there is no `report`
    with closing(sqlite3.connect(project.root / "mlruns" / "mlflow.db")) as database:
        return database.execute("SELECT name, status FROM runs").fetchall()


@pytest.mark.long
@pytest.mark.skipif(not NUM_FAULTS, reason="takes minutes: set ATLAS_FAULTS=3 or more")
def test_repro_after_kills_ends_as_if_undisturbed(tmp_path: Path, sources: Any) -> None:
    whole = one_model_copy(tmp_path / "whole", sources, ALL)
    began = time.monotonic()
    whole.dvc("repro")
    seconds = time.monotonic() - began

    killed = one_model_copy(tmp_path / "killed", sources, ALL)
    chance = random.Random(7)
    for number in range(NUM_FAULTS):
        if number % len(SIGNALS) == 0 and number:
            # From the first stage again.
            killed = one_model_copy(tmp_path / f"killed-{number}", sources, ALL)
        _disturbed(killed, SIGNALS[number % len(SIGNALS)], chance.uniform(0.05, 0.6) * seconds)
        if (number + 1) % len(SIGNALS) == 0 or number + 1 == NUM_FAULTS:
            _check(killed, whole)


def _check(killed: Copy, whole: Copy) -> None:
    _ends_as(killed, whole, (*SCORED, *OF_STUDIES))
    finished = [name for name, status in _runs(killed) if status == "FINISHED"]
    assert {"preprocess", "train@dense", "search", "tune", "evaluate", "report"} <= set(finished)


def _ends_as(project: Copy, undisturbed: Copy, results: Sequence[str]) -> None:
    """One more `dvc repro` gives the same bytes, leaves no run open and nothing to do."""
    project.dvc("repro")
    for name in results:
        path = Path("results", name)
        assert (project.root / path).read_bytes() == (undisturbed.root / path).read_bytes()
    assert {status for _, status in _runs(project)} <= {"FINISHED", "KILLED", "FAILED"}
    assert "Running stage" not in project.dvc("repro")


@pytest.mark.long
def test_two_repro_at_once_lose_nothing(tmp_path: Path, sources: Any) -> None:
    project = one_model_copy(tmp_path / "both", sources)
    heard: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [_begun(project, **heard) for _ in range(2)]
    said = [one.communicate()[0] for one in both]
    # DVC lets one of them run a stage; the other waits, or stops and says why.
    refused = [text for one, text in zip(both, said, strict=True) if one.returncode]
    assert len(refused) < 2 and all(re.search(REFUSED, text) for text in refused), refused
    alone = one_model_copy(tmp_path / "alone", sources)
    alone.dvc("repro")
    _ends_as(project, alone, SCORED)
