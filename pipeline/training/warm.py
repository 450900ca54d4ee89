"""One process that has imported TensorFlow, for all stages of one `dvc repro`.

Every stage that fits wants a server from which its workers are forked (`forking`). The first one
starts this process beside itself; here its server, and those of later stages, are forked in turn:
so TensorFlow is imported once and not in every stage. A server forked here is the same to the bit
as one that a stage starts on its own: the same imports, with the stage's arguments, variables,
folder and streams.

It belongs to one DVC process, user, interpreter, environment and state of the code, which its
socket's name tells; where anything differs another one is started. It ends with that DVC, within a
second, or when nobody has asked for anything for `IDLE_SECONDS`. Servers end with their stages.
Whatever goes wrong here, the stage starts a server of its own. `ATLAS_WARM=0` turns it off.

Python's own fork server lives as long as the process that started it; its parts that are used
here, `main` and three private attributes, are the same in Python 3.11 to 3.13.
"""

import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from multiprocessing import connection, forkserver, resource_tracker
from pathlib import Path
from typing import Any

import psutil

from overfit_atlas.errors import AtlasError
from pipeline.files import DVC_PROCESS, private_folder

SWITCH = "ATLAS_WARM"
IDLE_SECONDS = 300
POLL_SECONDS = 0.5
OF_ONE_STAGE = ("DVC_STAGE", "DVC_ROOT")
"""Variables that differ between the stages of one `dvc repro`, and that no import reads."""
PRIVATE = ("_forkserver_address", "_forkserver_alive_fd", "_forkserver_pid")
_server: Any = getattr(forkserver, "_forkserver", None)


def adopt() -> bool:
    """Let this stage's server be forked from the warm process; False: the stage is to start one.

    Returns at once, also while the warm process still imports: what is asked of it waits there.
    """
    if "ensure_running" in vars(_server):
        _server.ensure_running()
        return True
    if (
        DVC_PROCESS not in os.environ
        or os.environ.get(SWITCH) == "0"
        or not hasattr(os, "pidfd_open")
    ):
        return False
    if any(getattr(_server, name, "") is not None for name in PRIVATE):
        return False  # it runs already, or this Python has another one
    try:
        _adopt(_connected())
    except (OSError, ValueError, psutil.Error, AtlasError):
        return False
    return True


def _adopt(warm: socket.socket) -> None:
    """What `ForkServer.ensure_running` does, but that the process is forked and not started."""
    request = {"environ": dict(os.environ), "cwd": str(Path.cwd()), "sys_path": sys.path}
    with ExitStack() as stack:
        stack.callback(warm.close)
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        address = connection.arbitrary_address("AF_UNIX")  # type: ignore[attr-defined]
        listener.bind(address)
        Path(address).chmod(0o600)
        listener.listen()
        alive_read, alive_write = os.pipe()
        try:
            given = [listener.fileno(), alive_read, *range(3)]
            socket.send_fds(warm, [b"\n"], given)
            warm.sendall(json.dumps(request).encode())
            warm.shutdown(socket.SHUT_WR)
        except OSError:
            os.close(alive_write)
            raise
        finally:
            os.close(alive_read)
        stack.pop_all()
    listener.close()
    _server._forkserver_address, _server._forkserver_alive_fd = address, alive_write
    _server.ensure_running = lambda: _ensure_running(warm)


def _ensure_running(warm: socket.socket) -> None:
    """In place of the method of the same name, for a server that is no child of this process."""
    with _server._lock:
        resource_tracker.ensure_running()
        if _lives(warm):
            return
        warm.close()
        os.close(_server._forkserver_alive_fd)
        _server._forkserver_address = _server._forkserver_alive_fd = None
        del _server.ensure_running
    _server.ensure_running()


def _lives(warm: socket.socket) -> bool:
    """Whether the server at the other end is there: it holds the socket as long as it lives."""
    try:
        return warm.recv(1, socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _connected() -> socket.socket:
    """A connection to this DVC's warm process, which is started where there is none."""
    from filelock import FileLock

    path = private_folder() / f"warm-{_key()}.sock"
    with FileLock(path.with_suffix(".lock"), timeout=1):
        found = socket.socket(socket.AF_UNIX)
        try:
            try:
                found.connect(str(path))
            except OSError:
                path.unlink(missing_ok=True)
                _start(path)
                found.connect(str(path))
        except OSError:
            found.close()
            raise
        return found


def _key() -> str:
    """A hash of all that a warm process must have in common with who uses it."""
    root = Path(__file__).resolve().parents[2]
    dvc = psutil.Process(int(os.environ[DVC_PROCESS]))
    code = [
        (str(source), (state := source.stat()).st_mtime_ns, state.st_size)
        for package in ("overfit_atlas", "pipeline")
        for source in sorted((root / package).rglob("*.py"))
    ]
    variables = sorted((key, x) for key, x in os.environ.items() if key not in OF_ONE_STAGE)
    decisive = dvc.pid, dvc.create_time(), sys.executable, sys.flags, sys.path, variables, code
    return hashlib.sha256(repr(decisive).encode()).hexdigest()[:16]


def _start(path: Path) -> None:
    dvc = os.pidfd_open(int(os.environ[DVC_PROCESS]))
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen()
            given = (listener.fileno(), dvc)
            options = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
            code = (
                f"import sys; sys.path[:] = {sys.path!r}; "
                f"from {__name__} import serve; serve(*{given})"
            )
            command = [sys.executable, *options, "-c", code]
            nowhere = subprocess.DEVNULL
            started = subprocess.Popen(
                command, stdin=nowhere, stdout=nowhere, stderr=nowhere, pass_fds=given
            )
            started.returncode = 0  # it is not waited for: it outlives this process
    finally:
        os.close(dvc)


def serve(listening: int, dvc: int) -> None:
    """Import what fits need, then fork a server for every stage that asks, as long as DVC lives.

    Args:
        listening: the socket that stages connect to. dvc: a handle of the DVC process.
    """
    from pipeline.training import preloaded  # noqa: F401

    listener = socket.socket(fileno=listening)
    path = Path(listener.getsockname())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for stages to answer
    waited = 0.0
    try:
        while waited < IDLE_SECONDS:
            ready, _, _ = select.select([listening, dvc], [], [], POLL_SECONDS)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if dvc in ready:
                return
            waited = 0.0 if ready else waited + POLL_SECONDS
            if listening in ready:
                with listener.accept()[0] as stage:
                    if os.fork() == 0:
                        listener.close()
                        os.close(dvc)
                        _become_server(stage)
    finally:
        path.unlink(missing_ok=True)


def _become_server(stage: socket.socket) -> None:
    """Be the fork server of one stage until it ends; never returns."""
    code = 1
    try:
        _, given, _, _ = socket.recv_fds(stage, 1, 5)
        listener, alive, *streams = given
        said = b"".join(iter(lambda: stage.recv(1 << 16), b""))
        request = json.loads(said)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        os.environ.clear()
        os.environ.update(request["environ"])
        os.chdir(request["cwd"])
        sys.path[:] = request["sys_path"]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.register_at_fork(after_in_child=stage.close)  # workers do not hold it
        forkserver.main(listener, alive, [])
        code = 0
    except SystemExit:
        code = 0
    finally:
        os._exit(code)
