"""How true the judge is: the record of all that was measured, and the tables of the documents.

`measured` makes the record from the committed tables; `blocks` writes it as Markdown, a block for
each place in a document. `python -m benchmarks.truth report --write` renews record and documents.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.truth import bars, measures, remedies, stopping, stored, summaries
from benchmarks.truth.measures import Measured
from benchmarks.truth.settings import PARTS
from overfit_atlas.held_out import SCORES
from pipeline.files import write_json, write_text
from scripts.marked_blocks import replaced

ROOT = stored.HERE.parents[1]
RECORD = stored.HERE / "measured.json"
DOCUMENTS = (Path("docs/truth_bench.md"), Path("README.md"), Path("README.ja.md"))
BEGIN = "<!-- truth bench, {}: begin; written by `python -m benchmarks.truth report --write` -->"
END = "<!-- truth bench, {}: end -->"
GROUPS = {"3": "three seeds together", "1": "single trainings"}
STOPS = "stops"
Groups = dict[str, dict[str, Measured]]
Record = dict[str, Groups]
"""Part -> group of judgements, or `STOPS` -> measure -> what was measured."""


def measured(judged: pd.DataFrame, stopped: pd.DataFrame) -> Record:
    """Every measure of every part, from the tables that `judge` writes."""
    found: Record = {}
    for part in PARTS:
        own = judged[judged["part"] == part]
        if own.empty:
            continue
        rules = stopped[stopped["part"] == part]
        found[part] = {
            seeds: measures.all_of(own[own["seeds"] == int(seeds)], measures.of_judgements)
            for seeds in GROUPS
        }
        if len(rules):
            found[part][STOPS] = measures.all_of(rules, measures.of_stops)
    return found


def save(found: Record, path: Path = RECORD) -> None:
    """Write the record, five significant digits each."""
    write_json(
        path,
        {
            part: {
                group: {
                    name: [
                        one.cases,
                        *(_short(x) for x in (one.value, one.low, one.high)),
                        one.form,
                    ]
                    for name, one in own.items()
                }
                for group, own in groups.items()
            }
            for part, groups in found.items()
        },
        sort_keys=False,
    )


def load(path: Path = RECORD) -> Record:
    """The record as it was saved."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {
        part: {
            group: {
                name: Measured(cases, _number(value), _number(low), _number(high), form)
                for name, (cases, value, low, high, form) in own.items()
            }
            for group, own in groups.items()
        }
        for part, groups in found.items()
    }


def _number(found: float | None) -> float:
    return float("nan") if found is None else found


def _short(number: float) -> float | None:
    return float(f"{number:.5g}") if number == number else None


def tables(groups: Groups) -> str:
    """All that was measured of one part, in Markdown."""
    return "\n\n".join(
        f"**{named}** ({of_all(groups[seeds])} judgements)\n\n{_table(groups[seeds])}"
        for seeds, named in GROUPS.items()
    )


def of_all(group: Mapping[str, Measured]) -> int:
    """How many cases a group has."""
    return max(one.cases for one in group.values())


def _table(found: Mapping[str, Measured]) -> str:
    lines = [
        [name, str(one.cases), one.form.format(one.value), ends(one)]
        for name, one in found.items()
        if one.cases
    ]
    return in_markdown(["", "cases", "measured", "95 % interval"], lines)


def beside(found: Sequence[Mapping[str, Measured]], heads: Sequence[str]) -> str:
    """The same measures of several groups side by side, in Markdown."""
    lines = []
    for name in found[0]:
        own = [group[name] for group in found]
        told = [f"{one.form.format(one.value)} ({ends(one)}; {one.cases})" for one in own]
        lines.append([name, *told])
    return in_markdown(["", *heads], lines)


def in_markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    ruler = "|" + "---|" * len(head)
    return "\n".join([f"| {' | '.join(head)} |", ruler, *(f"| {' | '.join(x)} |" for x in lines)])


def ends(one: Measured, to: str = " to ") -> str:
    """The interval as it is written."""
    return f"{one.form.format(one.low)}{to}{one.form.format(one.high)}"


def early_stopping(found: Mapping[str, Measured]) -> str:
    """What each rule of early stopping did, in Markdown."""
    heads = {
        "stopped": "stopped",
        "stopped wrongly": "stopped wrongly",
        "missed": "damaged, not stopped",
        "epochs saved": "epochs saved",
        "accuracy against last": "accuracy against the last epoch",
        "accuracy against best": "against its best epoch",
        "loss against last": "loss against the last epoch",
        "loss against best": "against its best epoch",
        "calibrated_loss against last": "calibrated loss against the last epoch",
        "calibrated_loss against best": "against its best epoch",
    }
    lines = []
    for rule in stopping.RULES:
        own = {name: found[f"{rule}: {name}"] for name in heads}
        # An error rate that rises is accuracy given up.
        cells = [_turned(one) if name.startswith("accuracy") else one for name, one in own.items()]
        lines.append([rule, *(f"{one.form.format(one.value)} ({ends(one)})" for one in cells)])
    return in_markdown([f"{of_all(found):,} trainings", *heads.values()], lines)


def _turned(one: Measured) -> Measured:
    return Measured(one.cases, -one.value, -one.high, -one.low, one.form)


def must_show(found: Record) -> str:
    """The measures of the part that nothing is tuned on, beside the bars they are held to."""
    lines = []
    for bar in bars.BARS:
        one = found["report"]["3"][bar.measure]
        told = [bar.measure, str(one.cases), one.form.format(one.value), ends(one)]
        lines.append([*told, bar.told("least"), bar.told("aim"), bar.reached(one)])
    head = ["", "cases", "measured", "95 % interval", "at least", "aim", "reached"]
    return in_markdown(head, lines)


def _by_score(groups: Groups, language: str) -> str:
    words, own = bars.WORDS[language], groups["3"]
    lines = []
    for score in SCORES:
        name = score.replace("_", " ")
        of_p = [own[f"P(material), {name}: {what}"] for what in bars.OF_PROBABILITY]
        brier, base = of_p[-1], own[f"the same of the base rate, {name}"]
        said = own[f"damage of {name} said, truth below half of material"]
        missed = own[f"clear damage of {name} missed, val of {measures.LARGE_VAL} or more"]
        cells = [_cell(one, words) for one in of_p[:-1]]
        cells.append(f"{brier.form.format(brier.value)} ({base.form.format(base.value)})")
        lines.append([words[score], *cells, _cell(said, words), _cell(missed, words)])
    return in_markdown(words["head"].split("|"), lines)


def _cell(one: Measured, words: Mapping[str, str], form: str = "cell") -> str:
    inside = ends(one, words["to"])
    return words[form].format(value=one.form.format(one.value), ends=inside, cases=one.cases)


def in_readme(found: Record, language: str) -> str:
    """What the README says of it, in its language."""
    words, own = bars.WORDS[language], found["report"]["3"]
    lines = [
        [words[name], str(own[name].cases), _cell(own[name], words, "short")]
        for name in bars.IN_README
    ]
    sizes = words["about"].format(report=of_all(own), tune=of_all(found["tune"]["3"]))
    rest = in_markdown(words["head of verdicts"].split("|"), lines)
    stops = found["report"].get(STOPS)
    told = [sizes, _by_score(found["report"], language), rest]
    if stops:
        told.append(_stops_told(stops, words))
    return "\n\n".join(told)


def _stops_told(found: Mapping[str, Measured], words: Mapping[str, str]) -> str:
    def cell(rule: str, name: str) -> str:
        one = found[f"{rule}: {name}"]
        one = _turned(one) if name.startswith("accuracy") else one
        return _cell(one, words, "short")

    names = (
        "stopped wrongly",
        "epochs saved",
        "accuracy against last",
        "calibrated_loss against last",
    )
    rules = ("stop_when loss", "stop_when calibrated_loss", "stop_when accuracy",
             "patience 5, val_loss", "patience 10, val_loss", "patience 5, val_accuracy",
             "patience 10, val_accuracy")  # fmt: skip
    lines = [[f"`{rule}`", *(cell(rule, name) for name in names)] for rule in rules]
    return in_markdown(words["head of stops"].format(cases=of_all(found)).split("|"), lines)


def blocks(found: Record, settings: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Document -> block -> what it says."""
    bench = {"settings": summaries.described(settings), "bars": must_show(found)}
    for part in PARTS:
        groups = found.get(part)
        bench[part] = tables(groups) if groups else "No setting of it has been fitted yet."
        if groups and STOPS in groups and part != "transfer":
            bench[f"early stopping, {part}"] = early_stopping(groups[STOPS])
    bench["remedies"] = "It has not been run yet."
    if remedies.TABLE.exists():
        bench["remedies"] = remedies.described(pd.read_csv(remedies.TABLE))
    return {
        str(DOCUMENTS[0]): bench,
        str(DOCUMENTS[1]): {"readme": in_readme(found, "en")},
        str(DOCUMENTS[2]): {"readme": in_readme(found, "ja")},
    }


def put(text: str, made: Mapping[str, str]) -> str:
    """`text` with each block between its two comments.

    Raises:
        ValueError: the comments of a block are not there.
    """
    for name, block in made.items():
        text = replaced(text, BEGIN.format(name), END.format(name), f"\n{block}\n")
    return text


def stale(root: Path, found: Record, settings: pd.DataFrame) -> Iterator[str]:
    """The documents that say something else than the record."""
    for document, made in blocks(found, settings).items():
        text = (root / document).read_text(encoding="utf-8")
        if put(text, made) != text:
            yield document


def write(root: Path, found: Record, settings: pd.DataFrame) -> None:
    """Renew the blocks of the documents."""
    for document, made in blocks(found, settings).items():
        text = (root / document).read_text(encoding="utf-8")
        write_text(root / document, put(text, made))
