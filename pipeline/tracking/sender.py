"""The one process that sends: it imports MLflow once, beside the work of the stages.

A stage that finds none starts one (`outbox.wake`). It sends what stages append as they append it,
and ends when no stage has run for a while and nothing is left to send, or MLflow does not answer
and nobody needs it. It may be killed at any time: each record says what shall be, not what to add,
so that the next sender begins with the first record not marked as sent, and doubles none.
"""

import itertools
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.tracking import outbox, records
from pipeline.tracking.address import TrackingError
from pipeline.tracking.outbox import RECORDS, Box
from pipeline.tracking.records import End, Point, Start, Values
from pipeline.tracking.service import FAILURE_TAG, Refused, Service

log = logging.getLogger(__name__)

IDLE_SECONDS = 15.0  # between two stages DVC hashes what the first one wrote
GATHERING_SECONDS = 1.0  # after something was sent: what comes meanwhile goes together
MOST_TOGETHER = 200  # records
LONGEST_PAUSE = 30.0  # seconds between two tries to reach MLflow
GONE = ".gone-"  # before the name of a folder that is being removed
NUM_TRIES = 10  # at the lock, which a stage that looks for a sender holds for a moment


def follow(idle: float = IDLE_SECONDS) -> int:
    """Send until nothing has been there to send for `idle` seconds; the number of records sent.

    Returns at once where another process sends.
    """
    total = 0
    seen: set[Path] = set()
    for _ in range(NUM_TRIES):
        with outbox.sending() as mine:
            if mine:
                for left in outbox.unsent().glob(f"{GONE}*"):
                    shutil.rmtree(left, ignore_errors=True)
                total += Sender().until_idle(idle)
                seen = {box.folder for box in outbox.boxes()}
        # A stage that began while the lock was held counts on us.
        if mine and {box.folder for box in outbox.boxes()} <= seen:
            break
        if not mine:
            time.sleep(outbox.POLL_SECONDS)
    return total


class Sender:
    """Sends the records of all stages, in the order in which stages began.

    Args:
        service: what carries out the records of one data set.
    """

    def __init__(self, service: Callable[[str], Service] = Service) -> None:
        self._make = service
        self._services: dict[str, Service] = {}
        self._pause = 0.0
        self._next_try = 0.0

    def until_idle(self, idle: float) -> int:
        """`once`, again and again, until nothing was sent nor any stage ran for `idle` seconds."""
        total, busy = 0, time.monotonic()
        while True:
            sent = self.once()
            total += sent
            if sent or (idle and any(box.is_open() for box in outbox.boxes())):
                busy = time.monotonic()
            elif time.monotonic() - busy >= idle:
                return total
            time.sleep(min(idle, GATHERING_SECONDS if sent else outbox.POLL_SECONDS))

    def once(self) -> int:
        """Send what is there now; the number of records sent.

        While MLflow does not answer it is tried again, more and more seldom.
        """
        if time.monotonic() < self._next_try:
            return 0
        sent = 0
        for box in outbox.boxes():
            try:
                sent += self._send(box)
            except (Refused, TrackingError, OSError) as error:
                self._out_of_reach(box, str(error))
                return sent
        self._pause = 0.0
        return sent

    def _out_of_reach(self, box: Box, reason: str) -> None:
        self._pause = min(2 * self._pause + 1, LONGEST_PAUSE)
        self._next_try = time.monotonic() + self._pause
        log.warning("%s is sent later: %s", box.folder.name, reason)
        with suppress(OSError):
            (box.folder / "trouble").write_text(reason, encoding="utf-8")

    def _send(self, box: Box) -> int:
        over = not box.is_open()  # asked first: what is written after it is read is not missed
        start = end = box.sent()
        sent = 0
        for lines, curves, end in _together(box.lines(start)):
            self._apply_all(box, lines, curves)
            (box.folder / "sent").write_text(str(end))
            sent += len(lines)
        if sent:
            (box.folder / "trouble").unlink(missing_ok=True)
        if over:
            self._finish(box, torn=end < box.size())
        return sent

    def _service(self, box: Box) -> Service:
        if box.dataset not in self._services:
            self._services[box.dataset] = self._make(box.dataset)
        return self._services[box.dataset]

    def _apply_all(self, box: Box, lines: Sequence[str], curves: Sequence[Values]) -> None:
        """Records of curves go in one message a run; one by one if one is refused, as all others.

        Args:
            curves: what `lines` hold if they are of curves alone, else nothing.
        """
        if len(curves) > 1:
            service = self._service(box)
            try:
                for record in _merged(curves):
                    service.apply(record, box.folder)
                return
            except Refused as error:
                if not error.lasting:
                    raise
        for line in lines:
            self._apply(box, line)

    def _apply(self, box: Box, line: str) -> None:
        service = self._service(box)
        try:
            record = records.from_line(line)
        except ValueError as error:
            _refuse(box, str(error))
            return
        try:
            service.apply(record, box.folder)
        except Refused as error:
            if not error.lasting:
                raise
            _refuse(box, f"{line[:80]}: {error}")

    def _finish(self, box: Box, torn: bool) -> None:
        """End what a killed stage left running, and remove the folder."""
        if torn:
            _refuse(box, "the last line, cut off when its stage was killed")
        for run in _left_running(box):
            since = (box.folder / RECORDS).stat().st_mtime_ns // 1_000_000
            tags = {FAILURE_TAG: "its process was killed"}
            for record in (Values(run, tags=tags), End(run, "KILLED", since)):
                self._apply(box, records.to_line(record))
        if (box.folder / "refused").exists():
            aside = box.folder.rename(box.folder.with_name(f"refused-{box.folder.name}"))
            log.warning("MLflow refused some records, kept in %s", aside)
        else:
            shutil.rmtree(box.folder.rename(box.folder.with_name(f"{GONE}{box.folder.name}")))


def _together(
    lines: Iterable[tuple[str, int]],
) -> Iterator[tuple[list[str], list[Values], int]]:
    """Lines that may go together, in their order; their curves, if any; where the last one ends."""
    read = ((line, _curves(line), end) for line, end in lines)
    for (alike, _), group in itertools.groupby(
        enumerate(read), lambda one: (one[1][1] is not None, one[0] // MOST_TOGETHER)
    ):
        found = [one for _, one in group]
        if alike:
            curves = [one for _, one, _ in found if one is not None]
            yield [line for line, _, _ in found], curves, found[-1][-1]
        else:
            yield from (([line], [], end) for line, _, end in found)


def _curves(line: str) -> Values | None:
    """The record, if it adds points to curves and nothing else."""
    with suppress(ValueError):
        record = records.from_line(line)
        if isinstance(record, Values) and record.points and not record.params and not record.tags:
            return record
    return None


def _merged(curves: Iterable[Values]) -> Iterator[Values]:
    """All of them as one record a run."""
    points: dict[str, list[Point]] = {}
    for one in curves:
        points.setdefault(one.run, []).extend(one.points)
    yield from (Values(run, tuple(found)) for run, found in points.items())


def _left_running(box: Box) -> list[str]:
    """The runs a box began and did not end, the last begun first."""
    running: dict[str, None] = {}
    for line, _ in box.lines(0):
        with suppress(ValueError):
            match records.from_line(line):
                case Start(run=run):
                    running[run] = None
                case End(run=run):
                    running.pop(run, None)
    return list(running)[::-1]


def _refuse(box: Box, reason: str) -> None:
    log.warning("MLflow refused of %s: %s", box.folder.name, reason)
    with (box.folder / "refused").open("a", encoding="utf-8") as file:
        file.write(json.dumps(reason) + "\n")
