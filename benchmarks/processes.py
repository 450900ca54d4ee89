"""Processes that are measured: they must end well, and every loss they report must be finite."""

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
THREADS = (
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
ELSEWHERE = ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_STAGE", "PYTHONDONTWRITEBYTECODE")
BYTECODE = Path(tempfile.gettempdir()) / "overfit-atlas-bench-bytecode"
"""Compiled modules, as after the first start on any machine, also where none may be written."""


class BenchmarkError(RuntimeError):
    """A measurement that must not be believed: a process failed, or a loss is not finite."""


def environment() -> dict[str, str]:
    """This process' variables without those that choose threads or another place for records.

    Compiled modules are kept, as they are wherever Python runs twice.
    """
    kept = {key: value for key, value in os.environ.items() if key not in THREADS + ELSEWHERE}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    ours = {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(BYTECODE)}
    return {**kept, **ours, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


def finite(answer: Mapping[str, Any], who: str) -> float:
    """The loss in an answer.

    Raises:
        BenchmarkError: it is missing or not finite.
    """
    loss = float(answer.get("loss", math.nan))
    if not math.isfinite(loss):
        raise BenchmarkError(f"{who}: the validation loss is {loss}; nothing is measured by that.")
    return loss


class Side:
    """A process of `benchmarks.side` for the length of a `with` block."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> "Side":
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.side", self._name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin and self._process.stdout
        if error:
            self._process.kill()
        self._process.stdin.close()
        code = self._process.wait()
        self._process.stdout.close()
        said = self._said()
        self._errors.close()
        if code and not error:
            raise BenchmarkError(f"{self._name} ended with exit code {code}: {said}")

    def send(self, work: str, **request: Any) -> None:
        """Ask for `work`, to be fetched with `receive`."""
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps({"work": work, **request}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchmarkError(f"{self._name} has ended: {self._said()}") from None

    def receive(self) -> dict[str, Any]:
        """The answer to the oldest request that is still open."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(f"{self._name} gave no answer: {self._said()}")
        answer: dict[str, Any] = json.loads(line)
        finite(answer, self._name)
        return answer

    def ask(self, work: str, **request: Any) -> dict[str, Any]:
        """`send`, then `receive`."""
        self.send(work, **request)
        return self.receive()

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:]


def processor_seconds() -> float:
    """Processor time of all child processes that have ended, user and system."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(command: Sequence[str], folder: Path = ROOT) -> tuple[float, str]:
    """Seconds from start to end of a command, and what it printed.

    Raises:
        BenchmarkError: it ended with another exit code than 0.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise BenchmarkError(
            f"{' '.join(map(str, command))[:200]} ended with exit code {done.returncode}: "
            f"{done.stdout[-1000:]}{done.stderr[-3000:]}"
        )
    return seconds, done.stdout
