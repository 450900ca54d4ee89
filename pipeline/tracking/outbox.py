"""Sends records to MLflow, and keeps what it does not take, so that no training is lost to it.

Kept records lie in mlruns/unsent/, one folder a stage; the next stage sends them, or
`python -m pipeline.stages.send_runs`.
"""

import dataclasses
import json
import logging
import os
import shutil
import threading
import time
from pathlib import Path

from pipeline.tracking import address, records
from pipeline.tracking.address import TrackingError, masked
from pipeline.tracking.records import File, Model, Record
from pipeline.tracking.service import Refused, Service

log = logging.getLogger(__name__)


class Outbox:
    """Sends records in their order; once MLflow is out of reach, all go to a folder instead."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._mutex = threading.Lock()
        self._kept: Kept | None = None
        self._lost = False

    @property
    def online(self) -> bool:
        """Whether MLflow has been within reach so far."""
        return self._kept is None and not self._lost

    def put(self, record: Record, folder: Path = Path()) -> None:
        """Send `record`, or keep it and the file in `folder` that it names."""
        with self._mutex:
            if self.online:
                try:
                    self.service.apply(record, folder)
                    return
                except Refused as error:
                    if error.lasting:
                        log.warning("MLflow refused %s: %s", type(record).__name__, error)
                        return
                    self._go_offline(str(error))
            self._keep(record, folder)

    def close(self) -> None:
        """Try once more to send what was kept."""
        with self._mutex:
            if self._kept is not None:
                self._kept.close()
                self._kept = None
                send_kept()

    def _go_offline(self, reason: str) -> None:
        where = masked(address.backend_uri())
        log.warning("MLflow at %s failed (%s); going on without it.", where, reason)
        try:
            self._kept = Kept(self.service.dataset)
        except OSError as error:
            self._give_up(error)

    def _keep(self, record: Record, folder: Path) -> None:
        try:
            if self._kept is not None:
                self._kept.add(record, folder)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._lost = True
        self._kept = None
        log.warning("Nor can records be kept (%s): MLflow will lack part of this run.", error)


class Kept:
    """A folder of records in the making; locked, so that nobody sends half of it."""

    def __init__(self, dataset: str) -> None:
        from filelock import FileLock

        self.folder = _unsent() / f"{time.time_ns()}-{os.getpid()}"
        self.folder.mkdir(parents=True)
        self._lock = FileLock(self.folder / ".lock")
        self._lock.acquire()
        self._count = 0
        head = {"uri": masked(address.backend_uri()), "dataset": dataset}
        self._append(json.dumps(head))

    def add(self, record: Record, folder: Path) -> None:
        """Append `record`, with a copy of its file."""
        if isinstance(record, File | Model):
            self._count += 1
            kept = Path(str(self._count)) / Path(record.path).name
            (self.folder / kept).parent.mkdir()
            _copy(folder / record.path, self.folder / kept)
            record = dataclasses.replace(record, path=str(kept))
        self._append(records.to_line(record))

    def close(self) -> None:
        """Let others send it."""
        self._lock.release()

    def _append(self, line: str) -> None:
        with (self.folder / "records.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def send_kept() -> int:
    """Send all records kept for the present address; the number of those MLflow took.

    What cannot be sent yet stays for the next time. What MLflow will never take (its run was
    deleted, say) is set aside in mlruns/unsent/refused-*.
    """
    from filelock import FileLock, Timeout

    sent = 0
    for folder in sorted(_unsent().glob("[0-9]*-*")):
        try:
            with FileLock(folder / ".lock", timeout=0):
                sent += _send_folder(folder)
        except (Timeout, OSError):
            continue
        except (Refused, TrackingError) as error:
            log.warning("Records in %s are sent later: %s", folder, error)
            break
    return sent


def _send_folder(folder: Path) -> int:
    head, *lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines() or ["{}"]
    about = json.loads(head)
    if about.get("uri") != masked(address.backend_uri()):
        return 0
    service = Service(about["dataset"])
    refused = [reason for line in lines if (reason := _send_line(service, line, folder))]
    if refused:
        aside = folder.rename(folder.with_name(f"refused-{folder.name}"))
        log.warning("MLflow refused %d records, kept in %s: %s", len(refused), aside, refused[0])
    else:
        shutil.rmtree(folder)
    return len(lines) - len(refused)


def _send_line(service: Service, line: str, folder: Path) -> str | None:
    try:
        service.apply(records.from_line(line), folder)
    except ValueError as error:  # the last line of a process that was killed while writing it
        return str(error)
    except Refused as error:
        if not error.lasting:
            raise
        return str(error)
    return None


def _unsent() -> Path:
    return address.runs_folder() / "unsent"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
