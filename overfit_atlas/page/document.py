"""What the page holds: plain records, no HTML. `render.html` alone knows how they look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overfit_atlas.estimates import Json

COLOURS = ("#1774e6", "#cc6d14", "#296642", "#99008c", "#664b00", "#d6649f", "#2aa9d8")
"""Of models, in their order: told apart by every kind of colour vision."""
ON_DARK = ("#5b9df5", "#ee9a4d", "#5fb98a", "#e07ad8", "#c9a54a", "#f2a3c4", "#7cd0ee")
"""The same on a dark ground."""


@dataclass(frozen=True)
class Table:
    """A table of texts; the first cell of each row is the row's heading."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Fold:
    """What stands behind "more": a title, paragraphs, tables, and terms with their meanings."""

    title: str
    prose: Sequence[str] = ()
    tables: Sequence[Table] = ()
    terms: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Page:
    """The whole page; what is None or empty is not shown.

    Attributes:
        headline: the answer in one sentence. subject: which images it is about.
        courses: one record a judged model (see `courses.course`).
        advice: what this run measured to help, else what is usually tried.
        scores: the models side by side.
        plane: the map (see `plane.plane`). remedies: effects and curves (see `effects.effects`).
        gallery: images and what was said of them (see `gallery.gallery`). images_said: sentences
            on them: copies, and what a study of single images found.
        classes: tables of single classes by model.
        quiz: questions (see `quiz.questions`).
        more: what stands behind "more" at the end.
    """

    language: str
    headline: str
    subject: str
    courses: Sequence[Json]
    advice: Sequence[str] = ()
    scores: Table | None = None
    plane: Json | None = None
    remedies: Json | None = None
    gallery: Json | None = None
    images_said: Sequence[str] = ()
    classes: Mapping[str, Table] = field(default_factory=dict)
    quiz: Sequence[Json] = ()
    more: Sequence[Fold] = ()
    colophon: str = ""
