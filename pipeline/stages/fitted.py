"""All seeds of one model: fitted side by side, told to MLflow as they run, and kept on disk."""

import argparse
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import tracking
from pipeline.data.prepared import Manifest, Prepared
from pipeline.files import FITS, replacing, write_json
from pipeline.params import Params, Regularised, Train, Workers
from pipeline.stages import cli
from pipeline.tracking import told
from pipeline.training import finished, workers
from pipeline.training.task import FitResult, FitTask


def tasks(
    params: Params, model: str, settings: tuple[Regularised, Train], data: Path, manifest: Manifest
) -> list[FitTask]:
    """One task for each seed of `settings`, the section of `model` and its training."""
    section, train = settings
    first = FitTask(
        model=model,
        section=section,
        train=train,
        seed=train.seeds[0],
        data=data.resolve(),
        data_hash=manifest.content_hash,
        smoothing=params.evaluate.smoothing,
        keep_weights=True,
        checkpoints=cli.root() / ".checkpoints",
    )
    return [replace(first, seed=seed) for seed in train.seeds]


def fit(
    run: tracking.Run,
    asked: list[FitTask],
    name: str,
    data: Prepared,
    arguments: argparse.Namespace,
    spread: Workers,
) -> None:
    """Fit every task, and leave the models, the curves and what MLflow is to know of them.

    Args:
        name: what this model is called in every table.
        arguments: of the stage: folders `models` and `results`.
        spread: where the fits run.
    """
    with told.Live(run, name, [task.seed for task in asked]) as live:
        results = _fitted(spread, name, asked, live)
    finished.require_success(results)
    folder, curves = arguments.models / name, curves_file(arguments, name)
    _write(folder, curves, results)
    told.trained(run, name, data, results)
    told.model(run, _best(folder, results), name, data.manifest, curves)


def write_nothing(arguments: argparse.Namespace, name: str) -> None:
    """Leave what says that there is no fit of this model, which was not to be trained."""
    empty = pd.DataFrame(columns=["seed", "epoch", "split"])
    write_curves(curves_file(arguments, name), empty)
    with replacing(arguments.models / name) as folder:
        folder.mkdir()
        write_json(folder / FITS, [])


def curves_file(arguments: argparse.Namespace, name: str) -> Path:
    """Where the learning curves of a model lie."""
    return Path(arguments.results, "curves", f"{name}.csv")


def write_curves(path: Path, table: pd.DataFrame) -> None:
    """One row an epoch, split and seed."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g")


def _fitted(spread: Workers, name: str, asked: list[FitTask], live: told.Live) -> list[FitResult]:
    found: dict[int, FitResult] = {}
    importing = threading.Thread(target=told.prepare, daemon=True)
    with workers.pool(spread) as pool:
        for index, result in pool.run(asked, name, live.epoch):
            found[index] = result
            live.finished(result)
            if len(found) == len(asked) - 1:  # the last fit leaves a core for what comes next
                importing.start()
    if importing.ident is not None:
        importing.join()  # two threads that import the same modules at once get unfinished ones
    return [found[index] for index in sorted(found)]


def _write(folder: Path, curves: Path, results: list[FitResult]) -> None:
    write_curves(curves, pd.concat([result.history.curves for result in results]))
    with replacing(folder) as temporary:
        temporary.mkdir()
        for result in results:
            start = f"seed-{result.seed}"
            (temporary / f"{start}.best.keras").write_bytes(result.best or b"")
            np.savez(temporary / f"{start}.per_image.npz", **vars(result.history.per_image))
        write_json(temporary / FITS, [_facts(result) for result in results])


def _best(folder: Path, results: list[FitResult]) -> Path:
    """The model of the seed that did best on validation, by calibrated loss."""
    best = min(results, key=_calibrated_loss)
    return folder / f"seed-{best.seed}.best.keras"


def _calibrated_loss(result: FitResult) -> float:
    curve = result.history.series("val", "calibrated_loss")
    return float(curve[result.best_epoch - 1])


def _facts(result: FitResult) -> dict[str, float]:
    facts = ("seed", "best_epoch", "num_parameters", "temperature")
    return {name: getattr(result, name) for name in facts}
