"""What can be told to MLflow, as plain records: a line of JSON each, written now and sent later."""

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

HASH_DIGITS = 32


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
    """The `.keras` file `path`, to be logged and registered; `content` is the hash of its bytes.

    It takes uint8 images `(n, *image_shape)` and gives float32 probabilities of `class_names`.
    """

    run: str
    path: str
    name: str
    registered: str
    content: str
    image_shape: tuple[int, ...]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Champion:
    """The registered model whose file hashes to `content` is now the best one."""

    registered: str
    content: str


@dataclass(frozen=True)
class Judged:
    """Metrics and tags for the newest run called `name` whose tag `curves` is `curves`."""

    name: str
    curves: str
    points: tuple[Point, ...]
    tags: dict[str, str]


@dataclass(frozen=True)
class Described:
    """What MLflow's page of the experiment says, in Markdown."""

    text: str


@dataclass(frozen=True)
class End:
    """A run ends; `status` is FINISHED, FAILED or KILLED."""

    run: str
    status: str
    time: int


Record: TypeAlias = Start | Values | DataUsed | File | Model | Champion | Judged | Described | End
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Record.__args__}


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
        if "points" in fields:
            fields["points"] = [Point(**point) for point in fields["points"]]
        fields = {name: tuple(x) if isinstance(x, list) else x for name, x in fields.items()}
        record: Record = kind(**fields)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a record of a run: {line[:80]!r}") from error
    return record


def file_hash(path: Path) -> str:
    """A hash of a file's bytes: what stages write is the same byte for byte when it is the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:HASH_DIGITS]
