"""Finished fits: kept, so that judging them anew costs no training; and what they leave behind."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.scoring.fits import Fit, PerImage
from pipeline.training import checkpoints
from pipeline.training.task import FitError, FitResult, FitTask

Fitted = Callable[[Sequence[FitTask]], Iterable[tuple[int, FitResult]]]
"""Runs fits side by side; gives each one's index and result, in the order in which they finish."""

FACTS = (
    "seed", "best_epoch", "seconds", "num_parameters", "temperature", "failed", "num_traces",
)  # fmt: skip
WEIGHTS = "best", "last"
CURVES, PER_IMAGE = "curves/", "per_image/"


@dataclass(frozen=True)
class Kept:
    """The finished fits of one study, a file each, named by all that decides their numbers.

    So another threshold, sentence or colour never re-runs a fit, and a variant or a point more fits
    what is new alone. Numbers are the same to the bit.

    Attributes:
        folder: theirs alone; whoever deletes it has all fits run anew.
    """

    folder: Path

    def run(self, tasks: Sequence[FitTask], fitted: Fitted) -> Iterator[tuple[int, FitResult]]:
        """Each task's index and result: the kept ones first, then those that `fitted` gives."""
        missing = []
        for index, task in enumerate(tasks):
            found = checkpoints.read(self._path(task), _restored)
            if found is None:
                missing.append(index)
            else:
                yield index, found
        if not missing:
            return
        for place, result in fitted([tasks[index] for index in missing]):
            checkpoints.write(_arrays(result), self._path(tasks[missing[place]]))
            yield missing[place], result

    def lacks(self, tasks: Iterable[FitTask]) -> bool:
        """Whether any of `tasks` is still to be fitted."""
        return not all(self._path(task).exists() for task in tasks)

    def arrays(
        self, of: Sequence[FitTask], make: Callable[[], Mapping[str, np.ndarray]], how: object = ""
    ) -> dict[str, np.ndarray]:
        """What `make` makes of the fits `of`, such as what they predict, made once and kept.

        Args:
            how: what else decides the arrays, with a `repr` that names it whole.
        """
        path = self.folder / f"{_name(of)}.{_digest(repr(how))}.npz"
        found = checkpoints.read(path, dict)
        if found is None:
            found = dict(make())
            checkpoints.write(found, path)
        return found

    def discard_others(self, *kept: Sequence[FitTask]) -> None:
        """Remove all fits but those of `kept`, and all arrays but those of one of its sequences."""
        named = {task.key() for tasks in kept for task in tasks} | set(map(_name, kept))
        for path in self.folder.glob("*.npz"):
            if path.name.partition(".")[0] not in named:
                path.unlink(missing_ok=True)

    def _path(self, task: FitTask) -> Path:
        return self.folder / f"{task.key()}.npz"


def _name(tasks: Sequence[FitTask]) -> str:
    return f"of-{_digest(' '.join(task.key() for task in tasks))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _arrays(result: FitResult) -> dict[str, np.ndarray]:
    history = result.history
    arrays = {f"{CURVES}{name}": _plain(history.curves[name]) for name in history.curves}
    if history.per_image is not None:
        known = {name: one for name, one in vars(history.per_image).items() if one is not None}
        arrays |= {f"{PER_IMAGE}{name}": one for name, one in known.items()}
    for name in WEIGHTS:
        if (saved := getattr(result, name)) is not None:
            arrays[name] = np.frombuffer(saved, np.uint8)
    facts = {name: getattr(result, name) for name in FACTS}
    return {**arrays, "probabilities": result.probabilities, "facts": np.array(json.dumps(facts))}


def _plain(column: pd.Series) -> np.ndarray:
    numeric = pd.api.types.is_numeric_dtype(column)
    return column.to_numpy() if numeric else np.array(column.tolist(), np.str_)


def _restored(arrays: Mapping[str, np.ndarray]) -> FitResult:
    def under(start: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(start): arrays[name] for name in arrays if name.startswith(start)}

    facts = json.loads(str(arrays["facts"]))
    curves = {
        name: one if one.dtype.kind != "U" else one.tolist() for name, one in under(CURVES).items()
    }
    per_image = under(PER_IMAGE)
    history = Fit(
        curves=pd.DataFrame(curves),
        per_image=PerImage(**per_image) if per_image else None,
        seed=facts["seed"],
    )
    weights: dict[str, Any] = {name: arrays[name].tobytes() for name in WEIGHTS if name in arrays}
    return FitResult(history=history, probabilities=arrays["probabilities"], **facts, **weights)


def discard_checkpoints(tasks: Sequence[FitTask]) -> None:
    """Remove the checkpoints of finished `tasks`, once their results stand elsewhere."""
    for task in tasks:
        if path := task.checkpoint:
            path.unlink(missing_ok=True)


def require_success(results: Sequence[FitResult]) -> None:
    """Raise `FitError` naming every fit that broke down, the epoch, and what usually helps."""
    broken = [f"seed {result.seed}, {result.failed}" for result in results if result.failed]
    if broken:
        raise FitError(
            f"{len(broken)} of {len(results)} fits broke down ({'; '.join(broken)}): "
            "lower train.learning_rate, or check the images and the schedule."
        )
