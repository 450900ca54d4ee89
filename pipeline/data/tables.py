"""Images in one folder with a table of their labels: labels.csv, train.csv, ... by meaning.

A column whose cells are names of files says which image, a column named like a label (or 0/1
columns, one for each class) says its class, a column of train, val and test says its part. Cells
are compared with the names of files that are there; none is ever opened as a path.
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.data import DataError
from pipeline.data.labelled import SPLIT_NAMES, Labelled, is_flat, split_of
from pipeline.data.walking import NO_LABEL, File, Folder, escaped, is_image

SUFFIXES = (".csv", ".tsv")
MAX_BYTES, MAX_DEPTH = 1 << 28, 2
_LABELS = (
    "label",
    "labels",
    "class",
    "class_name",
    "classname",
    "category",
    "target",
    "y",
    "species",
    "breed",
    "diagnosis",
    "dx",
    "label_name",
    "class_id",
    "label_id",
    "category_id",
)
_NAMES = frozenset(("image", "img", "file", "filename", "id", "name", "path", "filepaths"))
_FAKE = frozenset(("submission", "sample"))  # Kaggle's: made-up labels in the form of an answer
Index = Mapping[str, Sequence[File]]


@dataclass(frozen=True)
class Found:
    """All files with what the tables say of them, and how the tables were read."""

    files: tuple[Labelled, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of text: `rows` have as many cells as `header`."""

    file: File
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, index: int) -> list[str]:
        """The cells of one column."""
        return [row[index] for row in self.rows]


@dataclass(frozen=True)
class _Meaning:
    """What the columns of a table are: the name of the image, labels, and the part."""

    name: int
    labels: tuple[str, ...]
    split: int | None
    said: str


def read(root: Folder, top: Folder) -> Found | None:
    """The images of `top` with labels from tables in `root`; None where folders are the classes.

    Raises:
        DataError: a table names the images, yet which of its columns is the label is not clear, or
            an image has several labels.
    """
    if not _needs_labels(top):
        return None
    index = _index(top)
    found: list[Labelled] = []
    notes = []
    unclear: list[DataError] = []
    used = set[str]()
    for table in _tables(root):
        try:
            meaning = _meaning(table, index)
        except DataError as error:
            unclear.append(error)
            continue
        if meaning:
            labelled = list(_labelled(table, meaning, index))
            count = sum(not one.file.problem for one in labelled)
            notes.append(f"labels of {count} images from {table.file.path} ({meaning.said})")
            found += labelled
            used.add(table.file.path)
    if not found:
        if unclear:
            raise unclear[0]
        return None
    _refuse_contradictions(found)
    rest, more = _unnamed([file for file in top.below() if file.path not in used], found)
    found = sorted({one.file.path: one for one in found}.values(), key=lambda one: one.order)
    return Found((*found, *rest), (*notes, *more))


def _needs_labels(top: Folder) -> bool:
    if top.images:
        return True
    parts = [folder for folder in top.filled if split_of(folder.name)]
    one = len(top.filled) == 1
    return (one or bool(parts)) and all(is_flat(f) for f in (parts or top.filled))


def _index(top: Folder) -> Index:
    """Images by their path, every shorter end of it, and the same without suffix."""
    index = defaultdict(list)
    for file in top.below():
        if is_image(file.path):
            parts = file.path.split("/")
            for start in range(len(parts)):
                end = "/".join(parts[start:])
                index[end].append(file)
                index[end.rpartition(".")[0]].append(file)
    return index


def _tables(root: Folder, depth: int = 0) -> Iterator[Table]:
    for file in root.files:
        words = set(re.findall("[a-z]+", file.path.rpartition("/")[2].lower()))
        if file.path.lower().endswith(SUFFIXES) and not words & _FAKE:
            yield from _opened(file)
    if depth < MAX_DEPTH:
        for folder in root.folders:
            yield from _tables(folder, depth + 1)


def _opened(file: File) -> Iterator[Table]:
    if file.source.is_symlink() or file.source.stat().st_size > MAX_BYTES:
        return
    text = _text(file.source.read_bytes())
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) > 1 and len(rows[0]) > 1:
        header = tuple(cell.strip() for cell in rows[0])
        width = len(header)
        padded = (tuple(c.strip() for c in (row + [""] * width)[:width]) for row in rows[1:])
        yield Table(file, header, tuple(padded))


def _text(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _meaning(table: Table, index: Index) -> _Meaning | None:
    """What the columns mean; None where the table is not about the images, or has no labels."""
    columns = range(len(table.header))
    name = max(columns, key=lambda i: _names_images(table, i, index))
    if 2 * sum(_key(cell) in index for cell in table.column(name)) < len(table.rows):
        return None
    split = next((i for i in columns if i != name and _is_split(table.column(i))), None)
    others = [i for i in columns if i not in (name, split)]
    label = _label_column(table, others)
    if label is not None:
        labels, what = tuple(table.column(label)), f"column {table.header[label]!r}"
    elif ones := _one_hot(table, others):
        labels, what = ones, f"{len(others)} columns of 0 and 1"
    elif len(others) == 0:
        return None
    else:
        raise DataError(
            f"{table.file.path}: its column {table.header[name]!r} names the images, but which of "
            f"{[table.header[i] for i in others][:10]} is the label is not clear. Name that "
            "column 'label'."
        )
    return _Meaning(name, labels, split, f"{what}, images by {table.header[name]!r}")


def _names_images(table: Table, column: int, index: Index) -> tuple[int, bool]:
    """How surely a column names the images: a whole name counts for more than a bare number."""
    keys = [key for cell in table.column(column) if (key := _key(cell)) in index]
    words = set(re.findall("[a-z]+", table.header[column].lower()))
    return sum(2 if is_image(key) else 1 for key in keys), bool(words & _NAMES)


def _key(cell: str) -> str:
    return cell.replace("\\", "/").removeprefix("./").strip("/")


def _is_split(cells: Sequence[str]) -> bool:
    splits = {SPLIT_NAMES.get(cell.lower()) for cell in cells}
    return "train" in splits and None not in splits


def _label_column(table: Table, others: Sequence[int]) -> int | None:
    """The first column named like a label, or the only one; of equal columns names beat numbers."""
    named = {re.sub(r"[^a-z]+", "_", table.header[i].lower()).strip("_"): i for i in others}
    found = [named[word] for word in _LABELS if word in named]
    if not found:
        return others[0] if len(others) == 1 else None
    first = table.column(found[0])
    for other in found[1:]:
        pairs = set(zip(first, table.column(other), strict=True))
        if not len(pairs) == len(set(first)) == len(set(table.column(other))):
            raise DataError(
                f"{table.file.path}: the columns {table.header[found[0]]!r} and "
                f"{table.header[other]!r} both look like labels, and differ. Keep one of them."
            )
    return next((i for i in found if not all(map(_number, table.column(i)))), found[0])


def _number(cell: str) -> bool:
    return cell.replace(".", "", 1).lstrip("-").isdigit()


def _one_hot(table: Table, others: Sequence[int]) -> tuple[str, ...]:
    """Labels from columns of 0 and 1, one for each class; empty where they are no such columns."""
    cells = [[row[i] for i in others] for row in table.rows]
    if len(others) < 2 or {c for row in cells for c in row} - {"0", "1", "0.0", "1.0"}:
        return ()
    labels = []
    for row, full in zip(cells, table.rows, strict=True):
        ones = [i for i, cell in zip(others, row, strict=True) if cell.startswith("1")]
        if len(ones) != 1:
            raise DataError(
                f"{table.file.path}: {len(ones)} of the columns of 0 and 1 are 1 in the row of "
                f"{escaped(full[0])!r}. One class an image is what can be learned here."
            )
        labels.append(table.header[ones[0]])
    return tuple(labels)


def _labelled(table: Table, meaning: _Meaning, index: Index) -> Iterator[Labelled]:
    of_table = split_of(table.file.path.rpartition("/")[2])
    for row, label in zip(table.rows, meaning.labels, strict=True):
        key = _key(row[meaning.name])
        files = index.get(key, ())
        if len(files) > 1 and of_table:
            files = [file for file in files if _split_of(file) == of_table]
        if len(files) > 1:
            raise DataError(
                f"{table.file.path}: {escaped(key)!r} can be {files[0].path!r} or "
                f"{files[1].path!r}. Write the folder before the name of the image."
            )
        split = SPLIT_NAMES[row[meaning.split].lower()] if meaning.split is not None else None
        if not files:
            problem = f"in {table.file.path}, but not in the folder"
            file = File(escaped(key) or "(no name)", Path(), problem)
        else:
            problem = files[0].problem or ("" if label else NO_LABEL)
            file = replace(files[0], problem=problem)
        yield Labelled(file, split or _split_of(file), escaped(label))


def _split_of(file: File) -> str:
    """The part that the folders above a file name."""
    named = (split_of(folder) for folder in file.path.split("/")[:-1])
    return next((split for split in named if split), "")


def _refuse_contradictions(found: Sequence[Labelled]) -> None:
    first: dict[str, Labelled] = {}
    for one in found:
        other = first.setdefault(one.file.path, one)
        if other.class_name != one.class_name:
            raise DataError(
                f"{one.file.path}: its labels in the tables are {other.class_name!r} and "
                f"{one.class_name!r}. Leave one of them."
            )


def _unnamed(files: Sequence[File], found: Sequence[Labelled]) -> tuple[list[Labelled], list[str]]:
    """Images that no table names: as files without a label, and how many in which folder."""
    named = {one.file.path for one in found}
    rest = [file for file in files if file.path not in named]
    missing = [replace(file, problem=file.problem or NO_LABEL) for file in rest]
    counts: dict[str, int] = defaultdict(int)
    for file in (*missing, *(one.file for one in found)):
        if file.problem == NO_LABEL:
            counts[file.path.rpartition("/")[0] or "the folder"] += 1
    notes = [
        f"{count} images in {where} left out: {NO_LABEL} (`python -m pipeline.stages.predict` "
        "classifies them)"
        for where, count in counts.items()
    ]
    order = sorted(missing, key=lambda file: file.path.split("/"))
    return [Labelled(file, "", "") for file in order], notes
