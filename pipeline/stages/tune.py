"""Two Optuna studies of one model: where it overfits, and which fit of it is best.

The map is laid out evenly and stops no fit; the search follows the
validation loss and prunes. They share no trial. Both go on where a killed run left them. Run as
`python -m pipeline.stages.tune`.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from overfit_atlas.gap_map.overfit_map import MIN_POINTS
from pipeline import params as parameters
from pipeline import tracking
from pipeline.data import prepared
from pipeline.files import replacing, write_json
from pipeline.params import ParamsError
from pipeline.stages import cli, registered
from pipeline.studies import storage, telling
from pipeline.studies.outcome import Outcome, outcome
from pipeline.studies.plan import Plan, Purpose
from pipeline.studies.running import STARTUP_TRIALS, VALUE, Desk, Fitted, finished
from pipeline.studies.scoring import WORDS
from pipeline.training import checks, workers
from pipeline.training.finished import Kept
from pipeline.training.task import FitResult, FitTask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECTIONS = ("seed", "tune", "train", "evaluate")
CURVES = ("epoch", "split", "loss", "accuracy")
"""What MLflow gets of a trial's epochs; the rest is in the tables."""
WINNER = "winner.json"
"""What the search found best, for the stage `tuned`; empty where nothing was searched."""
SHOWN = ("gap_map.png", "kinds_map.png", "frontiers.png", "onset_map.png")
"""Figures that stand beside the map's study in Optuna's dashboard."""
AIMS: dict[Purpose, storage.Aim] = {
    "map": storage.Aim("gap (nats)", "maximize"),
    "search": storage.Aim("validation loss (nats)", "minimize"),
}
"""The best trial of the map is the one that overfits most, that of the search the best model."""


def main(arguments: argparse.Namespace) -> None:
    """Run or resume both studies, write their tables, log every trial."""
    given = parameters.load(arguments.params)
    params = registered.fetched(given, given.tune.model)
    manifest = prepared.read_manifest(arguments.data)
    plan = Plan(params, arguments.data, manifest)
    check(plan)
    kept = Kept(cli.root() / ".checkpoints" / "tune")
    points = plan.design() if plan.tune.map else []
    laid_out = [task for point in points for task in plan.tasks(point)]
    if kept.lacks(laid_out) or not plan.tune.map:
        workers.prepare(params.workers)
    sections = (*SECTIONS, f"models.{plan.tune.model}")
    folder = cli.root() / "mlruns"
    with tracking.stage_run(given, "tune", manifest.dataset, sections) as run:
        run.log_dataset(manifest)
        with ExitStack() as stack:
            fitted = _on_demand(plan, kept, stack)
            mapped = _studied(plan, "map", fitted, run) if plan.tune.map else []
            searched = _studied(plan, "search", fitted, run) if plan.tune.search_trials else []
        found = outcome(plan, mapped, searched)
        kept.discard_others(laid_out, [task for one in searched for task in plan.tasks(one.params)])
        _write(arguments.out, plan, found)
        figures = {name: draw() for name, draw in _figures(plan, found).items()}
        if found.first:
            with _study(plan, "map", folder) as study:
                words = telling.note(found.summary, found.of_first("points"))
                shown = {name: figures[name] for name in SHOWN}
                answers = {"where it overfits": found.summary["slices"][0]["sentence"]["en"]}
                telling.present(study, words, shown, folder, answers)
        run.log_file(arguments.out / "summary.json")
        _log(run, plan, found, figures)


def check(plan: Plan) -> None:
    """Refuse before any work what cannot work.

    Raises:
        AtlasError: a width the model or the images do not allow, or a map of too few points.
    """
    manifest = plan.manifest
    if plan.tune.map and plan.num_points < MIN_POINTS:
        raise ParamsError(
            f"tune: got {plan.num_points} points, but a map needs at least {MIN_POINTS}: give more "
            "tune.widths and tune.dropouts, or a larger tune.points."
        )
    for point in plan.corners():
        checks.check_fit(plan.tasks(point)[0], manifest.image_shape, manifest.num_classes)


def _on_demand(plan: Plan, kept: Kept, stack: ExitStack) -> Fitted:
    """Fits on workers that start with the first one that is not kept, if any."""
    pools: list[workers.Pool] = []

    def missing(tasks: Sequence[FitTask], title: str) -> Iterator[tuple[int, FitResult]]:
        if not pools:
            # Figures are imported while TensorFlow is, for the workers.
            from pipeline.plots import kinds, maps, studies  # noqa: F401

            pools.append(stack.enter_context(workers.pool(plan.params.workers)))
        return pools[0].run(tasks, title)

    return lambda tasks, title: kept.run(tasks, partial(missing, title=title))


def _studied(plan: Plan, purpose: Purpose, fitted: Fitted, run: tracking.Run) -> list[FrozenTrial]:
    """All trials of one study, the missing ones fitted now; each is logged once in this run."""
    minutes = plan.tune.minutes
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes
    with _study(plan, purpose, cli.root() / "mlruns") as study:
        for trial in finished(study):
            _log_trial(run, purpose, trial)
        tell = partial(_log_trial, run, purpose)
        desk = Desk(plan, purpose, study, fitted, tell, until)
        return desk.search() if purpose == "search" else desk.lay_out()


def _study(plan: Plan, purpose: Purpose, folder: Path) -> AbstractContextManager[optuna.Study]:
    """The Optuna study behind the map or the search, for this process alone."""
    tune = plan.tune
    name = storage.study_name(purpose, tune.model, plan.decisive(purpose))
    sampler = optuna.samplers.RandomSampler(seed=plan.params.seed)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if purpose == "search":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=0)
    return storage.study(name, sampler, pruner, folder, tune.storage, AIMS[purpose])


def _write(folder: Path, plan: Plan, found: Outcome) -> None:
    for name, table in _named(plan, found).items():
        with replacing(folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.9g")
    write_json(folder / "summary.json", found.summary)
    write_json(folder / WINNER, found.winner)


def _named(plan: Plan, found: Outcome) -> dict[str, pd.DataFrame]:
    """The tables with the axes of the map by their own names."""
    own = ("search", "importance")
    return {
        name: table if name in own else table.rename(columns=plan.named)
        for name, table in found.tables.items()
    }


def _log_trial(run: tracking.Run, purpose: Purpose, trial: FrozenTrial) -> None:
    """A child run for a finished trial: its parameters, scores, verdict and curves."""
    point = ", ".join(f"{name} {value:.3g}" for name, value in trial.params.items())
    known = trial.user_attrs
    with run.child(f"{purpose}: {point}", {"study": purpose}) as child:
        scores = {name: x for name, x in known.items() if isinstance(x, int | float)}
        tags = {name: known.get(name) or "" for name in WORDS}
        table = pd.DataFrame(trial.system_attrs["curves"])[list(CURVES)]
        child.log_scored(trial.params, scores, tags, table)
        if not known[f"{VALUE[purpose]}_by_seed"]:
            child.fail("the loss of every seed left the finite numbers")


def _log(run: tracking.Run, plan: Plan, found: Outcome, figures: Mapping[str, "Figure"]) -> None:
    """The tables and figures of both studies, and the answers as metrics, on the parent run."""
    for name, table in _named(plan, found).items():
        if name != "map_curves":
            run.log_table(table, f"{name}.csv")
    for path, figure in figures.items():
        run.log_figure(figure, path)
    if found.first is None:
        return
    first = found.summary["slices"][0]
    undropped = first["overfits_from"]
    answers = {"frontier/overfits_from_width": undropped["width"]}
    answers |= {f"surface/{key}": x for key, x in first["leave_one_out"].items()}
    run.log_metrics({name: value for name, value in answers.items() if value is not None})
    run.log_tags({"frontier": first["crossing"], "undropped_net_overfits": undropped["reach"]})


def _figures(plan: Plan, found: Outcome) -> dict[str, Callable[[], "Figure"]]:
    return {**(_map_figures(plan, found) if found.first else {}), **_search_figures(found)}


def _map_figures(plan: Plan, found: Outcome) -> dict[str, Callable[[], "Figure"]]:
    from pipeline.plots import kinds, maps, studies
    from pipeline.plots.plane import Plane

    assert found.first is not None

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
    return figures


def _search_figures(found: Outcome) -> dict[str, Callable[[], "Figure"]]:
    from pipeline.plots import studies

    figures: dict[str, Callable[[], Figure]] = {}
    ranked, searched = found.tables["importance"], found.tables["search"]
    for target in ("gap_loss", "val_loss"):
        part = ranked[ranked["target"] == target]
        if len(part):
            figures[f"importance_{target}.png"] = partial(studies.importances, part, "en", target)
    if len(searched):
        figures["pareto.png"] = lambda: studies.pareto(searched, "en")
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Find where a model overfits, and which fit of it is best.")
    cli.add_folders(parser, "data")
    parser.add_argument("--out", type=Path, default=Path("results/tune"), help="folder for tables")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
