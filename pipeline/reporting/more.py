"""What stands behind "more" on the page: all scores, how it was measured, and with what."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from overfit_atlas.page import answer
from overfit_atlas.page.document import Fold, Table
from overfit_atlas.page.numbers import (
    NONE,
    chance,
    estimate,
    known,
    likely,
    percent,
    points,
    true_minus,
    whole,
)
from overfit_atlas.words import sentences, text
from pipeline.params import TUNED, Params
from pipeline.reporting.results import Results

OF_THE_MACHINE = ("download.path", "download.mirror", "tune.storage")
"""Like `workers`, these say where things lie: they change no number, and may hold a password."""
TERMS = (
    "probe", "clean", "loss", "gap", "best_epoch", "onset", "damage", "interval", "f1",
    "calibration", "test_once",
)  # fmt: skip
VERDICTS = ("good_fit", "overfit", "underfit", "data", "undetermined")
SPLITS = ("test", "test_without_copies", "val", "val_without_copies", "probe")
SCORES = ("accuracy", "loss", "macro_f1", "worst_class_f1", "ece", "brier")
Say = Callable[..., str]


def folds(results: Results, params: Params, origin: Mapping[str, str]) -> list[Fold]:
    """Scores, differences, early stopping, the images, definitions, origin and parameters."""
    language = params.report.language

    def say(key: str, **values: Any) -> str:
        return text(f"report.{key}", language, **values)

    made = [_scores(results, params, say)]
    made += [_compared(results, params, say)] if results.comparison else []
    made += [_tuned(results, language, say)] if results.overtuning else []
    made += [_stops(results, say)] if any(results.judged(one) for one in results.models) else []
    made += [Fold(say("data.title"), terms=_data(results, say))]
    made += [_method(params, say)]
    made += [Fold(say("method.origin"), terms=list(_origin(results, params, origin, say)))]
    flat = _flat("", params.model_dump(mode="json", exclude={"workers"}))
    pairs = [pair for pair in flat if pair[0] not in OF_THE_MACHINE]
    return [*made, Fold(say("method.params"), prose=[say("method.params_note")], terms=pairs)]


def _scores(results: Results, params: Params, say: Say) -> Fold:
    """Every score of every model on every split."""
    rows = [
        [
            f"{model}, {say(f'split.{split}')}",
            *(answer.score(scores, name, params.report.language) for name in SCORES),
            whole(scores.get("num_seeds")),
            whole(scores.get("num_images")),
        ]
        for split in SPLITS
        for model in results.models
        if (scores := results.metrics[model].get(split))
    ]
    columns = [say(f"table.{name}") for name in ("model", *SCORES, "seeds", "images")]
    weights = say(f"answer.weights_{params.train.best_by}")
    caption = say("answer.caption", percent=_confidence(params), weights=weights)
    return Fold(say("answer.scores"), tables=[Table(caption, columns, rows)])


def _confidence(params: Params) -> str:
    return f"{100 * params.evaluate.confidence:g}"


def _compared(results: Results, params: Params, say: Say) -> Fold:
    """Every pair of models on the same test images, and the ensemble against its members."""
    found = results.comparison
    pairs = {
        say("compared.pair", a=name.partition(" vs ")[0], b=name.partition(" vs ")[2]): one
        for name, one in (found.get("pairs") or {}).items()
    }
    ensemble = found.get("ensemble") or {}
    rivals = {
        say(f"compared.rival.{name}"): ensemble[name]
        for name in ("mean_member", "best_member", "equal_cost")
        if isinstance(ensemble.get(name), Mapping)
    }
    tables = [
        _differences(rows, key, params, say)
        for key, rows in (("compared.caption", pairs), ("compared.ensemble", rivals))
        if rows
    ]
    prose = [say("compared.lead")]
    if known(ensemble.get("disagreement")):
        prose.append(say("compared.disagreement", share=percent(ensemble["disagreement"])))
    return Fold(say("compared.title"), prose=prose, tables=tables)


def _differences(
    found: Mapping[str, Mapping[str, Any]], caption: str, params: Params, say: Say
) -> Table:
    language = params.report.language

    rows = [
        [
            name,
            estimate(one.get("accuracy"), points, language),
            estimate(one.get("macro_f1"), points, language),
            chance((one.get("mcnemar") or {}).get("p")),
            estimate(one.get("probability_better"), likely, language),
        ]
        for name, one in found.items()
    ]
    counts = [int((one.get("accuracy") or {}).get("num_images") or 0) for one in found.values()]
    names = ("compared", "accuracy_points", "macro_f1_points", "mcnemar", "probability_better")
    said = say(caption, images=f"{max(counts, default=0):,}", percent=_confidence(params))
    return Table(said, [say(f"table.{name}") for name in names], rows, say("compared.note"))


def _tuned(results: Results, language: str, say: Say) -> Fold:
    """The search's winner on fits it was not chosen by."""
    said = true_minus(sentences.overtuned(results.overtuning, language))
    return Fold(say("tuned.title"), prose=[said, say("tuned.lead", name=TUNED)])


def _stops(results: Results, say: Say) -> Fold:
    """When rules of early stopping would have ended the fits."""
    found = {name: results.judged(name).get("early_stopping") or {} for name in results.models}
    rules = list(dict.fromkeys(rule for stops in found.values() for rule in stops))
    rows = [
        [name, *(_stop(stops.get(rule) or {}) for rule in rules)]
        for name, stops in found.items()
        if stops
    ]
    columns = [say("table.model"), *(say(f"curves.rule.{rule}") for rule in rules)]
    tables = [Table(say("curves.stops_caption"), columns, rows, say("curves.stops_note"))]
    return Fold(say("curves.stops"), prose=[say("curves.stops_lead")], tables=tables)


def _stop(stop: Mapping[str, Any]) -> str:
    median = stop.get("median")
    shown = NONE if median is None else f"{float(median):.3g}"
    return f"{shown} ({stop.get('num_stopped', 0)}/{len(stop.get('seeds', ()))})"


def _data(results: Results, say: Say) -> list[tuple[str, str]]:
    manifest = results.manifest
    height, width, channels = manifest.image_shape
    colour = "colour" if channels == 3 else "grey"
    facts = [(say("data.shape"), say(f"data.{colour}", height=height, width=width))]
    for split in ("train", "probe", "val", "test"):
        counts = np.asarray(manifest.counts[split])
        key = "data.per_class" if counts.min() != counts.max() else "data.each_class"
        values = {"num": int(counts.sum()), "low": int(counts.min()), "high": int(counts.max())}
        said = say(key, **values, purpose=say(f"data.purpose.{split}"))
        facts.append((say(f"split.{split}"), said))
    facts.append((say("data.duplicates"), whole(manifest.duplicates_removed)))
    facts.append((say("data.skipped"), whole(manifest.skipped)))
    facts.append((say("data.noise"), percent(manifest.label_noise)))
    facts.append((say("data.imbalance"), say("data.times", factor=manifest.imbalance)))
    known_of = {"licence": manifest.licence, "citation": manifest.citation}
    facts += [(say(f"data.{name}"), said) for name, said in known_of.items() if said]
    return [*facts, (say("data.hash"), manifest.content_hash[:16])]


def _method(params: Params, say: Say) -> Fold:
    """What the words mean, and how the verdict is reached."""
    settings, language = params.evaluate, params.report.language
    shares = {
        name: f"{100 * getattr(settings, name):g}"
        for name in ("wide_gap", "material_loss", "material_accuracy")
    }
    values = {**settings.model_dump(), **shares, "percent": _confidence(params)}
    terms = [(say(f"term.{name}.name"), say(f"term.{name}.is", **values)) for name in TERMS]
    rows = [[text(f"verdict.name.{name}", language), say(f"rule.{name}")] for name in VERDICTS]
    columns = [say("table.verdict"), say("table.rule")]
    rules = Table(say("method.rules_caption"), columns, rows)
    return Fold(say("method.definitions"), tables=[rules], terms=terms)


def _origin(
    results: Results, params: Params, origin: Mapping[str, str], say: Say
) -> Iterator[tuple[str, str]]:
    yield say("method.split_seed"), str(params.seed)
    for model in results.models:
        curves = results.table("curves", model)
        if curves is not None and "seed" in curves:
            seeds = ", ".join(str(one) for one in sorted({int(one) for one in curves["seed"]}))
            said = say("method.seeds", seeds=seeds, epochs=int(curves["epoch"].max()))
            yield say("method.seeds_of", model=model), said
    for name, value in origin.items():
        yield (name, value) if name != "commit" else (say("method.commit"), _commit(value, say))


def _commit(commit: str, say: Say) -> str:
    if not commit:
        return say("method.no_commit")
    return say("method.changed", commit=commit[:-1]) if commit.endswith("+") else commit


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else key, inner)
    else:
        yield prefix, _as_yaml(value)


def _as_yaml(value: Any) -> str:
    """A value as params.yaml spells it."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_as_yaml, value)) + "]"
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)
