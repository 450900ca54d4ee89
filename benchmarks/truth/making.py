"""Many settings, worker processes side by side: what is there is skipped, the rest is made."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.truth import stored
from benchmarks.truth.settings import DATASETS, Part, Setting, setting

if TYPE_CHECKING:
    from benchmarks.truth.images import Images

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Said to workers before they import numpy: fits side by side, each on one thread."""


@dataclass(frozen=True)
class Order:
    """Which settings of a part are wanted, from which images, kept where."""

    part: Part
    numbers: Sequence[int]
    data: Path | None
    folder: Path = stored.FOLDER
    workers: int = 2

    @property
    def missing(self) -> list[int]:
        """The numbers that are not kept yet."""
        kept = set(stored.paths(self.folder, self.part))
        return [n for n in self.numbers if stored.path(self.folder, self.part, n) not in kept]


def make(order: Order, say: Callable[[str], None]) -> None:
    """Fit and keep what is missing of `order`; `say` is given a line after each setting."""
    missing, begin = order.missing, time.monotonic()
    say(f"{order.part}: {len(order.numbers) - len(missing)} there, {len(missing)} to make")
    for done, (number, seconds) in enumerate(_made(order, missing), start=1):
        left = (time.monotonic() - begin) / done * (len(missing) - done)
        size = stored.path(order.folder, order.part, number).stat().st_size / 1e6
        what = f"{order.part} {number}: {seconds:.1f} s, {size:.2f} MB"
        say(f"{what}; {done} of {len(missing)}, about {left / 60:.0f} minutes left")


def _made(order: Order, missing: Sequence[int]) -> Iterator[tuple[int, float]]:
    if not missing:
        return
    with pool(order.workers, _begin, order.part, order.data) as workers:
        jobs = [workers.submit(_make_one, order.part, number, order.folder) for number in missing]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            workers.shutdown(cancel_futures=True)


def pool(
    workers: int, begin: Callable[..., None] | None = None, *arguments: Any
) -> ProcessPoolExecutor:
    """Worker processes of one thread each; each begins by `begin(*arguments)`."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    return ProcessPoolExecutor(workers, get_context("spawn"), begin, arguments)


_of: list[Callable[[int], tuple[Setting, "Images"]]] = []
"""What gives the setting of a number, and its images, in this worker process."""


def _begin(part: Part, source: Path | None) -> None:
    from benchmarks.truth import images, transfer

    if part == "transfer":
        assert source is not None  # refused on the command line

        def of(number: int) -> tuple[Setting, "Images"]:
            made = transfer.setting(number)
            return made, transfer.images_of(made.kind, source)
    else:
        data = images.read(DATASETS[part], source)

        def of(number: int) -> tuple[Setting, "Images"]:
            return setting(part, number), data

    _of.append(of)


def _make_one(part: Part, number: int, folder: Path) -> tuple[int, float]:
    from benchmarks.truth import fits

    begin = time.monotonic()
    stored.write(stored.path(folder, part, number), fits.fit(*_of[0](number)))
    return number, time.monotonic() - begin
