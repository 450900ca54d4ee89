"""Calls beside a stage: their answers, errors and ends, and that none outlives its block."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from overfit_atlas.errors import AtlasError
from pipeline.training.aside import Aside

STAGE = """
import sys
from pathlib import Path
from pipeline.training.aside import Aside
from tests.training.test_aside import sleeps
with Aside(1) as aside:
    aside.call(sleeps, Path(sys.argv[1])).result()
"""
COUNTS = pytest.mark.parametrize("count", [0, 2])


def doubled(number: int, *, factor: int = 1) -> tuple[int, bool, str | None]:
    has_tensorflow = "tensorflow" in sys.modules
    return number * factor, has_tensorflow, os.environ.get("TF_NUM_INTRAOP_THREADS")


def refuses(what: str) -> None:
    raise AtlasError(f"no {what}")


def fails() -> None:
    raise KeyError("here")


def dies() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleeps(mark: Path) -> None:
    mark.write_text(str(os.getpid()))
    time.sleep(600)


@COUNTS
def test_each_call_has_its_answer_tensorflow_and_one_thread(count: int) -> None:
    with Aside(count) as aside:
        begun = [aside.call(doubled, number, factor=2) for number in range(3)]
        answers = [one.result() for one in begun]
    assert answers == [(2 * number, True, "1") for number in range(3)]


@COUNTS
def test_errors_come_back_as_they_are_and_defects_with_their_place(count: int) -> None:
    with Aside(count) as aside:
        refused, failed = aside.call(refuses, "room"), aside.call(fails)
        with pytest.raises(AtlasError, match="^no room$"):
            refused.result()
        with pytest.raises(KeyError, match="here") as caught:
            failed.result()
    if count:
        assert "in fails" in caught.value.__notes__[0]


def test_a_killed_process_is_one_sentence() -> None:
    with Aside(1) as aside, pytest.raises(AtlasError, match="dies was killed, most likely for"):
        aside.call(dies).result()


def test_no_call_outlives_its_block(tmp_path: Path) -> None:
    marks = [tmp_path / str(number) for number in range(3)]
    with pytest.raises(KeyboardInterrupt), Aside(2) as aside:
        for mark in marks:
            aside.call(sleeps, mark)
        _until(lambda: all(mark.exists() and mark.read_text() for mark in marks[:2]))
        raise KeyboardInterrupt
    assert not marks[2].exists()
    for mark in marks[:2]:
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.read_text()), 0)


def test_no_call_outlives_a_killed_stage(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    stage = subprocess.Popen([sys.executable, "-c", STAGE, str(mark)])
    _until(lambda: mark.exists() and mark.read_text() != "")
    stage.kill()
    stage.wait()
    _until(lambda: not psutil.pid_exists(int(mark.read_text())))


def _until(done: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_where_nothing_is_called_nothing_is_imported() -> None:
    before = "tensorflow" in sys.modules
    with Aside():
        pass
    assert ("tensorflow" in sys.modules) == before
