"""The Optuna study that maps where a model overfits: `python -m pipeline.stages.tune`.

The map is laid out evenly and stops no fit; it goes on where a killed run left it.
"""

import argparse
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from overfit_atlas.gap_map.overfit_map import MIN_POINTS
from pipeline import params as parameters
from pipeline import tracking
from pipeline.data import prepared
from pipeline.files import write_json
from pipeline.params import ParamsError
from pipeline.stages import cli, registered, trials
from pipeline.studies import judged, ruling, telling
from pipeline.studies.outcome import Outcome, outcome
from pipeline.studies.plan import Plan
from pipeline.studies.running import VALUE
from pipeline.training import workers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTIONS = ("seed", "tune", "train", "evaluate")
SHOWN = ("gap_map.png", "kinds_map.png", "frontiers.png", "onset_map.png")
"""Figures that stand beside the study in Optuna's dashboard."""


def main(arguments: argparse.Namespace) -> None:
    """Run or resume the map, write its tables, log every trial."""
    given = parameters.load(arguments.params)
    if not given.tune.map:
        print("tune: tune.map is false, so there is no map", flush=True)
        arguments.out.mkdir(parents=True, exist_ok=True)
        return
    params = registered.fetched(given, given.tune.model)
    manifest = prepared.read_manifest(arguments.data)
    plan = Plan(params, arguments.data, manifest)
    check(plan)
    kept = trials.kept("map")
    laid_out = [task for point in plan.design() for task in plan.tasks(point)]
    if kept.lacks(laid_out):
        workers.prepare(params.workers)
    score = partial(
        judged.score_point,
        budgets=plan.budgets("map"),
        value=VALUE["map"],
        rules=params.evaluate.rules,
        facts=ruling.facts(plan),
    )
    sections = (*SECTIONS, f"models.{plan.tune.model}")
    with tracking.stage_run(given, "tune", manifest.dataset, sections) as run:
        run.log_dataset(manifest)
        with ExitStack() as stack:
            fitted = trials.on_demand(plan, kept, stack)
            found = outcome(plan, trials.worked_off(plan, "map", fitted, score, run))
        kept.discard_others(laid_out)
        tables = _named(plan, found)
        trials.write(arguments.out, tables)
        write_json(arguments.out / "summary.json", found.summary)
        figures = {name: draw() for name, draw in _figures(plan, found).items()}
        _present(plan, found, figures)
        run.log_file(arguments.out / "summary.json")
        _log(run, tables, found, figures)


def check(plan: Plan) -> None:
    """Refuse before any work what cannot work.

    Raises:
        AtlasError: a width the model or the images do not allow, or a map of too few points.
    """
    if plan.num_points < MIN_POINTS:
        raise ParamsError(
            f"tune: got {plan.num_points} points, but a map needs at least {MIN_POINTS}: give more "
            "tune.widths and tune.dropouts, or a larger tune.points."
        )
    trials.check(plan)


def _named(plan: Plan, found: Outcome) -> dict[str, pd.DataFrame]:
    """The tables with the axes of the map by their own names."""
    return {name: table.rename(columns=plan.named) for name, table in found.tables.items()}


def _present(plan: Plan, found: Outcome, figures: Mapping[str, "Figure"]) -> None:
    """What Optuna's dashboard shows of the study besides its trials."""
    words = telling.note(found.summary, found.of_first("points"))
    shown = {name: figures[name] for name in SHOWN}
    answers = {"where it overfits": found.summary["slices"][0]["sentence"]["en"]}
    with trials.study(plan, "map") as study:
        telling.present(study, words, shown, trials.folder(), answers)


def _log(
    run: tracking.Run,
    tables: Mapping[str, pd.DataFrame],
    found: Outcome,
    figures: Mapping[str, "Figure"],
) -> None:
    """The tables and figures of the map, and the answers as metrics, on the parent run."""
    for name, table in tables.items():
        if name != "map_curves":
            run.log_table(table, f"{name}.csv")
    for path, figure in figures.items():
        run.log_figure(figure, path)
    first = found.summary["slices"][0]
    undropped = first["overfits_from"]
    answers = {"frontier/overfits_from_width": undropped["width"]}
    answers |= {f"surface/{key}": x for key, x in first["leave_one_out"].items()}
    run.log_metrics({name: value for name, value in answers.items() if value is not None})
    run.log_tags({"frontier": first["crossing"], "undropped_net_overfits": undropped["reach"]})


def _figures(plan: Plan, found: Outcome) -> dict[str, Callable[[], "Figure"]]:
    from pipeline.plots import kinds, maps, studies
    from pipeline.plots.plane import Plane

    epochs, moved = plan.tune.epochs, found.of_first("frontier", all_budgets=True)
    first, second = plan.axes
    model, threshold = plan.tune.model, found.first.settings.threshold
    of = Plane(model, (first.name, second.name), (first.log, second.log))
    points, surface, frontier = (found.of_first(name) for name in ("map", "surface", "frontier"))
    interpolation = pd.DataFrame(found.summary["double_descent"])
    figures: dict[str, Callable[[], Figure]] = {
        "gap_map.png": lambda: maps.gap_map(points, surface, frontier, "en", threshold, of),
        "kinds_map.png": lambda: kinds.kinds_map(points, surface, "en", threshold, epochs, of),
        "frontiers.png": lambda: kinds.frontiers(moved, "en", threshold, of),
        "onset_map.png": lambda: maps.onset_map(points, "en", of),
        "validation_map.png": lambda: maps.validation_map(points, surface, "en", of=of),
        "slices.png": lambda: maps.slices(points, surface, "en", threshold, of),
    }
    if len(interpolation):
        figures["double_descent.png"] = lambda: studies.double_descent(
            found.tables["double_descent"], "en", interpolation, model
        )
    if len(ranked := found.tables["importance"]):
        figures["importance_gap_loss.png"] = lambda: studies.importances(ranked, "en", "gap_loss")
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Find where a model overfits.")
    cli.add_folders(parser, "data")
    parser.add_argument("--out", type=Path, default=Path("results/tune"), help="folder for tables")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
