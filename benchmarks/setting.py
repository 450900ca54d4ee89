"""How a row is to be measured: how often, how large, where its files go."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measured import Measured, load_average, machine, software, today

ROUNDS, QUICK_ROUNDS = 5, 2


@dataclass(frozen=True)
class Setting:
    """How a row is to be measured.

    Attributes:
        folder: an empty one, deleted after the row.
        rounds: at least 5 for numbers that are to be believed.
        shrink: images, epochs and points are divided by this: 1, or more to try the benchmark out.
        said: told what goes on, once a round.
    """

    folder: Path
    rounds: int = ROUNDS
    shrink: int = 1
    said: Callable[[str], Any] = print

    @property
    def quick(self) -> bool:
        """Whether numbers are only to show that the benchmark runs."""
        return self.shrink > 1 or self.rounds < ROUNDS

    def smaller(self, count: int, least: int = 1) -> int:
        """`count`, divided when it is to be quick."""
        return max(least, count // self.shrink)

    def each_round(self, name: str) -> Iterator[int]:
        """The numbers of the rounds, each told as it starts."""
        for number in range(self.rounds):
            self.said(f"{name}: round {number + 1} of {self.rounds}")
            yield number

    def labelled(self, found: Measured, load: float) -> Measured:
        """`found` with day, machine, load before and after, and how much of the work it was."""
        return replace(
            found,
            load=(load, load_average()),
            when=today(),
            quick=self.quick,
            shrink=self.shrink,
            machine=machine(),
            software=software(),
        )
