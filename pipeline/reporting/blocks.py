"""What the page is made of: plain records, no HTML. `page.render` alone knows how they look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Verdict = Literal["good_fit", "overfit", "underfit", "data", "undetermined"]
VERDICTS: tuple[Verdict, ...] = ("good_fit", "overfit", "underfit", "data", "undetermined")


@dataclass(frozen=True)
class Prose:
    """A paragraph. `lead` opens a section, `key` states its finding, `note` is small print."""

    text: str
    look: Literal["plain", "lead", "key", "note"] = "plain"
    kind: ClassVar[str] = "prose"


@dataclass(frozen=True)
class Missing:
    """What is not there, why, and the command that makes it."""

    text: str
    command: str = ""
    kind: ClassVar[str] = "missing"


@dataclass(frozen=True)
class Picture:
    """A figure as PNG bytes.

    `finding` states what it shows (it is the alternative text); `reading` says how to read it.
    """

    png: bytes
    title: str
    finding: str
    reading: str = ""
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Cell:
    """One cell. `value` is what a column is sorted by; None sorts last. `swatch` is a colour.

    `detail` stands below the text in small print, such as an interval.
    """

    text: str
    value: float | str | None = None
    swatch: str = ""
    verdict: Verdict | None = None
    detail: str = ""


@dataclass(frozen=True)
class Column:
    """A column's heading, whether it holds numbers, and, if need be, what they mean."""

    label: str
    numeric: bool = False
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """A table that sorts by any column; the first cell of each row is the row's heading."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Terms:
    """Terms with what each means or holds; `code` where terms are names of keys."""

    pairs: Sequence[tuple[str, str]]
    code: bool = False
    kind: ClassVar[str] = "terms"


@dataclass(frozen=True)
class Fact:
    """A number that stands for itself: what it is, the number, and its interval or unit."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class Answer:
    """One model's verdict: the sentence, the numbers behind it, what to try, what is uncertain."""

    model: str
    swatch: str
    verdict: Verdict
    verdict_name: str
    sentence: str
    facts: Sequence[Fact] = ()
    advice: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Answers:
    """The verdicts of all models, side by side."""

    answers: Sequence[Answer]
    kind: ClassVar[str] = "answers"


@dataclass(frozen=True)
class Fold:
    """Blocks under a heading of their own that can be folded away."""

    title: str
    blocks: Sequence["Block"]
    open: bool = False
    swatch: str = ""
    kind: ClassVar[str] = "fold"


Block = Prose | Missing | Picture | Table | Terms | Answers | Fold


@dataclass(frozen=True)
class Section:
    """One part of the page; `name` is its anchor."""

    name: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """The whole page: `headline` is the answer in one sentence, `subject` what it is about."""

    language: str
    title: str
    subject: str
    headline: str
    sections: Sequence[Section]
    colophon: str = ""
