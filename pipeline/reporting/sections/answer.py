"""The answer first: each model's verdict in a sentence, with onset, gap and scores."""

from collections.abc import Mapping
from typing import Any

from pipeline.reporting.blocks import (
    Answer,
    Answers,
    Block,
    Cell,
    Column,
    Fact,
    Prose,
    Section,
    Table,
)
from pipeline.reporting.context import Context
from pipeline.reporting.diagnoses import Diagnosis, Number, Onset
from pipeline.reporting.wording import (
    cell,
    epoch,
    known,
    named,
    number,
    percent,
    signed,
    whole,
)

SPLITS = ("probe", "val", "test")
SCORES = ("accuracy", "loss", "macro_f1", "worst_class_f1", "ece", "brier", "seeds", "images")
WORST_FIRST = ("overfit", "memorising", "underfit", "good_fit", "undetermined")


def headline(context: Context) -> str:
    """The verdicts and the best model in two sentences."""
    say, results = context.words, context.results
    by_verdict = [
        say(
            f"answer.these_{verdict}" if len(names) > 1 else f"answer.this_{verdict}",
            models=say.listed(names),
        )
        for verdict in WORST_FIRST
        if (names := [n for n, found in context.diagnoses.items() if found.verdict == verdict])
    ]
    scores = results.metrics[results.best].get("test", {})
    low, high = scores.get("accuracy_interval") or (None, None)
    best = say(
        "answer.best",
        model=results.best,
        accuracy=say.with_span(scores.get("accuracy"), low, high, percent),
    )
    if not by_verdict:
        return best
    return say("page.sentences", first=say.joined("page.semicolon", by_verdict), second=best)


def section(context: Context) -> Section:
    """A card for each model, then all scores in one table."""
    say = context.words
    blocks: list[Block] = [Answers([_card(context, name) for name in context.results.models])]
    blocks.append(Prose(say("answer.reading", percent=_confidence(context)), "note"))
    blocks.append(_scores(context))
    return Section("answer", say("answer.title"), blocks)


def _card(context: Context, name: str) -> Answer:
    found = context.diagnoses.get(name)
    say, language = context.words, context.language
    verdict = found.verdict if found else "undetermined"
    return Answer(
        model=name,
        swatch=context.colours[name],
        verdict=verdict,
        verdict_name=say.verdict(verdict),
        sentence=found.why(language) if found else say("answer.not_diagnosed"),
        facts=_facts(context, name, found),
        advice=list(found.remedies(language))[:3] if found else (),
        notes=found.notes(language) if found else (),
    )


def _facts(context: Context, name: str, found: Diagnosis | None) -> list[Fact]:
    say = context.words
    scores = context.results.metrics[name].get("test", {})
    low, high = scores.get("accuracy_interval") or (None, None)
    accuracy = percent(scores.get("accuracy"))
    facts = [Fact(say("answer.accuracy"), accuracy, say.span(low, high, percent))]
    if found is None:
        return facts
    gap = found.number("gap", "loss", "last")
    if gap is not None:
        facts.append(_nats(context, "answer.gap", gap))
    excess = found.number("excess_gap", "loss")
    if excess is not None:
        facts.append(_nats(context, "answer.excess_gap", excess))
    onset = found.onset("loss")
    if onset is not None:
        facts.append(Fact(say("answer.onset"), *_onset(context, onset)))
    return facts


def _nats(context: Context, label: str, found: Number) -> Fact:
    say = context.words
    inside = say.span(found.low, found.high, signed)
    return Fact(say(label), say("answer.nats", value=signed(found.value)), inside)


def _onset(context: Context, onset: Onset) -> tuple[str, str]:
    say = context.words
    if not known(onset.epoch):
        short, long = (f"onset.{onset.status}_{size}" for size in ("short", "long"))
        return say(short), say(long, last=onset.last_epoch)
    inside = say.span(onset.first, onset.last, epoch) if onset.first != onset.last else ""
    counted = say("onset.seeds", confirmed=onset.num_confirmed, seeds=onset.num_seeds)
    shown = say("onset.range", range=inside, counted=counted) if inside else counted
    return say("onset.epoch", epoch=epoch(onset.epoch)), shown


def _scores(context: Context) -> Table:
    say = context.words
    columns = [Column(say("table.model")), Column(say("table.split"))]
    columns += [Column(say(f"table.{name}"), numeric=True) for name in SCORES]
    rows = [
        _row(context, model, split, scores)
        for split in reversed(SPLITS)
        for model in context.results.models
        if (scores := context.results.metrics[model].get(split))
    ]
    weights = say(f"answer.weights_{context.params.evaluate.weights}")
    caption = say("answer.caption", percent=_confidence(context), weights=weights)
    return Table(caption, columns, rows)


def _confidence(context: Context) -> str:
    return f"{100 * context.params.evaluate.confidence:g}"


def _row(context: Context, model: str, split: str, scores: Mapping[str, Any]) -> list[Cell]:
    say = context.words
    low, high = scores.get("accuracy_interval") or (None, None)
    accuracy: Any = scores.get("accuracy")
    shown = say.with_span(accuracy, low, high, percent)
    return [
        named(model, context.colours[model]),
        Cell(say(f"split.{split}"), str(SPLITS.index(split))),
        Cell(shown, float(accuracy) if known(accuracy) else None),
        cell(scores.get("loss"), _three),
        cell(scores.get("macro_f1"), _three),
        cell(scores.get("worst_class_f1"), _three),
        cell(scores.get("ece"), _three),
        cell(scores.get("brier"), _three),
        cell(scores.get("num_seeds"), whole),
        cell(scores.get("num_images"), whole),
    ]


def _three(value: object) -> str:
    return number(value, 3)
