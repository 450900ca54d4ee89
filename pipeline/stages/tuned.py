"""Train what the search found best: `python -m pipeline.stages.tuned`.

As the other models are trained, on the main table's split with its seeds, so that it is one more
row of every table; and once for each validation fold with a fresh seed, which shows how much the
search flattered it. Where there was no search, there is nothing to train: it says so, and leaves no
fits and an empty table.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import params as parameters
from pipeline import tracking
from pipeline.data import folds, prepared
from pipeline.data.prepared import Prepared
from pipeline.files import write_json
from pipeline.params import TUNED, Params, Regularised, Train
from pipeline.stages import cli, fitted, registered
from pipeline.studies import overtuning
from pipeline.studies.plan import Plan
from pipeline.tracking.runs import flat_params
from pipeline.training import checks, finished, workers


def main(arguments: argparse.Namespace) -> None:
    """Fit the winner, write what was found, log it."""
    given = parameters.load(arguments.params)
    winner = json.loads(arguments.winner.read_text(encoding="utf-8"))
    if not winner:
        print("tuned: the search has no winner, so there is nothing to train", flush=True)
        fitted.write_nothing(arguments, TUNED)
        write_json(_file(arguments), {})
        return
    data = prepared.read(arguments.data)
    params = registered.fetched(given, winner["model"])
    plan = Plan(params, arguments.data, data.manifest)
    settings = plan.settings(winner["parameters"])
    asked = fitted.tasks(params, winner["model"], settings, arguments.data, data.manifest)
    checks.check_fit(asked[0], data.manifest.image_shape, data.manifest.num_classes)
    workers.prepare(params.workers)
    with tracking.stage_run(given, "tuned", data.manifest.dataset, ("seed",)) as run:
        run.log_dataset(data.manifest)
        _tell_settings(run, params, winner["model"], settings)
        fitted.fit(run, asked, TUNED, data, arguments, params.workers)
        found = _overtuning(plan, winner, data)
        _tell(run, found)
        write_json(_file(arguments), found)
    finished.discard_checkpoints(asked)


def _overtuning(plan: Plan, winner: Mapping[str, Any], data: Prepared) -> dict[str, Any]:
    tasks = overtuning.fresh(plan, winner["parameters"], folds.num_folds(data))
    with workers.pool(plan.params.workers) as pool:
        results = [result for _, result in pool.run(tasks, f"{TUNED}, fresh")]
    return overtuning.overtuning(plan, winner, sorted(results, key=lambda one: one.seed))


def _tell_settings(
    run: tracking.Run, params: Params, model: str, settings: tuple[Regularised, Train]
) -> None:
    """The parameters as they were trained with, on this run and on those of its seeds."""
    section, train = settings
    models = params.models.model_copy(update={model: section})
    chosen = params.model_copy(update={"models": models, "train": train})
    known = flat_params(chosen, ("train", f"models.{model}"))
    run.log_params(known)
    run.params.update(known)


def _tell(run: tracking.Run, found: Mapping[str, Any]) -> None:
    numbers = {"search/val/loss": found["val_loss"], "fresh/val/loss": found["fresh_val_loss"]}
    numbers |= {f"overtuning/{end}": value for end, value in found["overtuning"].items()}
    run.log_metrics({name: value for name, value in numbers.items() if value is not None})


def _file(arguments: argparse.Namespace) -> Path:
    return Path(arguments.results, "overtuning.json")


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Train what the search found best.")
    cli.add_folders(parser, "data", "models", "results")
    parser.add_argument(
        "--winner", type=Path, default=Path("results/search/winner.json"), help="what `search` left"
    )
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
