"""A diagnosis in words, for the terminal and the notebook."""

from collections.abc import Iterator

import numpy as np

from pipeline.diagnosis.onset import Onsets
from pipeline.diagnosis.record import Diagnosis
from pipeline.texts import text


def report(diagnosis: Diagnosis, language: str = "en") -> str:
    """Verdict, why, onsets, gap, what is uncertain, and what is worth trying, in `language`."""
    return "\n".join(_lines(diagnosis, language))


def _lines(diagnosis: Diagnosis, language: str) -> Iterator[str]:
    def say(key: str, **values: object) -> str:
        return text(f"verdict.{key}", language, **values)

    verdict = say(f"name.{diagnosis.verdict.replace(' ', '_')}")
    yield say("report.verdict", name=diagnosis.name, verdict=verdict)
    yield diagnosis.judgement.why.text(language)
    yield ""
    for score, onsets in diagnosis.onsets.items():
        one = "_one" if onsets.status == "confirmed" and len(onsets.seeds) == 1 else ""
        state = say(f"report.{onsets.status}{one}", **_values(onsets))
        yield say("report.onset", score=say(f"score.{score}"), state=state)
    notes = diagnosis.notes
    gap, running = diagnosis.gap.get("loss/last"), diagnosis.running_gap.get("loss")
    if gap is not None:
        yield say("report.gap_plain" if gap.low is None else "report.gap", **vars(gap))
    if running is not None and not any(note.key == "verdict.note.no_probe" for note in notes):
        yield say("report.running", value=running.value)
    sections = {
        "less_certain": [note.text(language) for note in notes],
        "try": [say(f"remedy.{name}") for name in diagnosis.judgement.remedies],
    }
    for title, entries in sections.items():
        if entries:
            yield ""
            yield say(f"report.{title}")
            yield from (f"- {entry}" for entry in entries)


def _values(onsets: Onsets) -> dict[str, object]:
    return vars(onsets) | {
        "num_seeds": len(onsets.seeds),
        "best": float(np.median([one.best_epoch for one in onsets.seeds])),
        "last_epoch": max(one.last_epoch for one in onsets.seeds),
    }
