"""Opens the tracked runs in MLflow's own pages: `python -m pipeline.stages.ui`.

It prints the address of the trainings with their losses on one axis, which is not where MLflow
opens by itself. Where MLFLOW_TRACKING_URI names a server, that one is shown; else one is started.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import urllib.request
import webbrowser
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from overfit_atlas import addresses
from pipeline import tracking
from pipeline.stages import cli

STARTS_WITHIN = 120.0  # seconds
ENDS_WITHIN = 5.0


def main(arguments: argparse.Namespace) -> None:
    """Send what waits, print the address of the newest experiment, and start MLflow's server."""
    tracking.check()
    tracking.send_kept()
    uri = tracking.backend_uri()
    served = uri.startswith("http")
    root = uri.rstrip("/") if served else f"http://127.0.0.1:{arguments.port}"
    page = tracking.newest_view()
    place = f"{root}/{page}"
    ends = "" if served else " (Ctrl-C ends it)"
    said = f"MLflow: {tracking.masked(root)}/{page}{ends}"
    print(said, file=addresses.unfiltered(sys.stdout), flush=True)  # what follows `#` is to be read
    if served:
        _open(place)
        return
    threading.Thread(target=_open_when_up, args=(root, place), daemon=True).start()
    sys.exit(_serve(uri, arguments.port))


def _serve(uri: str, port: int) -> int:
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--host", "127.0.0.1"]
    command += ["--backend-store-uri", uri, "--port", str(port)]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # In a group of its own: Ctrl-C, which it would tell of at length, does not reach it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until there is a server to end
    server = subprocess.Popen(command, env=environment, process_group=0, stdin=subprocess.DEVNULL)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for sent in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(sent, _leave)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(server)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server with all processes that it started, by force where it takes too long."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            server.wait(ENDS_WITHIN)


def _open_when_up(root: str, place: str) -> None:
    """Open the page where there is a desktop, once the server answers."""
    waited = threading.Event()
    for _ in range(int(STARTS_WITHIN)):
        try:
            with urllib.request.urlopen(f"{root}/health", timeout=1):  # noqa: S310 (our own)
                _open(place)
                return
        except OSError:
            waited.wait(1)


def _open(place: str) -> None:
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(place)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Open the tracked runs in MLflow's own pages.")
    parser.add_argument("--port", type=int, default=5000, help="of this machine's own server")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
