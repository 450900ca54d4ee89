"""Many settings, worker processes side by side: what is there is skipped, the rest is made."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.truth import stored
from benchmarks.truth.settings import DATASETS, Part, setting

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
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    with ProcessPoolExecutor(
        order.workers, get_context("spawn"), _begin, (DATASETS[order.part], order.data)
    ) as pool:
        jobs = [pool.submit(_make_one, order.part, number, order.folder) for number in missing]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)


_data: list[object] = []
"""The images of this worker process, read once."""


def _begin(dataset: str, source: Path | None) -> None:
    from benchmarks.truth import images

    _data.append(images.read(dataset, source))


def _make_one(part: Part, number: int, folder: Path) -> tuple[int, float]:
    from benchmarks.truth import fits
    from benchmarks.truth.images import Images

    (data,) = _data
    assert isinstance(data, Images)
    begin = time.monotonic()
    stored.write(stored.path(folder, part, number), fits.fit(setting(part, number), data))
    return number, time.monotonic() - begin
