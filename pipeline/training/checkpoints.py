"""A fit's state after each epoch, on disk, so that a killed fit goes on where it stopped."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np

from pipeline.files import replacing

Arrays = list[np.ndarray]
T = TypeVar("T")
GROUPS = ("variables", "slots", "best", "probabilities")


@dataclass
class State:
    """Everything the next epoch depends on, and all that was measured so far.

    Attributes:
        rows: the curves so far, one dict a row (see `Fit.curves`).
        scores: per-image scores so far, `{field of PerImage: one array an epoch}`.
        variables, slots: the model's and the optimizer's variables at the end of the last epoch.
        best: the model's variables at the best epoch.
        probabilities: of the validation images at the best epoch.
        seconds: wall time spent so far.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, Arrays] = field(default_factory=dict)
    variables: Arrays = field(default_factory=list)
    slots: Arrays = field(default_factory=list)
    best: Arrays = field(default_factory=list)
    probabilities: Arrays = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0
    failed: str | None = None

    @property
    def epoch(self) -> int:
        """The number of finished epochs."""
        return int(self.rows[-1]["epoch"]) if self.rows else 0

    def series(self, split: str, score: str) -> list[float]:
        """One score of `split` for every finished epoch."""
        return [row[score] for row in self.rows if row["split"] == split]

    @property
    def temperature(self) -> float:
        """The last epoch's; 1 before the first, and where the last one has none."""
        known = self.series("val", "temperature")
        return known[-1] if known and np.isfinite(known[-1]) else 1.0


def save(state: State, path: Path) -> None:
    """Write `state` to `path` as one file of plain arrays, whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    for group in GROUPS:
        arrays |= {f"{group}/{i}": array for i, array in enumerate(getattr(state, group))}
    arrays |= {f"scores/{name}": np.stack(epochs) for name, epochs in state.scores.items()}
    facts = {
        "rows": state.rows,
        "best_epoch": state.best_epoch,
        "seconds": state.seconds,
        "failed": state.failed,
    }
    arrays["facts"] = np.array(json.dumps(facts))
    write(arrays, path)


def load(path: Path) -> State | None:
    """The state in `path`, or None where there is none that can be read whole."""
    return read(path, _restored)


def write(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write `arrays` to `path` as one file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read(path: Path, made: Callable[[Mapping[str, np.ndarray]], T]) -> T | None:
    """What `made` makes of the arrays in `path`; None, and no file, where it is not whole."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return made(arrays)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        path.unlink(missing_ok=True)
        return None


def _restored(arrays: Mapping[str, np.ndarray]) -> State:
    state = State(**json.loads(str(arrays["facts"])))
    for group in GROUPS:
        count = sum(name.startswith(f"{group}/") for name in arrays)
        setattr(state, group, [arrays[f"{group}/{i}"] for i in range(count)])
    names = [name for name in arrays if name.startswith("scores/")]
    state.scores = {name.removeprefix("scores/"): list(arrays[name]) for name in names}
    return state
