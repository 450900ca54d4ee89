"""What was measured, and what follows from it; no measuring here."""

import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("tensorflow", "keras", "numpy", "distributed", "optuna", "mlflow", "dvc")
MIN_SEEDS = 3
SPREADS = 2.0
"""Means of losses are the same if they differ by less than so many standard deviations of seeds."""


@dataclass(frozen=True)
class Measured:
    """One row's rounds.

    Attributes:
        name: of the row.
        notebook, ours: one number a round in `unit`, less being better; no notebook for what a
            notebook does not have.
        unit: "s" of the whole work, "s/image", or "MB".
        notebook_losses, ours_losses: final validation loss of each round, a seed a round.
        load: mean number of runnable processes on the machine, at the start and at the end.
        when: day of the measurement, UTC.
        quick: smaller work and fewer rounds than the row asks for.
        shrink: what the amount of work was divided by.
        machine: the kind of machine: processor, cores, memory.
        software: system, Python and the packages that decide speed.
        remark: what else was seen, in a few words.
        parts: what the mean over the rounds is made of, in `unit`, in order of time.
    """

    name: str
    unit: str
    ours: list[float]
    notebook: list[float] = field(default_factory=list)
    ours_losses: list[float] = field(default_factory=list)
    notebook_losses: list[float] = field(default_factory=list)
    load: tuple[float, float] = (math.nan, math.nan)
    when: str = ""
    quick: bool = False
    shrink: int = 1
    machine: str = ""
    software: str = ""
    remark: str = ""
    parts: dict[str, float] = field(default_factory=dict)

    def ratio(self) -> float:
        """How many times as much as the notebook: the median of the rounds' ratios."""
        return statistics.median(ratios(self.notebook, self.ours))

    def middle(self) -> float:
        """The median of our own numbers."""
        return statistics.median(self.ours)

    def same_loss(self) -> bool | None:
        """Whether both learn equally well; None where nothing is learned or seeds are too few."""
        if min(len(self.ours_losses), len(self.notebook_losses)) < MIN_SEEDS:
            return None
        return same(self.notebook_losses, self.ours_losses)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Measured":
        """What `to_json` gave."""
        return cls(**{**document, "load": tuple(document["load"])})


def ratios(notebook: Sequence[float], ours: Sequence[float]) -> list[float]:
    """The notebook's number over ours, round by round: noise that lasts a round cancels."""
    return [theirs / own for theirs, own in zip(notebook, ours, strict=True)]


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two means differ by no more than the spread of seeds (pooled, `SPREADS` times)."""
    pooled = math.sqrt((statistics.variance(one) + statistics.variance(other)) / 2)
    difference = abs(statistics.mean(one) - statistics.mean(other))
    rounding = 1e-4 * abs(statistics.mean(one))  # equal nets on both sides have no spread
    return difference <= max(SPREADS * pooled, rounding)


def machine() -> str:
    """The kind of this machine: processor, cores, memory."""
    return f"{_processor()}, {os.cpu_count()} cores, {_memory()} GiB"


def software() -> str:
    """System, Python and the packages that decide speed."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    system = f"{platform.system()} {platform.release()}, no GPU"
    return f"{system}. Python {platform.python_version()}, {versions}"


def _processor(path: Path = Path("/proc/cpuinfo")) -> str:
    if not path.exists():
        return platform.processor() or platform.machine()
    fields: dict[str, str] = {}
    for row in path.read_text(encoding="utf-8").splitlines():
        key, _, value = row.partition(":")
        fields.setdefault(key.strip(), value.strip())
    name = fields.get("model name", platform.machine())
    return f"{name} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')})"


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def load_average() -> float:
    """Runnable processes, averaged over the last minute."""
    return round(os.getloadavg()[0], 1)


def today() -> str:
    """The day, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d")
