"""Run one comparison: `python -m pipeline.stages.compare NAME`.

A comparison is `experiments/compare/NAME.yaml`. Its fits see train and val only; test images are
left to `evaluate`.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.errors import AtlasError
from overfit_atlas.scoring.scores import softmax
from pipeline import params as parameters
from pipeline import tracking
from pipeline.comparing import judged, lists, record, tables
from pipeline.comparing.judged import Setting
from pipeline.comparing.outcome import Outcome, Plan, plan
from pipeline.comparing.record import Comparison
from pipeline.comparing.scoring import MOMENTS, SPLITS
from pipeline.comparing.variant import Variant, Where
from pipeline.data import folds, prepared
from pipeline.data.prepared import Prepared, Split
from pipeline.files import replacing, write_json
from pipeline.params import Params
from pipeline.stages import cli, registered
from pipeline.training import checks, finished, workers
from pipeline.training.finished import Kept
from pipeline.training.task import FitError, FitResult, FitTask


@dataclass(frozen=True)
class Result:
    """What a comparison came to, as tables and plain JSON values."""

    curves: pd.DataFrame
    effects: pd.DataFrame
    classes: pd.DataFrame
    variants: dict[str, Any]
    summary: dict[str, Any]


def main(arguments: argparse.Namespace) -> None:
    """Fit every variant with every seed, compare, write and log the tables."""
    params = parameters.load(arguments.params)
    written = record.load(arguments.name)
    overrides = {**written.small} if arguments.small else {}
    overrides |= dict(parameters.assignment(text) for text in arguments.set)
    comparison = written.with_baseline(overrides)
    seeds = tuple(arguments.seeds or comparison.seeds or params.compare.seeds)
    data = prepared.read(arguments.data)
    variants = [_with_files(variant, data) for variant in comparison.resolved(seeds)]
    num_train = checked(variants, seeds, data)
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
        results = _fitted(params, planned, name, kept)
        setting = _setting(planned, results, data, params, num_train, kept)
        outcomes = judged.outcomes(planned, results, setting)
        result = _result(comparison, outcomes, data, params, overrides)
        _write(arguments, result, outcomes)
        _log(run, comparison, outcomes, result)
        _require_baseline(outcomes)
    finished.discard_checkpoints(list(planned.tasks))
    print(f"{comparison.title}: against {base.name}, {len(seeds)} seeds, at the last epoch")
    print("\n".join(tables.told(result.effects)))


def _with_files(variant: Variant, data: Prepared) -> Variant:
    """`variant` with what other stages wrote for it: registered weights, lists of images."""
    settings = registered.fetched(variant.settings, variant.model)
    read = [lists.read(kind, Path(path), data) for kind, path in variant.lists]
    return replace(variant, settings=settings, corrections=tuple(chain.from_iterable(read)))


def checked(variants: Sequence[Variant], seeds: Sequence[int], data: Prepared) -> dict[str, int]:
    """How many training images each variant has; before any training.

    Raises:
        AtlasError: settings do not fit each other or the images; the message begins with the
            variant.
    """
    manifest = data.manifest
    counts = {}
    for variant in variants:
        try:
            checks.check(
                variant.settings, variant.model, manifest.image_shape, manifest.num_classes
            )
            counts[variant.name] = len(_varied(variant, seeds[0], data).train)
        except AtlasError as error:
            raise type(error)(f"variant {variant.name!r}: {error}") from None
    return counts


def _varied(variant: Variant, seed: int, data: Prepared) -> Prepared:
    return folds.varied(data, **vars(variant.vary(seed)))


def _fitted(params: Params, planned: Plan, name: str, kept: Kept) -> list[FitResult]:
    """The fits in their order; workers start where any is not kept from before."""

    def missing(tasks: Sequence[FitTask]) -> Iterator[tuple[int, FitResult]]:
        with workers.pool(params.workers) as pool:
            yield from pool.run(tasks, f"compare {name}")

    found = dict(kept.run(planned.tasks, missing))
    return [found[index] for index in sorted(found)]


def _setting(
    planned: Plan,
    results: list[FitResult],
    data: Prepared,
    params: Params,
    num_train: Mapping[str, int],
    kept: Kept,
) -> Setting:
    """What all variants are judged with; kept are their fits, and what members of ensembles say."""
    probabilities, probes = {}, {}
    ensembles: list[list[FitTask]] = []
    for variant in planned.variants:
        places = planned.places[variant.name]
        members = [results[place] for place in places]
        if variant.members is None or any(one.failed for one in members):
            continue
        probe = probes[variant.name] = _varied(variant, planned.seeds[0], data).probe
        ensembles.append([planned.tasks[place] for place in places])
        said = kept.arrays(ensembles[-1], partial(_predicted, members, probe, data.val))
        probabilities[variant.name] = {
            moment: {split: said[f"{moment}/{split}"] for split in SPLITS} for moment in MOMENTS
        }
    kept.discard_others(planned.tasks, *ensembles)
    return Setting(data, params.evaluate, num_train, probabilities, probes)


def _predicted(members: list[FitResult], probe: Split, val: Split) -> dict[str, np.ndarray]:
    """By "moment/split" the raw probabilities of each member at its best and last epoch."""
    from pipeline import prediction

    found = {}
    images = [np.asarray(probe.images), np.asarray(val.images)]
    with tempfile.TemporaryDirectory() as folder:
        for moment in MOMENTS:
            paths = []
            for member in members:
                path = Path(folder) / f"{moment}-{member.seed}.keras"
                path.write_bytes(getattr(member, moment) or b"")
                paths.append(path)
            said = prediction.of_seeds(paths, images)
            for split, one in zip(SPLITS, said, strict=True):
                found[f"{moment}/{split}"] = softmax(one.logits)
    return found


def _result(
    comparison: Comparison,
    outcomes: list[Outcome],
    data: Prepared,
    params: Params,
    overrides: Mapping[str, Any],
) -> Result:
    rules = params.evaluate.rules
    effects = tables.effects(outcomes, rules)
    described = tables.variants(outcomes, rules)
    summary = {
        "title": comparison.title,
        "model": comparison.model,
        "baseline": outcomes[0].name,
        "baseline_settings": {**comparison.baseline, **overrides},
        "scaled": dict(overrides),
        "dataset": data.manifest.dataset,
        "num_train": outcomes[0].num_images,
        "num_val": len(data.val),
        "held_out": "val",
        "draw": comparison.draw,
        "seeds": [one.seed for one in outcomes[0].results],
        "confidence": rules.confidence,
        "source": comparison.source,
        "kinds": {name: one["effect"] for name, one in described.items() if not one["baseline"]},
        "data_size": tables.sizes(outcomes, rules) if comparison.fit else None,
    }
    classes = tables.classes(outcomes, data.manifest.class_names, rules.confidence)
    return Result(tables.curves(outcomes), effects, classes, described, summary)


def _write(arguments: argparse.Namespace, result: Result, outcomes: list[Outcome]) -> None:
    with replacing(arguments.out) as folder:
        folder.mkdir()
        named = {"curves": result.curves, "effects": result.effects, "per_class": result.classes}
        for name, table in named.items():
            table.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")
        write_json(folder / "variants.json", result.variants)
        write_json(folder / "summary.json", result.summary)
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


def _require_baseline(outcomes: list[Outcome]) -> None:
    base = outcomes[0]
    if base.failures:
        raise FitError(
            f"the baseline {base.name!r} broke down ({'; '.join(base.failures)}), so there is "
            "nothing to compare with: lower train.learning_rate in its settings."
        )


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
