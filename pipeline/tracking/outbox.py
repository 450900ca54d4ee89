"""What stages tell MLflow, kept in files until it is sent, so that no training waits or is lost.

mlruns/unsent/ holds one folder a stage; how it is emptied stands in `pipeline.tracking.sender`:

    records.jsonl   whose it is, then a record a line    (the stage appends to it)
    1/, 2/, ...     copies of the files that records name
    over            the stage has ended
    sent            how many bytes of records.jsonl MLflow has    (the sender writes this and below)
    trouble         why MLflow does not take them now
    refused         records it will never take, and why
"""

import dataclasses
import fcntl
import hashlib
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.tracking import address, records
from pipeline.tracking.address import TrackingError, masked
from pipeline.tracking.records import End, File, Model, Record

log = logging.getLogger(__name__)

SENDER = "pipeline.stages.send_runs"
RECORDS = "records.jsonl"
POLL_SECONDS = 0.1
LONGEST_LOG = 1_000_000  # bytes, after which mlruns/sender.log begins anew
PATIENCE = 120.0  # seconds without a record sent, after which nobody waits any longer
SILENT_SECONDS = 600.0  # a stage measures the machine every ten; silent for so long, it has ended

_senders: dict[str, "subprocess.Popen[bytes]"] = {}


class Outbox:
    """The folder of one stage. No method fails for want of MLflow or of room on the disk.

    Raises:
        TrackingError: the folder cannot be made.
    """

    def __init__(self, dataset: str) -> None:
        self._mutex = threading.Lock()
        self._count = 0
        self._lost = False
        try:
            self.folder = _made(dataset)
        except OSError as error:
            raise TrackingError(
                f"{unsent()}: {error.strerror or error}. Make mlruns/ writable: runs are kept "
                "there until they are sent."
            ) from None
        wake()

    def put(self, record: Record, folder: Path = Path()) -> None:
        """Append `record`, with a copy of the file in `folder` that it names."""
        with self._mutex:
            if self._lost and not isinstance(record, End):
                return
            try:
                self._add(record, folder)
            except OSError as error:
                if not self._lost:
                    log.warning("%s: %s. MLflow will lack part of this run.", self.folder, error)
                self._lost = True

    def close(self, wait: bool = False) -> None:
        """Leave the rest to the sender; where asked to `wait`, until it has sent all.

        Says so in a warning where MLflow does not take the records.
        """
        with suppress(OSError):
            (self.folder / "over").touch()
        wake()
        trouble = drained() if wait else _text(self.folder / "trouble")
        if trouble:
            where = masked(address.backend_uri())
            log.warning(
                "MLflow at %s failed (%s); going on without it. Records stay in %s and are sent "
                "by the next stage, or by `python -m %s`.",
                *(where, trouble, unsent(), SENDER),
            )

    def _add(self, record: Record, folder: Path) -> None:
        if isinstance(record, File | Model):
            self._count += 1
            kept = Path(str(self._count)) / Path(record.path).name
            (self.folder / kept).parent.mkdir()
            shutil.copy2(folder / record.path, self.folder / kept)
            record = dataclasses.replace(record, path=str(kept))
        _append(self.folder / RECORDS, records.to_line(record))


def _made(dataset: str) -> Path:
    unsent().mkdir(parents=True, exist_ok=True)
    name = f"{time.time_ns()}-{os.getpid()}"
    temporary, folder = unsent() / f".{name}", unsent() / name
    temporary.mkdir()
    head = {
        "uri": masked(address.backend_uri()),
        "dataset": dataset,
        "host": host(),
        "owner": mark(),
    }
    _append(temporary / RECORDS, json.dumps(head))
    (temporary / "sent").write_text(str((temporary / RECORDS).stat().st_size))
    return temporary.rename(folder)


def _append(path: Path, line: str) -> None:
    """Add a whole line or nothing."""
    data = line.encode() + b"\n"
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            if file.write(data) != len(data):
                raise OSError("No space left on device")
        except OSError:
            file.truncate(end)
            raise


def unsent() -> Path:
    """The folder of all outboxes."""
    return address.runs_folder() / "unsent"


@dataclasses.dataclass(frozen=True)
class Box:
    """The folder of one stage as the sender sees it."""

    folder: Path
    dataset: str
    host: str
    owner: str

    def is_open(self) -> bool:
        """Whether its stage may still add to it."""
        if (self.folder / "over").exists():
            return False
        if self.host == host():
            return is_alive(self.owner)
        with suppress(OSError):  # another machine's, or that of a container that has gone
            return time.time() - (self.folder / RECORDS).stat().st_mtime < SILENT_SECONDS
        return False

    def sent(self) -> int:
        """How many bytes of its records MLflow has."""
        text = _text(self.folder / "sent")
        return int(text) if text and text.isdigit() else 0

    def size(self) -> int:
        """How many bytes of records it has; 0 once it is gone."""
        try:
            return (self.folder / RECORDS).stat().st_size
        except FileNotFoundError:
            return 0

    def lines(self, start: int) -> Iterator[tuple[str, int]]:
        """Each whole line after byte `start`, and where it ends, without the head.

        Nothing once it is gone: a sender deletes it while others look.
        """
        try:
            file = (self.folder / RECORDS).open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(start)
            if start == 0:
                file.readline()
            while (line := file.readline()).endswith(b"\n"):
                yield line.decode(errors="replace"), file.tell()


def boxes() -> list[Box]:
    """The folders that hold records for the present address, oldest first."""
    found = (_box(folder) for folder in sorted(unsent().glob("[0-9]*-*")))
    return [box for box in found if box is not None]


def _box(folder: Path) -> Box | None:
    try:
        with (folder / RECORDS).open("rb") as file:
            head = json.loads(file.readline())
        if head["uri"] != masked(address.backend_uri()):
            return None
        return Box(folder, head["dataset"], head["host"], head["owner"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # being deleted, or none of ours


def num_unsent() -> int:
    """How many records wait for the present address."""
    return sum(sum(1 for _ in box.lines(box.sent())) for box in boxes())


def drained(patience: float = PATIENCE) -> str | None:
    """Wait until all that is in the outboxes now has been sent; None, or why it cannot be.

    Args:
        patience: seconds without any progress after which to give up.
    """
    wanted = {box: box.size() for box in boxes()}
    before, since = -1, time.monotonic()
    while left := {box: end for box, end in wanted.items() if box.sent() < min(end, box.size())}:
        for box in left:
            if trouble := _text(box.folder / "trouble"):
                return trouble
        done = sum(box.sent() for box in left)
        if done != before or len(left) < len(wanted):
            wanted, before, since = left, done, time.monotonic()
        elif time.monotonic() - since > patience:
            return f"nothing was sent for {patience:g} s; see {address.runs_folder()}/sender.log"
        wake()
        time.sleep(POLL_SECONDS)
    return None


def wake() -> None:
    """Start a sender for the present address, unless there is one."""
    uri = address.backend_uri()
    with suppress(OSError), sending() as mine:
        if not mine or (uri in _senders and _senders[uri].poll() is None):
            return
    package = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "DVC_ROOT": str(address.root())}
    environment.pop("DVC_STAGE", None)  # it belongs to no stage, and outlives this one
    with suppress(OSError), _log().open("ab") as said:
        _senders[uri] = subprocess.Popen(
            [sys.executable, "-m", SENDER, "--follow"],
            cwd=address.root(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def _log() -> Path:
    path = address.runs_folder() / "sender.log"
    if path.exists() and path.stat().st_size > LONGEST_LOG:
        path.unlink()
    return path


@contextmanager
def sending() -> Iterator[bool]:
    """Whether this process alone may send while the block lasts, for the present address."""
    uri = hashlib.sha256(masked(address.backend_uri()).encode()).hexdigest()[:12]
    unsent().mkdir(parents=True, exist_ok=True)
    with (unsent() / f".sender-{uri}").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = True
        except BlockingIOError:
            mine = False
        except OSError:  # a file system without locks
            mine = True
        yield mine


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def mark() -> str:
    """This process: its number and when it started, for numbers are used again."""
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
