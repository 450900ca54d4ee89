"""Train one model once for each of its seeds: `python -m pipeline.stages.train MODEL`."""

import argparse
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import models, quiet, tracking
from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.data.prepared import Manifest, Prepared
from pipeline.files import replacing, write_json
from pipeline.params import Params
from pipeline.stages import cli, registered
from pipeline.tracking import told
from pipeline.training import checks, finished, workers
from pipeline.training.task import FitResult, FitTask

EQUAL_COST_PATIENCE = 5


def main(arguments: argparse.Namespace) -> None:
    """Fit every seed, write the models and curves, log all of it."""
    params = parameters.load(arguments.params)
    if not getattr(params.enabled, arguments.model):
        _leave_out(arguments)
        return
    data = prepared.read(arguments.data)
    if arguments.model == "ensemble":
        _combine(arguments, params, data)
        return
    given, params = params, registered.fetched(params, arguments.model)
    checks.check(params, arguments.model, data.manifest.image_shape, data.manifest.num_classes)
    workers.prepare(params.workers)
    tasks = plan(params, arguments.model, arguments.data, data.manifest)
    sections = ("seed", "train", f"models.{arguments.model}")
    stage = f"train@{arguments.model}"
    with tracking.stage_run(given, stage, data.manifest.dataset, sections) as run:
        run.log_dataset(data.manifest)
        with told.Live(run, arguments.model, [task.seed for task in tasks]) as live:
            results = _fitted(params, arguments.model, tasks, live)
        finished.require_success(results)
        _write(arguments, results)
        told.trained(run, arguments.model, data, results)
        saved = _best(arguments, results)
        told.model(run, saved, arguments.model, data.manifest, _curves(arguments))
    finished.discard_checkpoints(tasks)


def _leave_out(arguments: argparse.Namespace) -> None:
    """Write that there is no fit of this model, which is not enabled."""
    print(f"{arguments.model}: nothing to train, for enabled.{arguments.model} is false")
    _write_curves(arguments, pd.DataFrame(columns=["seed", "epoch", "split"]))
    with replacing(arguments.models / arguments.model) as folder:
        folder.mkdir()
        write_json(folder / "fits.json", [])


def plan(params: Params, model: str, data: Path, manifest: Manifest) -> list[FitTask]:
    """One task for each seed of `model`."""
    train = params.train_for(model)
    first = FitTask(
        model=model,
        section=getattr(params.models, model),
        train=train,
        seed=train.seeds[0],
        data=data.resolve(),
        data_hash=manifest.content_hash,
        smoothing=params.evaluate.smoothing,
        keep_weights=True,
        checkpoints=cli.root() / ".checkpoints",
    )
    return [replace(first, seed=seed) for seed in train.seeds]


def _fitted(params: Params, model: str, tasks: list[FitTask], live: told.Live) -> list[FitResult]:
    found: dict[int, FitResult] = {}
    importing = threading.Thread(target=told.prepare, daemon=True)
    with workers.pool(params.workers) as pool:
        for index, result in pool.run(tasks, model, live.epoch):
            found[index] = result
            live.finished(result)
            if len(found) == len(tasks) - 1:  # the last fit leaves a core for what comes next
                importing.start()
    if importing.ident is not None:
        importing.join()  # two threads that import the same modules at once get unfinished ones
    return [found[index] for index in sorted(found)]


def _write(arguments: argparse.Namespace, results: list[FitResult]) -> None:
    _write_curves(arguments, pd.concat([result.history.curves for result in results]))
    with replacing(arguments.models / arguments.model) as folder:
        folder.mkdir()
        for result in results:
            start = f"seed-{result.seed}"
            (folder / f"{start}.best.keras").write_bytes(result.best or b"")
            np.savez(folder / f"{start}.per_image.npz", **vars(result.history.per_image))
        write_json(folder / "fits.json", [_facts(result) for result in results])


def _write_curves(arguments: argparse.Namespace, table: pd.DataFrame) -> None:
    with replacing(_curves(arguments)) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g")


def _curves(arguments: argparse.Namespace) -> Path:
    return Path(arguments.results, "curves", f"{arguments.model}.csv")


def _best(arguments: argparse.Namespace, results: list[FitResult]) -> Path:
    """The model of the seed that did best on validation, by calibrated loss."""
    best = min(results, key=_calibrated_loss)
    folder: Path = arguments.models / arguments.model
    return folder / f"seed-{best.seed}.best.keras"


def _calibrated_loss(result: FitResult) -> float:
    curve = result.history.series("val", "calibrated_loss")
    return float(curve[result.best_epoch - 1])


def _facts(result: FitResult) -> dict[str, float]:
    facts = ("seed", "best_epoch", "num_parameters", "temperature")
    return {name: getattr(result, name) for name in facts}


def _combine(arguments: argparse.Namespace, params: Params, data: Prepared) -> None:
    from pipeline.training import ensembling

    sections = ("models.ensemble",)
    with tracking.stage_run(params, "train@ensemble", data.manifest.dataset, sections) as run:
        run.log_dataset(data.manifest)
        num_parameters = ensembling.num_parameters(params, arguments.models)
        quiet.tensorflow()  # here, and not in two threads at once
        with ThreadPoolExecutor(1) as aside:
            fitted = aside.submit(_equal_cost, arguments, params, data, num_parameters)
            made = ensembling.combine(params, arguments.models, data)
        single = fitted.result()
        _write_curves(arguments, made.curves)
        with replacing(arguments.models / "ensemble") as folder:
            folder.mkdir()
            (folder / "seed-0.best.keras").write_bytes(made.model)
            if single:
                (folder / "equal_cost.keras").write_bytes(single.best or b"")
            write_json(folder / "fits.json", made.facts)
        run.log_curves(made.curves)
        told.classes(run, data, made.probabilities)
        saved = arguments.models / "ensemble" / "seed-0.best.keras"
        told.model(run, saved, "ensemble", data.manifest, _curves(arguments))


def _equal_cost(
    arguments: argparse.Namespace, params: Params, data: Prepared, num_parameters: int
) -> FitResult | None:
    """One fit of the base model, as wide as all members together; None where that is not asked.

    It stops `EQUAL_COST_PATIENCE` epochs after its best one, for only that one counts.
    """
    base = params.models.ensemble.base
    section = getattr(params.models, base)
    if not params.models.ensemble.equal_cost or base == "efficientnet":
        return None
    shape, num_classes = data.manifest.image_shape, data.manifest.num_classes
    width = models.equal_cost_width(base, section, shape, num_classes, num_parameters)
    first = plan(params, base, arguments.data, data.manifest)[0]
    task = replace(
        first,
        section=section.model_copy(update={"width": width}),
        train=first.train.model_copy(update={"early_stopping": EQUAL_COST_PATIENCE}),
    )
    with workers.pool(params.workers.model_copy(update={"count": 1})) as pool:
        [(_, result)] = pool.run([task], f"{base} as large as the ensemble")
    finished.discard_checkpoints([task])
    return result


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Train one model once for each of its seeds.")
    known: Any = list(parameters.Models.model_fields)
    parser.add_argument("model", choices=known, help="a key of models in params.yaml")
    cli.add_folders(parser, "data", "models", "results")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
