"""The Optuna study that looks for the best fit of a model: `python -m pipeline.stages.search`.

It follows the validation loss and prunes, and goes on where a killed run left it. The stage `tuned`
trains what it found; where a model overfits is another study's question (`tune`).
"""

import argparse
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pipeline import params as parameters
from pipeline import tracking
from pipeline.data import prepared
from pipeline.files import write_json
from pipeline.stages import cli, registered, trials
from pipeline.studies import searched
from pipeline.studies.importance import importance_table
from pipeline.studies.plan import Plan
from pipeline.studies.running import VALUE
from pipeline.studies.scoring import score_searched
from pipeline.training import workers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTIONS = ("seed", "tune", "train")
WINNER = "winner.json"
"""What was found best, for the stage `tuned`; empty where nothing was searched."""


def main(arguments: argparse.Namespace) -> None:
    """Run or resume the search, write its tables, log every trial."""
    given = parameters.load(arguments.params)
    if not given.tune.search_trials:
        print("search: tune.search_trials is 0, so nothing is searched", flush=True)
        write_json(arguments.out / WINNER, {})
        return
    params = registered.fetched(given, given.tune.model)
    manifest = prepared.read_manifest(arguments.data)
    plan = Plan(params, arguments.data, manifest)
    trials.check(plan)
    kept = trials.kept("search")
    workers.prepare(params.workers)
    sections = (*SECTIONS, f"models.{plan.tune.model}")
    score = partial(score_searched, value=VALUE["search"], smoothing=params.evaluate.smoothing)
    with tracking.stage_run(given, "search", manifest.dataset, sections) as run:
        run.log_dataset(manifest)
        with ExitStack() as stack:
            fitted = trials.on_demand(plan, kept, stack)
            found = trials.worked_off(plan, "search", fitted, score, run)
        kept.discard_others([task for one in found for task in plan.tasks(one.params, "search")])
        tables = {
            "search": searched.search_table(found),
            "importance": importance_table(found, "val_loss", params.seed),
        }
        trials.write(arguments.out, tables)
        write_json(arguments.out / WINNER, searched.winner(plan, found))
        for name, table in tables.items():
            run.log_table(table, f"{name}.csv")
        for name, draw in _figures(tables).items():
            run.log_figure(draw(), name)


def _figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Callable[[], "Figure"]]:
    from pipeline.plots import studies

    figures: dict[str, Callable[[], Figure]] = {
        "pareto.png": lambda: studies.pareto(tables["search"], "en")
    }
    if len(ranked := tables["importance"]):
        figures["importance_val_loss.png"] = lambda: studies.importances(ranked, "en", "val_loss")
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Find which fit of a model is best.")
    cli.add_folders(parser, "data")
    parser.add_argument(
        "--out", type=Path, default=Path("results/search"), help="folder for tables"
    )
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
