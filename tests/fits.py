"""A small fit that tests of training begin with."""

from pathlib import Path
from typing import Any

from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.training.task import FitTask


def dense_task(
    folder: Path, epochs: int, seed: int = 0, keep_weights: bool = False, **dense: Any
) -> FitTask:
    """A dense net on the prepared data in `folder`; `dense` are keys of `models.dense`."""
    params = parameters.parse({"models": {"dense": dense}, "train": {"epochs": epochs}})
    return FitTask(
        model="dense",
        section=params.models.dense,
        train=params.train,
        seed=seed,
        data=folder,
        data_hash=prepared.read_manifest(folder).content_hash,
        keep_weights=keep_weights,
    )
