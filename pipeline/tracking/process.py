"""Which process owns a run, told in a way that survives reuse of process numbers."""

import os
import socket
from pathlib import Path


def host() -> str:
    """This machine's name, safe inside a quoted search."""
    return socket.gethostname().replace("'", "")


def mark() -> str:
    """This process: its number and when it started."""
    return f"{os.getpid()}:{_started(os.getpid())}"


def is_alive(owner: str) -> bool:
    """Whether the process that `mark` named still runs."""
    pid, _, started = owner.partition(":")
    return pid.isdigit() and started != "" and _started(int(pid)) == started


def _started(pid: int) -> str:
    # Ticks since boot, where there is /proc: unlike a time of day, they survive a change of clock.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _started_elsewhere(pid)
    return "" if fields[0] in "ZX" else fields[19]


def _started_elsewhere(pid: int) -> str:
    import psutil

    try:
        return str(round(psutil.Process(pid).create_time()))
    except psutil.Error:
        return ""
