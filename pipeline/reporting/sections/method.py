"""How it was measured: definitions, rules, seeds, versions, commit and every parameter."""

from collections.abc import Iterator
from typing import Any

from pipeline.reporting.blocks import (
    VERDICTS,
    Block,
    Cell,
    Column,
    Fold,
    Prose,
    Section,
    Table,
    Terms,
)
from pipeline.reporting.context import Context
from pipeline.reporting.wording import as_yaml

OF_THE_MACHINE = ("download.path", "download.mirror", "tune.storage")
"""Like `workers`, these say where things lie: they change no number, and may hold a password."""
TERMS = (
    "probe",
    "clean",
    "loss",
    "gap",
    "best_epoch",
    "onset",
    "damage",
    "interval",
    "f1",
    "calibration",
    "test_once",
)


def section(context: Context) -> Section:
    """All that someone needs who wants to check the numbers, or to get them again."""
    say = context.words
    blocks: list[Block] = [
        Prose(say("method.lead"), "lead"),
        Fold(say("method.definitions"), [_definitions(context)], open=True),
        Fold(say("method.rules"), [_rules(context)]),
        Fold(say("method.origin"), [Terms(_origin(context))]),
        Fold(say("method.params"), [Prose(say("method.params_note")), _params(context)]),
    ]
    return Section("method", say("method.title"), blocks)


def _definitions(context: Context) -> Terms:
    say, settings = context.words, context.params.evaluate
    shares = {
        name: f"{100 * getattr(settings, name):g}"
        for name in ("wide_gap", "material_loss", "material_accuracy")
    }
    values = {**settings.model_dump(), **shares, "percent": f"{100 * settings.confidence:g}"}
    return Terms([(say(f"term.{name}.name"), say(f"term.{name}.is", **values)) for name in TERMS])


def _rules(context: Context) -> Table:
    say = context.words
    rows = [
        [Cell(say.verdict(name), str(place), verdict=name), Cell(say(f"rule.{name}"))]
        for place, name in enumerate(VERDICTS)
    ]
    return Table(
        say("method.rules_caption"), (Column(say("table.verdict")), Column(say("table.rule"))), rows
    )


def _origin(context: Context) -> list[tuple[str, str]]:
    say, params = context.words, context.params
    pairs = [
        (say("method.split_seed"), str(params.seed)),
        *(
            (say("method.seeds_of", model=name), _seeds(context, name))
            for name in context.results.models
        ),
        *(
            (name, value) if name != "commit" else (say("method.commit"), _commit(context, value))
            for name, value in context.provenance.items()
        ),
    ]
    return pairs


def _commit(context: Context, commit: str) -> str:
    if not commit:
        return context.words("method.no_commit")
    if commit.endswith("+"):
        return context.words("method.changed", commit=commit[:-1])
    return commit


def _seeds(context: Context, model: str) -> str:
    curves = context.results.table("curves", model)
    if curves is None or "seed" not in curves:
        return context.words("method.num_seeds", num=context.seeds(model))
    seeds = sorted({int(seed) for seed in curves["seed"]})
    listed = ", ".join(map(str, seeds))
    return context.words("method.seeds", seeds=listed, epochs=int(curves["epoch"].max()))


def _params(context: Context) -> Terms:
    flat = _flat("", context.params.model_dump(mode="json", exclude={"workers"}))
    return Terms([pair for pair in flat if pair[0] not in OF_THE_MACHINE], code=True)


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else key, inner)
    else:
        yield prefix, as_yaml(value)
