"""What a reader of one format finds: tables and facts, before they are taken for fits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from overfit_atlas.errors import ReadError
from overfit_atlas.files import shortened
from overfit_atlas.readers.records import LoggedFit, Note
from overfit_atlas.readers.table import Table


@dataclass(frozen=True)
class Facts:
    """What a log or its format says beside its curves."""

    num_classes: int | None = None
    num_val_images: int | None = None
    accuracy_is_val: bool = False  # an accuracy without a split is validation's
    other_loss_scale: bool = False  # the format scores its two losses in two ways
    averaged: bool = True  # several rows of an epoch are steps of it, to be averaged


@dataclass(frozen=True)
class Raw:
    """One table of one log: of one fit, or of several that the table tells apart."""

    name: str
    table: Table
    format: str
    facts: Facts = field(default_factory=Facts)
    model: str = ""  # "": the name
    seed: int | None = None
    phase: str | None = None
    not_used: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Part:
    """The fits of one source, and what there is to say of them."""

    format: str
    fits: tuple[LoggedFit, ...]
    not_used: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


def joined(parts: list[Part]) -> Part:
    """One part of several; "several" where the formats differ."""
    if not parts:
        raise ReadError("no training log found")
    formats = {part.format for part in parts}
    return Part(
        formats.pop() if len(formats) == 1 else "several",
        tuple(fit for part in parts for fit in part.fits),
        tuple(dict.fromkeys(name for part in parts for name in part.not_used)),
        _once(note for part in parts for note in part.notes),
    )


def _once(notes: "object") -> tuple[Note, ...]:
    kept: list[Note] = []
    for note in notes:  # type: ignore[attr-defined]
        if note not in kept:
            kept.append(note)
    return tuple(kept)


def named(values: Mapping[str, object]) -> str:
    """The first names of a mapping, for a message."""
    names = [shortened(name) for name in values]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "nothing"
