"""What all stages share at the command line: `--params`, errors as one sentence, no orphans."""

import argparse
import atexit
import errno
import gc
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from overfit_atlas import addresses
from overfit_atlas.errors import AtlasError
from overfit_atlas.files import visible
from pipeline.files import DVC_PROCESS

if TYPE_CHECKING:
    import psutil

SHELLS = ("sh", "bash", "dash", "zsh", "fish", "ksh")
SELDOM = 50_000, 20, 100
"""How often to look for garbage. As often as Python does it, after every 700 new objects, it takes
a fifth of the time in which TensorFlow and MLflow are imported, and finds none."""
POLL_SECONDS = 0.5
GRACE_SECONDS = 30.0  # to end runs and workers in, before the process is ended as it stands


def parser(description: str) -> argparse.ArgumentParser:
    """A command line with `--help` and `--params`."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--params", type=Path, default=Path("params.yaml"), help="parameters file")
    return made


FOLDERS = {
    "raw": (Path("data/raw"), "what download wrote"),
    "data": (Path("data/prepared"), "prepared images"),
    "models": (Path("models"), "folder of models"),
    "results": (Path("results"), "folder of tables and figures"),
}


def add_folders(arguments: argparse.ArgumentParser, *names: str) -> None:
    """Add `--raw`, `--data`, `--models`, `--results`: those of them that are named."""
    for name in names:
        default, meaning = FOLDERS[name]
        arguments.add_argument(f"--{name}", type=Path, default=default, help=meaning)


def run(main: Callable[[argparse.Namespace], None], arguments: argparse.ArgumentParser) -> None:
    """Parse the command line and call `main`; exit 2 with one line for an error of the user's.

    An error of ours keeps its traceback: it is a defect, and hiding it would help nobody.
    """
    gc.set_threshold(*SELDOM)
    addresses.filter_output()
    # An emoji in a class name is left out of figures; it would say so 300 times.
    warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from", UserWarning)
    parsed = arguments.parse_args()
    if "DVC_STAGE" in os.environ:
        _end_with_dvc()
    try:
        main(parsed)
        sys.stdout.flush()
    except AtlasError as error:
        sys.exit(_said(str(error)))
    except BrokenPipeError:  # as `| head` leaves it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = error.filename or f"file system (temporary folder: {tempfile.gettempdir()})"
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = ". Make room there and run again: what is finished is kept." if full else ""
        sys.exit(_said(f"{where}: {error.strerror or error}{remedy}"))
    except KeyboardInterrupt:
        sys.exit(130)
    if main.__module__ == "__main__" and sys.getprofile() is None:
        _leave()


def _leave() -> None:
    """End this process, all being done, without the second TensorFlow takes to free its memory."""
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _said(message: str) -> int:
    print(f"error: {visible(message)}", file=sys.stderr)
    return 2


def _end_with_dvc() -> None:
    """End this process by SIGTERM soon after the DVC that started it has gone.

    DVC leaves its stage alive when it is killed, and the stage would write into the outputs of the
    next `dvc repro`. The parent is watched rather than asked of the kernel (PR_SET_PDEATHSIG): a
    shell may stand in between, and a second SIGTERM would disturb the end of the first.
    """
    import psutil

    ancestors = psutil.Process().parents()
    watched = _watched([(one, _command(one)) for one in ancestors])
    if watched is None:
        sys.exit(128 + signal.SIGTERM)  # it had gone before we looked
    os.environ[DVC_PROCESS] = str(watched.pid)
    threading.Thread(target=_outlive, args=(watched,), name="end-with-dvc", daemon=True).start()


def _watched(
    ancestors: "Sequence[tuple[psutil.Process, Sequence[str]]]",
) -> "psutil.Process | None":
    """The nearest DVC above, else what else started us (a program that uses DVC); None: init.

    Args:
        ancestors: each with its command, parent first.
    """
    for process, command in ancestors:
        if _names_dvc(command):
            return process
    for process, command in ancestors:
        if process.pid != 1 and command and Path(command[0]).name.lstrip("-") not in SHELLS:
            return process
    return None


def _command(ancestor: "psutil.Process") -> list[str]:
    import psutil

    try:
        return ancestor.cmdline()
    except psutil.Error:
        return []


def _names_dvc(command: Sequence[str]) -> bool:
    """Whether a command runs DVC: `dvc ...`, `python .../bin/dvc ...` or `python -m dvc ...`."""
    return any(Path(word).name in ("dvc", "dvc.exe") for word in command[:4])


def _outlive(parent: "psutil.Process") -> None:
    while _lives(parent):
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)


def _lives(process: "psutil.Process") -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def root() -> Path:
    """The project's main folder, also inside the temporary copies of `dvc exp run --temp`."""
    return Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()
