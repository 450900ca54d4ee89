"""The answer first: each model's verdict in a sentence, with onset, gap and scores."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.reporting.blocks import (
    Answer,
    Answers,
    Block,
    Cell,
    Column,
    Fact,
    Fold,
    Prose,
    Section,
    Table,
    Verdict,
)
from pipeline.reporting.context import Context
from pipeline.reporting.diagnoses import Diagnosis, Number, Onset
from pipeline.reporting.results import MAIN_COMPARISON
from pipeline.reporting.wording import (
    cell,
    epoch,
    known,
    named,
    p_value,
    percent,
    points,
    signed,
    three,
    whole,
    whole_percent,
)

SPLITS = ("probe", "val", "test")
SCORES = ("accuracy", "loss", "macro_f1", "worst_class_f1", "ece", "brier", "seeds", "images")
WORST_FIRST: tuple[Verdict, ...] = ("data", "overfit", "underfit", "good_fit", "undetermined")


def headline(context: Context) -> str:
    """The verdicts and the best model in two sentences."""
    say, results = context.words, context.results
    by_verdict = [
        say(
            f"answer.these_{verdict}" if len(names) > 1 else f"answer.this_{verdict}",
            models=say.listed(names),
        )
        for verdict in WORST_FIRST
        if (names := [n for n, found in context.diagnoses.items() if found.says(verdict)])
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
    if context.results.comparison:
        blocks.append(_compared(context))
    return Section("answer", say("answer.title"), blocks)


def _card(context: Context, name: str) -> Answer:
    found = context.diagnoses.get(name)
    say, language = context.words, context.language
    verdict = found.verdict if found else "undetermined"
    return Answer(
        model=name,
        swatch=context.colours[name],
        verdict=verdict,
        verdict_name=(found.title(language) if found else "") or say.verdict(verdict),
        sentence=found.why(language) if found else say("answer.not_diagnosed"),
        facts=_facts(context, name, found),
        advice=_advice(context, found) if found else (),
        notes=found.notes(language) if found else (),
    )


def _advice(context: Context, found: Diagnosis) -> Sequence[str]:
    """What this run measured to help against overfitting; else what is usually worth trying."""
    measured = context.results.compare.get(MAIN_COMPARISON)
    if not found.says("overfit") or measured is None:
        return list(found.remedies(context.language))[:3]
    say, summary = context.words, measured.get("summary") or {}
    model = str(summary.get("model") or "?")
    kinds: Mapping[str, Mapping[str, str]] = summary.get("kinds") or {}
    said = []
    for moment in ("best", "last"):
        for helps in ("cures", "improves"):
            names = [name for name, kind in kinds.items() if kind.get(moment) == helps]
            if names:
                listed = say.listed(names)
                said.append(say(f"answer.{helps}_{moment}", names=listed, model=model))
    return said or [say("answer.nothing_helps", model=model)]


def _facts(context: Context, name: str, found: Diagnosis | None) -> list[Fact]:
    say = context.words
    scores = context.results.metrics[name].get("test", {})
    low, high = scores.get("accuracy_interval") or (None, None)
    accuracy = percent(scores.get("accuracy"))
    facts = [Fact(say("answer.accuracy"), accuracy, say.span(low, high, percent))]
    if found is None:
        return facts
    if found.probability is not None:
        facts.append(Fact(say("answer.probability"), percent(found.probability, 0)))
    gap = found.number("gap", "loss")
    if gap is not None:
        facts.append(_nats(context, "answer.gap", gap))
    damage = found.number("damage", "loss")
    if damage is not None:
        facts.append(_nats(context, "answer.damage", damage))
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
    if onset.epoch is None:
        short, long = (f"onset.{onset.status}_{size}" for size in ("short", "long"))
        return say(short), say(long, last=onset.last_epoch)
    inside = say.span(onset.low, onset.high, epoch)
    return say("onset.epoch", epoch=epoch(onset.epoch)), inside


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
    weights = say(f"answer.weights_{context.params.train.best_by}")
    caption = say("answer.caption", percent=_confidence(context), weights=weights)
    return Table(caption, columns, rows)


def _confidence(context: Context) -> str:
    return f"{100 * context.params.evaluate.confidence:g}"


def _row(context: Context, model: str, split: str, scores: Mapping[str, Any]) -> list[Cell]:
    say = context.words
    return [
        named(model, context.colours[model]),
        Cell(say(f"split.{split}"), str(SPLITS.index(split))),
        say.scored(scores, "accuracy", percent),
        *(say.scored(scores, name, three) for name in SCORES[1:6]),
        cell(scores.get("num_seeds"), whole),
        cell(scores.get("num_images"), whole),
    ]


def _compared(context: Context) -> Fold:
    """Every pair of models on the same test images, and the ensemble against its members."""
    say, found = context.words, context.results.comparison
    pairs = {
        say("compared.pair", a=name.partition(" vs ")[0], b=name.partition(" vs ")[2]): one
        for name, one in (found.get("pairs") or {}).items()
        if isinstance(one, Mapping)
    }
    ensemble = found.get("ensemble") or {}
    rivals = {
        say.or_itself("compared.rival", name): one
        for name, one in ensemble.items()
        if isinstance(one, Mapping)
    }
    blocks: list[Block] = [Prose(say("compared.lead"))]
    blocks += [_differences(context, "compared.caption", pairs)] if pairs else []
    blocks += [_differences(context, "compared.ensemble", rivals)] if rivals else []
    if known(ensemble.get("disagreement")):
        share = percent(ensemble["disagreement"])
        blocks.append(Prose(say("compared.disagreement", share=share), "note"))
    return Fold(say("compared.title"), blocks)


def _differences(context: Context, caption: str, pairs: Mapping[str, Mapping[str, Any]]) -> Table:
    say = context.words
    columns = [Column(say("table.compared"))]
    names = ("accuracy_points", "macro_f1_points", "mcnemar", "probability_better")
    columns += [Column(say(f"table.{name}"), numeric=True) for name in names]
    rows = [
        [
            Cell(name, name),
            _difference(context, one.get("accuracy"), points),
            _difference(context, one.get("macro_f1"), points),
            cell((one.get("mcnemar") or {}).get("p"), p_value),
            _difference(context, one.get("probability_better"), whole_percent),
        ]
        for name, one in pairs.items()
    ]
    counts = [one.get("accuracy") or {} for one in pairs.values()]
    images = max((int(one.get("num_images") or 0) for one in counts), default=0)
    return Table(
        say(caption, images=f"{images:,}", percent=_confidence(context)),
        columns,
        rows,
        say("compared.note"),
    )


def _difference(context: Context, found: Any, form: Callable[[Any], str]) -> Cell:
    one = found if isinstance(found, Mapping) else {}
    span = context.words.span(one.get("low"), one.get("high"), form)
    return cell(one.get("value"), form, detail=span)
