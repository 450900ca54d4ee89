"""Train one model once for each of its seeds: `python -m pipeline.stages.train MODEL`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import models, tracking
from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.data.prepared import Manifest, Prepared
from pipeline.files import FITS, replacing, write_json
from pipeline.params import Params
from pipeline.stages import cli, fitted, registered
from pipeline.tracking import told
from pipeline.training import checks, finished, workers
from pipeline.training.aside import Aside
from pipeline.training.task import FitResult, FitTask

EQUAL_COST_PATIENCE = 5


def main(arguments: argparse.Namespace) -> None:
    """Fit every seed, write the models and curves, log all of it."""
    params = parameters.load(arguments.params)
    if not getattr(params.enabled, arguments.model):
        print(f"{arguments.model}: nothing to train, for enabled.{arguments.model} is false")
        fitted.write_nothing(arguments, arguments.model)
        return
    data = prepared.read(arguments.data)
    if arguments.model == "ensemble":
        _combine(arguments, params, data)
        return
    given, params = params, registered.fetched(params, arguments.model)
    checks.check(params, arguments.model, data.manifest.image_shape, data.manifest.num_classes)
    workers.prepare(params.workers)
    tasks = _tasks(params, arguments.model, arguments.data, data.manifest)
    sections = ("seed", "train", f"models.{arguments.model}")
    stage = f"train@{arguments.model}"
    with tracking.stage_run(given, stage, data.manifest.dataset, sections) as run:
        run.log_dataset(data.manifest)
        fitted.fit(run, tasks, arguments.model, data, arguments, params.workers)
    finished.discard_checkpoints(tasks)


def _tasks(params: Params, model: str, data: Path, manifest: Manifest) -> list[FitTask]:
    settings = getattr(params.models, model), params.train_for(model)
    return fitted.tasks(params, model, settings, data, manifest)


def _combine(arguments: argparse.Namespace, params: Params, data: Prepared) -> None:
    from pipeline.training import ensembling

    sections = ("models.ensemble",)
    with tracking.stage_run(params, "train@ensemble", data.manifest.dataset, sections) as run:
        run.log_dataset(data.manifest)
        num_parameters = ensembling.num_parameters(params, arguments.models)
        with Aside(params.workers.count) as aside:
            combined = aside.call(ensembling.combine, params, arguments.models, arguments.data)
            single = _equal_cost(arguments, params, data, num_parameters)
            made = combined.result()
        curves = fitted.curves_file(arguments, "ensemble")
        fitted.write_curves(curves, made.curves)
        with replacing(arguments.models / "ensemble") as folder:
            folder.mkdir()
            (folder / "seed-0.best.keras").write_bytes(made.model)
            if single:
                (folder / "equal_cost.keras").write_bytes(single.best or b"")
            write_json(folder / FITS, made.facts)
        run.log_curves(made.curves)
        told.classes(run, data, made.probabilities)
        saved = arguments.models / "ensemble" / "seed-0.best.keras"
        told.model(run, saved, "ensemble", data.manifest, curves)


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
    first = _tasks(params, base, arguments.data, data.manifest)[0]
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
