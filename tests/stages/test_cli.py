"""A stage ends with the DVC that started it, and says errors in one line."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from overfit_atlas.errors import AtlasError
from pipeline.stages import cli
from pipeline.tracking import outbox

# Says its number, then waits for its end.
STAGE = """
import os, pathlib, signal
from pipeline.stages import cli

def main(arguments):
    print("numbers", os.getpid(), flush=True)
    {body}

if __name__ == "__main__":
    cli.run(main, cli.parser(""))
"""
WAIT = "signal.pause()"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    while True: signal.pause()"
TRACKED = """
    from pipeline import params
    from pipeline.tracking import stage_run
    with stage_run(params.parse({}), "train", "demo"):
        print("begun", flush=True)
        signal.pause()
"""
POOL = """
    from pipeline.params import Workers
    from pipeline.training import workers
    import psutil
    with workers.pool(Workers(count=1)):
        found = psutil.Process().children(recursive=True)
        print("numbers", *(one.pid for one in found), flush=True)
        signal.pause()
"""
# What DVC does: start the stage through a shell, and wait.
DVC = """
import subprocess, sys
subprocess.Popen(["/bin/sh", "-c", sys.argv[1]]).communicate()
"""
Start = Callable[[str, str], subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a stage as DVC does; the process is that DVC's, its output the stage's."""
    (tmp_path / "dvc").write_text(DVC)
    started: list[subprocess.Popen[str]] = []

    def begin(body: str, command: str = "{}") -> subprocess.Popen[str]:
        (tmp_path / "stage.py").write_text(STAGE.format(body=body))
        line = command.format(f"{sys.executable} {tmp_path}/stage.py")
        environment = {**os.environ, "DVC_STAGE": "train@x", "DVC_ROOT": str(tmp_path)}
        environment.pop("MLFLOW_TRACKING_URI", None)
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        process = subprocess.Popen(
            [sys.executable, tmp_path / "dvc", line],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _said(dvc: subprocess.Popen[str]) -> list[int]:
    """The process numbers that the stage prints next; other lines are passed over."""
    assert dvc.stdout
    for line in dvc.stdout:
        if line.startswith("numbers "):
            return [int(word) for word in line.split()[1:]]
    return []


def _gone(pid: int, seconds: float = 60) -> bool:
    """Whether a process ends in time."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            with suppress(psutil.TimeoutExpired):
                process.wait(seconds)
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("command", ["{}", "{}; true"], ids=["shell replaced", "shell between"])
def test_a_stage_ends_with_its_dvc(start: Start, number: int, command: str) -> None:
    dvc = start(WAIT, command)
    [stage] = _said(dvc)
    dvc.send_signal(number)
    assert _gone(stage)


def test_a_stage_that_ignores_the_signal_is_ended_all_the_same(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    dvc = start(f"cli.GRACE_SECONDS = 0.1; {DEAF}", "{}")
    [stage] = _said(dvc)
    dvc.kill()
    assert _gone(stage)


def test_the_run_of_an_orphan_ends_as_killed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dvc = start(TRACKED, "{}")
    [stage] = _said(dvc)
    assert dvc.stdout and dvc.stdout.readline() == "begun\n"
    dvc.kill()
    assert _gone(stage)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert outbox.drained() is None  # its sender has not gone
    with closing(sqlite3.connect(tmp_path / "mlruns" / "mlflow.db")) as database:
        assert database.execute("SELECT status FROM runs").fetchall() == [("KILLED",)]


@pytest.mark.parametrize("whom", ["dvc", "stage"])
def test_workers_end_with_their_stage(start: Start, whom: str) -> None:
    dvc = start(POOL, "{}")
    [stage] = _said(dvc)
    workers = _said(dvc)
    assert workers
    os.kill(stage if whom == "stage" else dvc.pid, signal.SIGKILL)
    assert _gone(stage)
    assert [pid for pid in workers if not _gone(pid)] == []


def test_a_stage_run_by_hand_outlives_what_started_it(start: Start) -> None:
    dvc = start(WAIT, "env -u DVC_STAGE {}")
    [stage] = _said(dvc)
    dvc.kill()
    assert not _gone(stage, 1.5)


@pytest.mark.parametrize(
    ("command", "is_dvc"),
    [
        (["dvc", "repro"], True),
        (["/usr/bin/python3", "/home/you/bin/dvc", "repro"], True),
        (["python", "-m", "dvc", "repro"], True),
        (["vim", "dvc.yaml"], False),
        (["/bin/sh", "-c", "python -m pipeline.stages.train cnn"], False),
        ([], False),
    ],
)
def test_dvc_is_known_by_its_command(command: list[str], is_dvc: bool) -> None:
    assert cli._names_dvc(command) is is_dvc


@pytest.mark.parametrize(
    ("above", "watched"),
    [
        ([(9, ["sh", "-c", "x"]), (8, ["python", "-m", "dvc", "repro"]), (1, ["init"])], 8),
        ([(8, ["python", "/usr/bin/dvc"]), (7, ["python", "-m", "dvc"])], 8),
        ([(9, ["sh"]), (8, ["python", "mine.py"]), (7, ["-bash"]), (1, ["init"])], 8),
        ([(1, ["python", "-m", "dvc", "repro"])], 1),  # in a container
        ([(9, ["/bin/sh", "-c", "x"]), (1, ["init"])], None),
        ([(1, ["init"])], None),
        ([], None),
    ],
)
def test_the_nearest_dvc_is_watched_else_what_is_no_shell(above: Any, watched: int | None) -> None:
    found = cli._watched([(SimpleNamespace(pid=pid), command) for pid, command in above])
    assert getattr(found, "pid", None) == watched


def test_an_error_of_the_users_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise AtlasError("seed: got -1, expected 0 or more")

    monkeypatch.setattr(sys, "argv", ["stage"])
    monkeypatch.delenv("DVC_STAGE", raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.run(refuse, cli.parser(""))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: seed: got -1, expected 0 or more\n"


def test_a_finished_stage_has_said_all_and_runs_what_was_to_run_at_its_end(tmp_path: Path) -> None:
    body = 'import atexit; atexit.register(print, "last"); print("done")'
    (tmp_path / "stage.py").write_text(STAGE.format(body=body))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("DVC_STAGE", None)
    run = [sys.executable, tmp_path / "stage.py"]
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["done", "last"]
