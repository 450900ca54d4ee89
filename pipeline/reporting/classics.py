"""The page of the classics, in Markdown: what was claimed, what came out, and do they agree?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.comparing.classic import Judged
from pipeline.comparing.record import Comparison

Json = Mapping[str, Any]
ANSWERS = {"agrees": "agrees", "disagrees": "**disagrees**", "open": "open"}
HEAD = """# Classics: {scale}

Experiments of courses, papers and text books, run again: what was claimed, what came out here, and
whether the two agree. {how}

A claim *agrees* or *disagrees* where the whole 95 % interval of what was measured does, over seeds
and images; else it is *open*. Effects are variant minus baseline over the same seeds. All scores
are of validation images, where published ones are mostly of test images. In the pictures a bar is
an interval, a diamond a published value.
"""
HOW = {
    False: "Run by `make classics`, on whole data sets.",
    True: "Run by `make classics QUICK=1`: with less data or shorter, as each entry says.",
}


@dataclass(frozen=True)
class Entry:
    """One classic that was run, or why it was not.

    Attributes:
        comparison: as it was run; summary: what its tables say of it.
        seconds: of its fits, one after the other, and of scoring them.
    """

    name: str
    comparison: Comparison
    judged: Sequence[Judged] = ()
    summary: Json | None = None
    variants: Json | None = None
    seconds: float = 0.0
    failed: str = ""


def page(entries: Sequence[Entry], quick: bool) -> str:
    """The whole page; pictures are `NAME.png` beside it."""
    scale = "quick" if quick else "whole"
    parts = [HEAD.format(scale=scale, how=HOW[quick]), _overview(entries)]
    return "\n".join([*parts, *(_section(entry) for entry in entries), _settings(entries)])


def _overview(entries: Sequence[Entry]) -> str:
    lines = [
        "| classic | source | agrees | disagrees | open | min of fits |",
        "|---|---|---|---|---|---|",
    ]
    for entry in entries:
        counts = [sum(one.answer == answer for one in entry.judged) for answer in ANSWERS]
        told = entry.failed or " | ".join([*map(str, counts), f"{entry.seconds / 60:.1f}"])
        link = f"[{entry.comparison.title}](#{entry.name})"
        source = _source(entry)
        lines.append(f"| {link} | {source} | {told} |" + (" | | |" if entry.failed else ""))
    return "\n".join([*lines, ""])


def _settings(entries: Sequence[Entry]) -> str:
    """What each setting was found to do: its best and its worst value, by the score shown."""
    lines = ["## What each setting was found to do", "", "| setting | score | best | worst |"]
    lines.append("|---|---|---|---|")
    for entry in entries:
        of, variants = entry.comparison.classic, entry.variants or {}
        if of is None or not variants:
            continue
        keys = dict.fromkeys(key for one in variants.values() for key in one["changes"])
        found = {
            name: one["values"][of.at][of.shown]
            for name, one in variants.items()
            if of.shown in one["values"].get(of.at, {})
        }
        higher = "accuracy" in of.shown or "f1" in of.shown
        ranked = sorted(found, key=lambda name: found[name]["value"], reverse=higher)
        if len(ranked) < 2:  # nothing to compare with
            continue
        best, worst = (f"{name}: {_with_interval(found[name])}" for name in (ranked[0], ranked[-1]))
        settings = ", ".join(f"`{key}`" for key in keys)
        lines.append(f"| {settings} | {of.shown}, {of.at} epoch | {best} | {worst} |")
    return "\n".join([*lines, ""])


def _with_interval(found: Json) -> str:
    value, low, high = (found[name] for name in ("value", "low", "high"))
    return f"{value:.3f}" if low is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def _source(entry: Entry) -> str:
    return entry.comparison.classic.source if entry.comparison.classic else ""


def _section(entry: Entry) -> str:
    head = [f'## <a id="{entry.name}"></a>{entry.comparison.title}', ""]
    if entry.failed or entry.summary is None:
        return "\n".join([*head, f"Not run: {entry.failed}", ""])
    said = entry.summary
    settings = ", ".join(f"`{key}: {value}`" for key, value in said["scaled"].items())
    facts = [
        f"`{entry.name}`, after {_source(entry)}. {said['dataset']}, {said['model']},",
        f"{said['num_train']:,} training and {said['num_val']:,} validation images,",
        f"{len(said['seeds'])} seeds. Baseline: {said['baseline']}.",
        *([f"Changed for this run: {settings}."] if settings else []),
    ]
    rows = ["| claimed | of | measured | |", "|---|---|---|---|"]
    rows += [_row(one) for one in entry.judged]
    return "\n".join(
        [*head, *facts, "", *rows, "", f"![{entry.comparison.title}]({entry.name}.png)", ""]
    )


def _row(one: Judged) -> str:
    claim = one.claim
    published = f" ({claim.value:g})" if claim.value is not None else ""
    what = f"{claim.metric} at the {claim.at} epoch"
    measured = one.why or "-"
    if one.value is not None:
        form = "{:+.3f}" if claim.value is None else "{:.3f}"
        value, low, high = (form.format(x) for x in (one.value, one.low, one.high))
        kind = "effect on " if claim.value is None else ""
        measured = f"{kind}{what}: {value} ({low} to {high})" + (f"; {one.why}" if one.why else "")
    return f"| {claim.says}{published} | {claim.of} | {measured} | {ANSWERS[one.answer]} |"
