"""A table as logs have it: columns of numbers with blanks, and columns of text."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.errors import ReadError
from overfit_atlas.readers.records import Floats

Bools = NDArray[np.bool_]

BLANK = {"", "-", "--", "—", "none", "null", "n/a", "na", "no log", "nil", "<na>", "undefined"}
TOO_LARGE = 1e30  # a loss of such size is as lost as an infinite one, and overflows what follows
MAX_CELLS, MAX_COLUMNS = 5_000_000, 10_000
_WRAPPED = re.compile(
    r"^(?:[A-Za-z_][\w.]*\()?\[?\s*([-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf))", re.I
)
_COMMA = re.compile(r"^[-+]?\d+,\d+(?:e[-+]?\d+)?$", re.I)
_THOUSANDS = re.compile(r"^[-+]?\d{1,3}(?:,\d{3})+\.\d+$")
_TENSOR = re.compile(r"^(?:[A-Za-z_][\w.]*\(|\[)")


@dataclass(frozen=True)
class Column:
    """Numbers of shape (num_rows,): NaN where nothing stands or what stands is not finite."""

    values: Floats
    given: Bools  # a number, a NaN or an infinity stands there
    percent: bool = False  # written with a percent sign


@dataclass(frozen=True)
class Table:
    """Columns by name in the log's order; one may have numbers in some rows and text in others."""

    numbers: Mapping[str, Column]
    texts: Mapping[str, tuple[str, ...]]  # "" where a number or nothing stands
    num_rows: int

    def rows(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "Table":
        """The rows of `keep`: a mask or indices."""
        index = np.flatnonzero(keep) if keep.dtype == np.bool_ else keep
        numbers = {
            name: Column(column.values[index], column.given[index], column.percent)
            for name, column in self.numbers.items()
        }
        texts = {name: tuple(text[i] for i in index) for name, text in self.texts.items()}
        return Table(numbers, texts, len(index))

    def only(self, names: Iterable[str]) -> "Table":
        """The columns of `names`, in the order of the log."""
        kept = set(names)
        return Table(
            {name: column for name, column in self.numbers.items() if name in kept},
            {name: text for name, text in self.texts.items() if name in kept},
            self.num_rows,
        )


def number(cell: object) -> float | str | None:
    """What a cell holds: a number, its text, or None where it is blank."""
    if cell is None or isinstance(cell, bool):
        return None if cell is None else float(cell)
    if isinstance(cell, str):
        return _number_of_text(cell)
    try:
        return float(cell)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf
    except (TypeError, ValueError):
        return str(cell)[:200]


def _number_of_text(cell: str) -> float | str | None:
    text = cell.strip().strip("\"'").strip()
    try:
        return float(text)
    except ValueError:
        pass
    if text.lower() in BLANK:
        return None
    if text.endswith("%"):
        return _number_of_text(text[:-1])
    if _THOUSANDS.match(text):
        return float(text.replace(",", ""))
    if _COMMA.match(text):
        return float(text.replace(",", "."))
    if _TENSOR.match(text) and (wrapped := _WRAPPED.match(text)):
        return _number_of_text(wrapped[1])
    return text


def column(cells: Sequence[object]) -> tuple[Column, tuple[str, ...]]:
    """The numbers of `cells`, and their texts where they are no numbers."""
    found = [number(cell) for cell in cells]
    numbers = np.array([x if isinstance(x, float) else math.nan for x in found], dtype=np.float64)
    numbers[~(np.abs(numbers) < TOO_LARGE)] = math.nan
    given = np.array([isinstance(x, float) for x in found], dtype=np.bool_)
    percent = any(isinstance(cell, str) and cell.rstrip().endswith("%") for cell in cells)
    texts = tuple(x if isinstance(x, str) else "" for x in found)
    return Column(numbers, given, percent), texts


def refuse_size(num_rows: int, num_columns: int) -> None:
    """Refuses a table of that size, which is asked before it is built."""
    if num_columns > MAX_COLUMNS or num_rows * num_columns > MAX_CELLS:
        raise ReadError(f"too large for a training log: {num_rows} rows of {num_columns} columns")


def table(columns: Mapping[str, Sequence[object]]) -> Table:
    """A table of `columns` of equal length."""
    num_rows = max((len(cells) for cells in columns.values()), default=0)
    refuse_size(num_rows, len(columns))
    numbers: dict[str, Column] = {}
    texts: dict[str, tuple[str, ...]] = {}
    for name, cells in columns.items():
        found, words = column(cells)
        if found.given.any() or not any(words):
            numbers[name] = found
        if any(words):
            texts[name] = words
    return Table(numbers, texts, num_rows)


def table_of_rows(rows: Sequence[Mapping[str, object]]) -> Table:
    """A table of `rows`, blank where a row lacks a name."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    refuse_size(len(rows), len(names))
    return table({name: [row.get(name) for row in rows] for name in names})
