"""Train one model once for each of its seeds: `python -m pipeline.stages.train MODEL`."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import params as parameters
from pipeline import tracking
from pipeline.data import prepared
from pipeline.files import replacing, write_json
from pipeline.params import Params
from pipeline.stages import cli
from pipeline.training import checks, fitting, workers
from pipeline.training.task import FitResult, FitTask


def main(arguments: argparse.Namespace) -> None:
    """Fit every seed, write the models and curves, log all of it."""
    params = parameters.load(arguments.params)
    manifest = prepared.read(arguments.data).manifest
    checks.combination(params, arguments.model, manifest.image_shape, manifest.num_classes)
    tasks = plan(params, arguments.model, arguments.data, manifest.content_hash)
    sections = ("seed", "train", f"models.{arguments.model}")
    stage = f"train@{arguments.model}"
    with tracking.stage_run(params, stage, manifest, sections) as run:
        results = _fitted(params, arguments.model, tasks)
        _write(arguments, tasks, results)
        _log(run, arguments, results)
        fitting.require_success(results)
    fitting.discard_checkpoints(tasks)


def plan(params: Params, model: str, data: Path, data_hash: str) -> list[FitTask]:
    """One task for each seed of `model`."""
    train = params.train_for(model)
    first = FitTask(
        model=model,
        section=getattr(params.models, model),
        train=train,
        seed=train.seeds[0],
        data=data.resolve(),
        data_hash=data_hash,
        smoothing=params.evaluate.smoothing,
        keep_weights=True,
        checkpoints=cli.root() / ".checkpoints",
    )
    return [replace(first, seed=seed) for seed in train.seeds]


def _fitted(params: Params, model: str, tasks: list[FitTask]) -> list[FitResult]:
    with workers.pool(params.workers) as pool:
        found = dict(pool.run(tasks, model))
    return [found[index] for index in sorted(found)]


def _write(arguments: argparse.Namespace, results: list[FitResult]) -> None:
    curves = pd.concat([result.history.curves for result in results])
    with replacing(arguments.curves) as temporary:
        curves.to_csv(temporary, index=False, float_format="%.9g")
    with replacing(arguments.out) as folder:
        folder.mkdir()
        for result in results:
            start = f"seed-{result.seed}"
            (folder / f"{start}.best.keras").write_bytes(result.best or b"")
            (folder / f"{start}.last.keras").write_bytes(result.last or b"")
            arrays = {key: value for key, value in vars(result.history.per_image).items()}
            np.savez(folder / f"{start}.per_image.npz", **arrays)
        facts = [_facts(result) for result in results]
        write_json(folder / "fits.json", facts)


def _facts(result: FitResult) -> dict[str, int]:
    return {
        "seed": result.seed,
        "best_epoch": result.best_epoch,
        "num_parameters": result.num_parameters,
    }
