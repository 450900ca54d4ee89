"""Run one comparison: `python -m pipeline.stages.compare NAME`.

A comparison is `experiments/compare/NAME.yaml`. Its fits see train and val only; test images are
left to `evaluate`.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from pipeline import params as parameters
from pipeline import tracking
from pipeline.comparing import record, running, tables
from pipeline.comparing.outcome import Outcome, plan
from pipeline.comparing.record import Comparison
from pipeline.comparing.running import Result
from pipeline.comparing.scoring import MOMENTS
from pipeline.comparing.variant import Variant, Where
from pipeline.data import prepared
from pipeline.data.prepared import Prepared
from pipeline.files import write_json
from pipeline.params import Params
from pipeline.stages import cli, registered
from pipeline.training import finished, workers
from pipeline.training.finished import Kept
from pipeline.training.task import FitResult, FitTask


def main(arguments: argparse.Namespace) -> None:
    """Fit every variant with every seed, compare, write and log the tables."""
    params = parameters.load(arguments.params)
    written = record.load(arguments.name)
    overrides = {**written.small} if arguments.small else {}
    overrides |= dict(parameters.assignment(text) for text in arguments.set)
    comparison = written.with_baseline(overrides)
    seeds = tuple(arguments.seeds or comparison.seeds or params.compare.seeds)
    data = prepared.read(arguments.data)
    variants = [_ready(variant, data) for variant in comparison.resolved(seeds)]
    num_train = running.checked(variants, seeds, data)
    smoothing = params.evaluate.smoothing
    folder = arguments.data.resolve()
    where = Where(folder, data.manifest.content_hash, smoothing, cli.root() / ".checkpoints")
    planned = plan(variants, seeds, where)
    name = record.name_of(arguments.name)
    kept = Kept(cli.root() / ".checkpoints" / f"compare-{name}")
    if kept.lacks(planned.tasks):
        workers.prepare(params.workers)
    base = variants[0]
    sections = ("train", f"models.{comparison.model}")
    dataset = data.manifest.dataset
    with tracking.stage_run(base.settings, f"compare@{name}", dataset, sections) as run:
        run.log_dataset(data.manifest)
        results = running.fitted(planned, kept, partial(_fitted, params, name))
        outcomes = running.judge(planned, results, data, params.evaluate, num_train, kept)
        result = running.result_of(comparison, outcomes, data, params.evaluate, overrides)
        running.write(arguments.out, result)
        _write_seconds(arguments, outcomes)
        _log(run, comparison, outcomes, result)
        running.require_baseline(outcomes)
    finished.discard_checkpoints(list(planned.tasks))
    print(f"{comparison.title}: against {base.name}, {len(seeds)} seeds, at the last epoch")
    print("\n".join(tables.told(result.effects)))


def _ready(variant: Variant, data: Prepared) -> Variant:
    """`variant` with what other stages wrote for it: registered weights, lists of images."""
    settings = registered.fetched(variant.settings, variant.model)
    return running.with_lists(replace(variant, settings=settings), data)


def _fitted(params: Params, name: str, tasks: Sequence[FitTask]) -> Iterator[tuple[int, FitResult]]:
    with workers.pool(params.workers) as pool:
        yield from pool.run(tasks, f"compare {name}")


def _write_seconds(arguments: argparse.Namespace, outcomes: list[Outcome]) -> None:
    seconds = {one.name: [round(result.seconds, 2) for result in one.results] for one in outcomes}
    write_json(arguments.timings / f"compare-{record.name_of(arguments.name)}.json", seconds)


def _log(
    run: tracking.Run, comparison: Comparison, outcomes: list[Outcome], result: Result
) -> None:
    run.log_params({"comparison.title": comparison.title, "seeds": result.summary["seeds"]})
    for outcome in outcomes:
        effect = result.variants[outcome.name]["effect"]["last"] or "baseline"
        with run.child(outcome.name, {"variant": outcome.name, "effect": effect}) as child:
            child.log_params(dict(outcome.variant.changes))
            if outcome.variant.members is None and not outcome.variant.temperature:
                child.log_curves(pd.concat([one.history.curves for one in outcome.results]))
            if outcome.judgement is not None:
                child.log_metrics(outcome.judgement.metrics())
                child.log_tags(outcome.judgement.tags())
            child.log_metrics(_effects_of(result.effects, outcome.name))
            child.log_metrics({"seconds": sum(one.seconds for one in outcome.results)})
            if outcome.failures:
                child.fail("; ".join(outcome.failures))
    run.log_table(result.effects, "effects.csv")
    run.log_table(result.classes, "per_class.csv")
    _log_figures(run, comparison, outcomes, result)


def _effects_of(effects: pd.DataFrame, name: str) -> dict[str, float]:
    rows = effects[(effects["name"] == name) & (effects["at"] == "last")]
    return {
        f"effect/{metric}": float(value)
        for metric, value in zip(rows["metric"], rows["effect"], strict=True)
    }


def _log_figures(
    run: tracking.Run, comparison: Comparison, outcomes: list[Outcome], result: Result
) -> None:
    from pipeline.plots import class_effects
    from pipeline.plots import comparison as figures

    base = outcomes[0].name
    by_variant = {str(name): table for name, table in result.curves.groupby("variant", sort=False)}
    kinds = {name: one["last"] for name, one in result.summary["kinds"].items() if one["last"]}
    known = [one.judgement.marks() for one in outcomes if one.judgement is not None]
    marks = pd.concat(known, ignore_index=True)
    # Few variants are overlaid in one figure that has both scores.
    for metric in ("loss", "accuracy")[: 1 if len(by_variant) <= figures.OVERLAID else 2]:
        figure = figures.comparison(by_variant, "en", base, metric, kinds, marks)
        run.log_figure(figure, f"curves_{metric}.png")
    if len(result.classes):
        figure = class_effects.class_effects(result.classes, "en", base)
        run.log_figure(figure, "per_class.png")
    last = result.effects[(result.effects["at"] == "last") & result.effects["kind"].notna()]
    shown = last[last["metric"].isin(("val_accuracy", "val_loss", "gap_loss"))]
    if len(shown):
        run.log_figure(figures.remedies(shown, "en", base), "remedies.png")
    if result.summary["data_size"]:
        for moment in MOMENTS:
            said = result.summary["data_size"][f"gap_loss/{moment}"]
            if said:
                fit = pd.DataFrame(said["curve"]).rename(columns={"value": "mean"})
                points = tables.size_points(outcomes, moment)
                run.log_figure(figures.data_size(points, fit, "en"), f"data_size_{moment}.png")


def _parser() -> argparse.ArgumentParser:
    made = cli.parser("Run one comparison of experiments/compare/.")
    made.add_argument("name", help="a file in experiments/compare/, without .yaml")
    cli.add_folders(made, "data")
    made.add_argument("--out", type=Path, required=True, help="folder for the tables")
    made.add_argument("--timings", type=Path, default=Path("results/timings"))
    made.add_argument("--small", action="store_true", help="with the overrides of its key `small`")
    made.add_argument("--seeds", type=int, nargs="+", help="instead of those of the comparison")
    made.add_argument(
        "--set", nargs="+", default=[], metavar="key=value", help="overrides of the baseline"
    )
    return made


if __name__ == "__main__":
    cli.run(main, _parser())
