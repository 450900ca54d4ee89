"""diagnosis.json as the page reads it: what is missing there is None here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.reporting.blocks import VERDICTS, Verdict

SCORES = ("loss", "calibrated_loss", "accuracy")


@dataclass(frozen=True)
class Number:
    """A number with the ends of its interval, where they are known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Onset:
    """Where a score is best, with its interval, and whether overfitting begins there.

    `epoch` is None unless `status` is "confirmed"; otherwise that is "none" or "censored".
    """

    status: str
    epoch: int | None
    best_epoch: int
    low: int
    high: int
    last_epoch: int


@dataclass(frozen=True)
class Diagnosis:
    """What was found for one model."""

    document: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        """The verdict by its name in code; "undetermined" for one that is not known here."""
        name = str(self.document.get("verdict", "")).replace(" ", "_")
        return next((known for known in VERDICTS if known == name), "undetermined")

    def says(self, verdict: Verdict) -> bool:
        """Whether that is the verdict on a training; a model without epochs has none."""
        return self.verdict == verdict and self.document.get("num_epochs") != 0

    def title(self, language: str) -> str:
        """Verdict and kind in words, or nothing."""
        return _said(self.document.get("title"), language)

    @property
    def probability(self) -> float | None:
        """Of the likeliest verdict."""
        found = self.number("probability")
        return None if found is None else found.value

    def why(self, language: str) -> str:
        """The sentence that says why, or nothing."""
        return _said(self.document.get("why"), language)

    def remedies(self, language: str) -> Sequence[str]:
        """What is usually worth trying, most promising first."""
        return [_said(remedy, language) for remedy in self.document.get("remedies", ())]

    def notes(self, language: str) -> Sequence[str]:
        """What makes the verdict less certain."""
        return [_said(note, language) for note in self.document.get("notes", ())]

    @property
    def stops(self) -> Mapping[str, Mapping[str, Any]]:
        """By rule of early stopping: `median` epoch, `num_stopped`, and the `seeds` one by one."""
        found = self.document.get("early_stopping")
        return found if isinstance(found, Mapping) else {}

    def onset(self, score: str) -> Onset | None:
        """Best epoch and onset of one of `SCORES`."""
        found = self._at("onset", score)
        if not isinstance(found, Mapping):
            return None
        fields: dict[str, Any] = {name: found.get(name) for name in Onset.__dataclass_fields__}
        return Onset(**fields)

    def number(self, *path: str) -> Number | None:
        """The number at `path` ("gap", "loss"), with its interval."""
        found = self._at(*path)
        if isinstance(found, Mapping):
            value = found.get("value")
            return (
                None if value is None else Number(float(value), found.get("low"), found.get("high"))
            )
        return Number(float(found)) if isinstance(found, int | float) else None

    def _at(self, *path: str) -> Any:
        found: Any = self.document
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


def _said(message: Any, language: str) -> str:
    if isinstance(message, Mapping):
        return str(message.get(language) or message.get("en") or message.get("key", ""))
    return str(message or "")
