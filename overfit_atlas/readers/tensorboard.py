"""TensorBoard: event files, read without TensorBoard, and the curves that it exports.

An event file is a row of records, each an 8-byte length, a 4-byte checksum, the record and its
checksum (TFRecord); a record is a protobuf message Event: step = 2, summary = 5; a summary's values
= 1 have tag = 1, simple_value = 2 and, since TensorFlow 2, tensor = 8, whose type = 1, bytes = 4
and floats = 5. All other fields are skipped.
"""

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path

from overfit_atlas.errors import ReadError
from overfit_atlas.readers.names import split_word
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.single_curves import merged
from overfit_atlas.readers.source import Source, shown
from overfit_atlas.readers.table import number

_FLOAT, _DOUBLE, _INT32, _INT64 = 1, 2, 3, 9  # TensorFlow's DataType
MAX_POINTS = 1_000_000
Curves = dict[str, list[tuple[float, float]]]


def is_events(source: Source) -> bool:
    """Whether the bytes start with a record of the length that an event file's first one has."""
    data = source.data
    if len(data) < 24:
        return False
    (length,) = struct.unpack_from("<Q", data)
    return bool(4 <= length <= 1000 and len(data) >= 16 + length and data[12] == 0x09)


def read(source: Source) -> list[Raw] | None:
    """The table of one event file, None where it is none."""
    if not is_events(source):
        return None
    curves = scalars(source)
    own = source.path.parent if source.path is not None else None
    other = _other_half(own) if own is not None and _is_part(own) else None
    if own is not None and other is not None:
        raise ReadError(
            f"{source.label}: one half of a run ({shown(own.name)}); give the folder "
            f"{shown(own.parent.name)}, which holds {shown(other.name)} too"
        )
    return [merged(_of_keras(curves), source.name, "tensorboard events")]


def _of_keras(curves: Curves) -> Curves:
    """Curves of one file, named after validation where Keras' writer of validation wrote them.

    It writes "epoch_loss" as the writer of training does, and "evaluation_loss_vs_iterations".
    """
    if not any(map(_by_iterations, curves)):
        return curves
    return {f"validation {tag}": own for tag, own in curves.items() if tag.startswith("epoch_")}


def _by_iterations(tag: str) -> bool:
    """Whether a curve is Keras' second one of an evaluation, counted by training's batches."""
    return tag.startswith("evaluation_") and tag.endswith("_vs_iterations")


def _other_half(folder: Path) -> Path | None:
    """The folder beside `folder` that holds event files of the other split."""
    try:
        beside = sorted(path for path in folder.parent.iterdir() if path.is_dir())[:100]
        return next(
            (path for path in beside
             if path != folder and _is_part(path) and any(path.glob("*tfevents*"))), None
        )  # fmt: skip
    except OSError:
        return None


def scalars(source: Source) -> Curves:
    """The curves of an event file by tag, as (step, value); of a cut file what is whole."""
    curves: Curves = {}
    count = 0
    for record in _records(source.data):
        for tag, step, value in _points(record):
            curves.setdefault(tag, []).append((step, value))
            count += 1
            if count > MAX_POINTS:
                raise ReadError(f"{source.label}: more than {MAX_POINTS} points")
    return curves


def _records(data: bytes) -> Iterator[bytes]:
    position = 0
    while position + 16 <= len(data):
        (length,) = struct.unpack_from("<Q", data, position)
        end = position + 12 + length
        if end + 4 > len(data):
            return
        yield data[position + 12 : end]
        position = end + 4


def _fields(message: bytes) -> Iterator[tuple[int, object]]:
    """Number and value of each field of a protobuf message: int, float, or bytes."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            if position + size > len(message):
                return
            form = "<d" if kind == 1 else "<f"
            yield key >> 3, struct.unpack_from(form, message, position)[0]
            position += size
        elif kind == 2:
            size, position = _varint(message, position)
            if position + size > len(message):
                return
            yield key >> 3, message[position : position + size]
            position += size
        else:
            return


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while position < len(message) and shift < 70:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    return value, max(position, len(message))


def _points(record: bytes) -> Iterator[tuple[str, float, float]]:
    step, summaries = 0, []
    for key, value in _fields(record):
        if key == 2 and isinstance(value, int):
            step = value
        elif key == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for key, value in _fields(summary):
            if key == 1 and isinstance(value, bytes):
                tag, scalar = _value(value)
                if tag and scalar is not None and step < 2**53:
                    yield tag, float(step), scalar


def _value(message: bytes) -> tuple[str, float | None]:
    tag, scalar = "", None
    for key, value in _fields(message):
        if key == 1 and isinstance(value, bytes):
            tag = value.decode("utf-8", "replace")[:200]
        elif key == 2 and isinstance(value, float):
            scalar = value
        elif key == 8 and isinstance(value, bytes):
            scalar = _tensor(value)
    return tag, scalar


def _tensor(message: bytes) -> float | None:
    """The number in a tensor of one number, else None."""
    kind, content, floats = 0, b"", []
    for key, value in _fields(message):
        if key == 1 and isinstance(value, int):
            kind = value
        elif key == 4 and isinstance(value, bytes):
            content = value
        elif key == 5:
            floats.append(value)
    form = {_FLOAT: "<f", _DOUBLE: "<d", _INT32: "<i", _INT64: "<q"}.get(kind)
    if form and len(content) == struct.calcsize(form):
        return float(struct.unpack(form, content)[0])
    if len(floats) == 1:
        found = floats[0]
        if isinstance(found, bytes) and len(found) == 4:
            return float(struct.unpack("<f", found)[0])
        return float(found) if isinstance(found, float) else None
    return None


def of_folder(files: list[Source], folder: Path) -> list[Raw]:
    """One table a run: event files of a folder and of its folders "train" and "validation"."""
    runs: dict[Path, Curves] = {}
    for source in files:
        path = source.path or folder
        run, prefix = path.parent, ""
        if run != folder and _is_part(run):
            run, prefix = run.parent, f"{run.name} "
        for tag, points in scalars(source).items():
            if _by_iterations(tag):
                continue
            name = tag if split_word(tag.split("/")[0]) else f"{prefix}{tag}"
            runs.setdefault(run, {}).setdefault(name, []).extend(points)
    names = {run: run.name for run in runs}
    return [merged(curves, names[run], "tensorboard events") for run, curves in runs.items()]


def _is_part(folder: Path) -> bool:
    """Whether a folder holds a split of a run ("train", or "Loss_train" of add_scalars)."""
    last = folder.name.replace("-", "_").split("_")[-1]
    return split_word(folder.name) is not None or split_word(last) is not None


def export(source: Source) -> tuple[str, list[tuple[float, float]]] | None:
    """Name and points of a curve that TensorBoard exported as CSV or JSON, None for all else."""
    text = source.text.lstrip()
    rows: list[list[object]] = []
    if text[:30].replace('"', "").lower().startswith("wall time,step,value"):
        rows = [list(line.split(",")) for line in text.splitlines()[1:] if line.count(",") == 2]
    elif text.startswith("[["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not all(isinstance(row, list) and len(row) == 3 for row in found):
            return None
        if not all(isinstance(row[0], float | int) and row[0] > 1e8 for row in found):
            return None
        rows = found
    points = [(number(row[1]), number(row[2])) for row in rows]
    kept = [(s, v) for s, v in points if isinstance(s, float) and isinstance(v, float)]
    kept = [(s, v) for s, v in kept if math.isfinite(s)]
    return (_tag(source.name), kept) if kept else None


def _tag(stem: str) -> str:
    """The split and tag in the name of an exported file ("run-train-tag-epoch_loss")."""
    run, mark, tag = stem.rpartition("-tag-")
    run = run.removeprefix("run-")
    last = run.replace("/", "_").replace("-", "_").split("_")[-1]
    split = f"{last} " if mark and split_word(last) else ""
    return f"{split}{tag}"


def refuse_one(source: Source) -> list[Raw] | None:
    """Refuses one exported curve, as a verdict needs two; None for all else."""
    found = export(source)
    if found is None:
        return None
    raise ReadError(
        f"{source.label}: one curve that TensorBoard exported ({found[0]}); give the folder with "
        "the curves of training and validation, or the event files"
    )
