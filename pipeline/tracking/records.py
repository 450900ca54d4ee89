"""What can be told to MLflow, as plain records: sent at once, or kept in a file and sent later."""

import dataclasses
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Start:
    """A run begins. `run` is our own key for it, so that it needs no answer from the server."""

    run: str
    name: str
    parent: str | None
    time: int
    tags: dict[str, str]


@dataclass(frozen=True)
class Point:
    """One value of one metric; `time` in milliseconds since 1970."""

    name: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class Values:
    """Metrics, parameters and tags of a run."""

    run: str
    points: tuple[Point, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataUsed:
    """The data set a run read."""

    run: str
    name: str
    digest: str
    source: str
    profile: str


@dataclass(frozen=True)
class File:
    """An artifact: `path` is relative to the folder the record comes with."""

    run: str
    path: str
    folder: str | None = None


@dataclass(frozen=True)
class Model:
    """A saved MLflow model in the folder `path`; `content` is the hash of its weights."""

    run: str
    path: str
    name: str
    registered: str
    content: str


@dataclass(frozen=True)
class Champion:
    """The registered model whose weights hash to `content` is now the best one."""

    registered: str
    content: str


@dataclass(frozen=True)
class End:
    """A run ends; `status` is FINISHED, FAILED or KILLED."""

    run: str
    status: str
    time: int


Record: TypeAlias = Start | Values | DataUsed | File | Model | Champion | End
KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Start, Values, DataUsed, File, Model, Champion, End)
}


def new_key() -> str:
    """A key no other run has."""
    return uuid.uuid4().hex


def profile(counts: Mapping[str, Sequence[int]]) -> str:
    """Images per split, and per class of it, as MLflow shows it beside a data set."""
    totals = {f"num_{split}": sum(classes) for split, classes in counts.items()}
    per_class = {split: list(classes) for split, classes in counts.items()}
    return json.dumps({**totals, "per_class": per_class})


def to_line(record: Record) -> str:
    """`record` as one line of JSON."""
    return json.dumps({"kind": type(record).__name__, **dataclasses.asdict(record)})


def from_line(line: str) -> Record:
    """The record `to_line` wrote.

    Raises:
        ValueError: the line is not one of these records.
    """
    fields = json.loads(line)
    try:
        kind = KINDS[fields.pop("kind")]
        if kind is Values:
            fields["points"] = tuple(Point(**point) for point in fields["points"])
        record: Record = kind(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a record of a run: {line[:80]!r}") from error
    return record
