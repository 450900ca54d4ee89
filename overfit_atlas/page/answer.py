"""The answer in one sentence, the advice, and the models side by side."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from overfit_atlas.estimates import Json
from overfit_atlas.page import numbers
from overfit_atlas.page.courses import said
from overfit_atlas.page.document import Table
from overfit_atlas.words import text

WORST_FIRST = ("data", "overfit", "underfit", "good_fit", "undetermined")
SCORES = ("accuracy", "loss", "macro_f1")
NUM_USUAL = 3


def verdict_sentence(courses: Sequence[Json], language: str) -> str:
    """Which models overfit, which not, as sure as their records are; empty without a training.

    One clause for all models of which the same is said, the worst verdict first.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for one in courses:
        if one["epochs"]:
            groups.setdefault(_told(one), []).append(str(one["name"]))
    clauses = [
        _clause(told, names, language)
        for told, names in sorted(groups.items(), key=lambda group: _rank(group[0]))
    ]
    sentence = clauses[0] if clauses else ""
    for clause in clauses[1:]:
        sentence = text("page.semicolon", language, first=sentence, last=clause)
    return sentence


def _told(one: Json) -> tuple[str, ...]:
    """What is said of a model: its verdict, then "probably", or the two likeliest verdicts."""
    verdict = _key(one["verdict"])
    if verdict == "undetermined":
        return (verdict, *map(_key, () if one["kind"] else one["likeliest"]))
    return (verdict,) if one["plainly"] else (verdict, "probably")


def _key(verdict: Any) -> str:
    return str(verdict).replace(" ", "_")


def _rank(told: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    return WORST_FIRST.index(told[0]), told[1:]


def _clause(told: tuple[str, ...], names: Sequence[str], language: str) -> str:
    key = f"page.{'these' if len(names) > 1 else 'this'}_{told[0]}"
    values = {"models": numbers.listed(names, language)}
    if told[1:] == ("probably",):
        return text(f"{key}_probably", language, **values)
    if len(told) == 3:
        first, second = (text(f"verdict.name.{name}", language) for name in told[1:])
        return text(f"{key}_between", language, **values, first=first, second=second)
    return text(key, language, **values)


def advice(remedies: Json | None, courses: Sequence[Json], language: str) -> list[str]:
    """What this run measured to help; empty where nothing was measured or nothing overfits."""
    if remedies is None or not any(one["verdict"] == "overfit" for one in courses):
        return []
    found = []
    for moment in ("best", "last"):
        for kind in ("cures", "improves"):
            names = [
                name
                for name in remedies["order"]
                if any(
                    (row["name"], row["at"], row["kind"]) == (name, moment, kind)
                    for row in remedies["rows"]
                )
            ]
            if names:
                listed = numbers.listed(names, language)
                key = f"page.{kind}_{moment}"
                found.append(text(key, language, names=listed, model=remedies["model"]))
    return found or [text("page.nothing_helps", language, model=remedies["model"])]


def usual(judged: Iterable[Mapping[str, Any]], language: str) -> list[str]:
    """What is usually tried first against the overfitting of the first model that overfits.

    Args:
        judged: records of judgements (`Judgement.as_json`).
    """
    overfit = next((one for one in judged if one.get("verdict") == "overfit"), {})
    return [said(one, language) for one in overfit.get("remedies", ())][:NUM_USUAL]


def side_by_side(
    courses: Sequence[Json], metrics: Mapping[str, Mapping[str, Any]], language: str
) -> Table:
    """One row a model: verdict with its probability, gap, onset, and scores on test where known.

    Args:
        metrics: by model, the scores of test with their intervals, and the same
            `without_copies` where some images are copies; empty where test was not read.
    """
    scored = [name for name in SCORES if any(name in one for one in metrics.values())]
    columns = ["model", "verdict", "gap", "onset", *(f"test_{name}" for name in scored)]
    rows = [
        [
            str(one["name"]),
            _verdict(one, language),
            numbers.estimate(one["gap"], numbers.signed, language),
            onset(one["onset"], language),
            *(score(metrics.get(one["name"], {}), name, language) for name in scored),
        ]
        for one in courses
    ]
    alone = {name: one.get("without_copies", {}) for name, one in metrics.items()}
    if any(alone.values()):
        columns.append("test_alone")
        rows = [[*row, score(alone.get(row[0], {}), "accuracy", language)] for row in rows]
    heads = [text(f"page.column.{name}", language) for name in columns]
    seeds = max((int(one["num_seeds"] or 1) for one in courses), default=1)
    key = "page.scores_note_test" if scored else "page.scores_note"
    return Table(text(key, language, seeds=seeds), heads, rows)


def _verdict(one: Json, language: str) -> str:
    if not numbers.known(one["probability"]):
        return str(one["title"])
    share = numbers.likely(one["probability"])
    return text("page.verdict_with", language, title=one["title"], share=share)


def score(scores: Mapping[str, Any], name: str, language: str) -> str:
    """One score of a split with its interval; accuracy as per cent."""
    form = numbers.percent if name == "accuracy" else numbers.number
    ends = scores.get(f"{name}_interval") or ()
    return numbers.with_span(scores.get(name), ends, form, language)


def onset(found: Any, language: str) -> str:
    """The onset of overfitting with its interval, or why there is none."""
    if not found:
        return numbers.NONE
    if found.get("epoch") is None:
        return text(f"page.onset_{found.get('status', 'none')}", language)
    ends = found.get("low"), found.get("high")
    span = numbers.with_span(found["epoch"], ends, numbers.whole, language)
    return text("page.onset_epoch", language, epoch=span)
