"""Stages of one DVC fork their servers from one process: seen from outside, as DVC starts them."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.training import forking, session
from tests.fits import dense_task

pytestmark = pytest.mark.skipif(forking.METHOD != "forkserver", reason="no fork on this system")

# In place of DVC: runs the stages that it is told, one after another, and waits for its end.
DVC = """
import os, signal, subprocess, sys
environment = {**os.environ, "DVC_STAGE": ""}
for number, stage in enumerate(sys.argv[1:]):
    environment["DVC_STAGE"] = f"train@{number}"
    subprocess.run([sys.executable, stage], env=environment, check=True)
print("done", flush=True)
signal.pause()
"""
STAGE = """
import hashlib, os, signal, sys
from multiprocessing import get_context, forkserver
from pathlib import Path

def looked():
    import psutil
    above = psutil.Process().parents()
    print(os.getpid(), above[0].pid, above[1].pid, os.environ["DVC_STAGE"], os.getcwd(), flush=True)

def main(arguments):
    from pipeline.params import Workers
    from pipeline.training import forking, warm, workers
    from tests.fits import dense_task
    workers.prepare(Workers(count=1))
    BODY
    process = get_context(forking.METHOD).Process(target=looked)
    process.start()
    process.join()
    with workers.pool(Workers(count=1)) as pool:
        found = dict(pool.run([dense_task(Path(FOLDER), epochs=2, units=[4])], "dense"))
    print(found[0].history.curves.drop(columns="seconds", errors="ignore").to_csv().encode().hex())

if __name__ == "__main__":
    from pipeline.stages import cli
    cli.run(main, cli.parser(""))
"""
KILLED = """
    import psutil
    for one in psutil.Process().children():
        one.kill()
        one.wait()
"""


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a short name: that of a socket ends at about 100 bytes."""
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        yield Path(folder)


@pytest.fixture
def stages(tmp_path: Path, temporary: Path, digits_folder: Path) -> Iterator[Any]:
    """Runs both stages of a DVC, which then waits: `stages(body, **variables)`."""
    started: list[subprocess.Popen[str]] = []

    def run(body: str = "", **variables: str) -> tuple[subprocess.Popen[str], list[str]]:
        (tmp_path / "dvc").write_text(DVC)
        text = STAGE.replace("BODY", body.strip() or "pass")
        (tmp_path / "stage.py").write_text(text.replace("FOLDER", repr(str(digits_folder))))
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, **variables, "PYTHONPATH": root, "TMPDIR": str(temporary)}
        dvc = subprocess.Popen(
            [sys.executable, tmp_path / "dvc", *2 * [tmp_path / "stage.py"]],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        started.append(dvc)
        lines: list[str] = []
        assert dvc.stdout
        while not lines or lines[-1] != "done":
            line = dvc.stdout.readline()
            assert line, lines
            lines.append(line.strip())
        return dvc, lines

    yield run
    for dvc in started:
        dvc.kill()
        dvc.communicate()


def _looked(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines if " train@" in line]


def _curves(lines: list[str]) -> list[str]:
    return [line for line in lines if len(line) > 200]


def test_two_stages_share_one_import_and_nothing_else(
    stages: Any, tmp_path: Path, temporary: Path, digits_folder: Path
) -> None:
    dvc, lines = stages()
    (_, server, warm, *own), (_, other, same, *others) = _looked(lines)
    assert warm == same and server != other  # a server each, forked from one process
    assert (own, others) == (["train@0", str(tmp_path)], ["train@1", str(tmp_path)])
    alone = session.run(dense_task(digits_folder, epochs=2, units=[4])).history.curves
    expected = alone.drop(columns="seconds", errors="ignore").to_csv().encode().hex()
    assert _curves(lines) == [expected, expected]
    process = psutil.Process(int(warm))
    assert process.num_threads() == 1 and not psutil.pid_exists(int(server))
    dvc.send_signal(signal.SIGKILL)
    process.wait(30)
    assert not list(temporary.rglob("*.sock"))


@pytest.mark.parametrize(
    ("body", "variables"),
    [
        pytest.param("", {"ATLAS_WARM": "0"}, id="off", marks=pytest.mark.long),
        pytest.param(KILLED, {}, id="killed"),
    ],
)
def test_without_it_a_stage_starts_its_own_server(stages: Any, body: str, variables: Any) -> None:
    _, lines = stages(body, **variables)
    first, second = _looked(lines)
    # Above the servers stood the stages, which have ended.
    assert not psutil.pid_exists(int(first[2])) and not psutil.pid_exists(int(second[2]))
    assert len(set(_curves(lines))) == 1
