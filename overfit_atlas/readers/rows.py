"""Rows of a table taken for the epochs of fits: long tables, columns of models, restarts, steps."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import names
from overfit_atlas.readers.names import is_curve, meaning, split_word, words
from overfit_atlas.readers.raw import Raw, named
from overfit_atlas.readers.records import Floats, Ints, Note
from overfit_atlas.readers.table import Bools, Column, Table, refuse_size

_INDEX = {"", "index", "unnamed: 0", "idx", "#", "level_0"}
_LEADING = re.compile(r"^\D{0,12}?(\d+)(?:\s*/\s*\d+)?\D{0,3}$")
MAX_GROUPS = 1000
VALUE = {"value", "values", "score", "metric_value"}


def curves(table: Table) -> list[str]:
    """The columns of numbers that are losses or accuracies of some kind."""
    return [name for name in table.numbers if is_curve(name)]


def measured(table: Table) -> Bools:
    """Whether a row holds any loss or accuracy."""
    given = [table.numbers[name].given for name in curves(table)]
    return np.any(given, axis=0) if given else np.zeros(table.num_rows, dtype=np.bool_)


def wide(raw: Raw) -> Raw:
    """`raw` with rows of "train" and "val", or of metric and value, turned into columns."""
    table = raw.table
    for name, texts in table.texts.items():
        said = [text for text in texts if text]
        if len(said) < 0.6 * table.num_rows or len(said) < 2:
            continue
        kinds = set(said)
        value = next((v for v in table.numbers if v.strip().lower() in VALUE), None)
        if value and len(kinds) <= 200 and any(is_curve(kind) for kind in kinds):
            table = _with_split(table, name)
            return replace(raw, table=_gathered(_pivoted(table, name, [value], metric=True)))
        few = len(kinds) <= 3 and all(split_word(kind) for kind in kinds)
        if few and curves(table):
            plain = [c for c in curves(table) if meaning(c).split is None]
            if plain:
                return replace(raw, table=_pivoted(table, name, plain, metric=False))
    return raw


def _with_split(table: Table, metric: str) -> Table:
    """`table` whose column of metrics also names the split that another column holds."""
    for name, texts in table.texts.items():
        if name == metric or not all(text and split_word(text) for text in texts):
            continue
        both = tuple(f"{split} {m}" for split, m in zip(texts, table.texts[metric], strict=True))
        rest = {other: text for other, text in table.texts.items() if other != name}
        return Table(table.numbers, rest | {metric: both}, table.num_rows)
    return table


def _pivoted(table: Table, key: str, values: list[str], metric: bool) -> Table:
    """A column for each pair of a value of `key` and a column of `values`; rows as they were."""
    texts = np.array(table.texts[key], dtype=object)
    numbers = {name: column for name, column in table.numbers.items() if name not in values}
    kinds = dict.fromkeys(text for text in table.texts[key] if text)
    refuse_size(table.num_rows, len(numbers) + len(kinds) * len(values))
    for kind in kinds:
        here = texts == kind
        for value in values:
            column = table.numbers[value]
            name = str(kind) if metric else f"{kind} {value}"
            numbers[name] = Column(
                np.where(here, column.values, np.nan), column.given & here, column.percent
            )
    left = {name: text for name, text in table.texts.items() if name != key}
    return Table(numbers, left, table.num_rows)


def members(raw: Raw) -> Iterator[Raw]:
    """`raw` by its columns of models, folds and phases; by no column where there is none."""
    for kind, known in (("model", names.MODELS), ("seed", names.SEEDS), ("phase", names.PHASES)):
        column = next((c for c in _labels(raw.table) if _names_a(c, known)), None)
        if column is None:
            continue
        cells = _cells(raw.table, column)
        parts = list(dict.fromkeys(cell for cell in cells if cell))
        if len(parts) > MAX_GROUPS and len(parts) < raw.table.num_rows:
            raise ReadError(
                f"{raw.name}: {len(parts)} values of {column!r}, more than {MAX_GROUPS}"
            )
        parts = parts[: MAX_GROUPS + 1]
        kept = measured(raw.table)
        sizes = [int(np.sum(kept & (np.array(cells) == part))) for part in parts]
        if not _tells_apart(raw, column, parts, sizes):
            continue
        for part in [p for p, size in zip(parts, sizes, strict=True) if size]:
            rest = raw.table.rows(np.array(cells) == part)
            rest = rest.only(name for name in (*rest.numbers, *rest.texts) if name != column)
            yield from members(_member(replace(raw, table=rest), kind, part))
        return
    yield raw


def _gathered(table: Table) -> Table:
    """Rows of one epoch (or step) and of the same labels put into one."""
    count = next(
        (n for k in ("epoch", "step") for n in table.numbers if meaning(n).kind == k), None
    )
    if count is None:
        return table
    keys = list(zip(table.numbers[count].values.tolist(), *table.texts.values(), strict=True))
    places = {key: i for i, key in enumerate(sorted(set(keys), key=lambda k: (k[1:], k[0])))}
    at = np.array([places[key] for key in keys])
    numbers = {}
    for name, column in table.numbers.items():
        values, given = np.full(len(places), np.nan), np.zeros(len(places), dtype=np.bool_)
        values[at[column.given]], given[at[column.given]] = column.values[column.given], True
        numbers[name] = Column(values, given, column.percent)
    texts = {name: tuple(key[i] for key in places) for i, name in enumerate(table.texts, start=1)}
    return Table(numbers, texts, len(places))


def _labels(table: Table) -> list[str]:
    return [name for name in (*table.texts, *table.numbers) if meaning(name).kind == "other"]


def _names_a(column: str, known: set[str]) -> bool:
    found = [word for word in words(column) if not word.isdigit()]
    return bool(found) and len(found) <= 2 and all(word in known | {"no", "num"} for word in found)


def _cells(table: Table, column: str) -> list[str]:
    if column in table.texts:
        numbers = table.numbers.get(column)
        texts = table.texts[column]
        if numbers is None:
            return list(texts)
        return [
            text or (f"{value:g}" if given else "")
            for text, value, given in zip(texts, numbers.values, numbers.given, strict=True)
        ]
    numbers = table.numbers[column]
    return [
        f"{value:g}" if given else ""
        for value, given in zip(numbers.values, numbers.given, strict=True)
    ]


def _tells_apart(raw: Raw, column: str, parts: list[str], sizes: list[int]) -> bool:
    """Whether the column tells fits apart; refuses a table whose rows are fits."""
    filled = [size for size in sizes if size]
    if len(filled) < 2:
        return False
    epoch = next((c for c in raw.table.numbers if meaning(c).kind == "epoch"), None)
    if max(filled) > 1:
        return True
    if column not in raw.table.texts or (epoch and _rises(raw.table.numbers[epoch].values)):
        return False
    raise ReadError(
        f"{raw.name}: its rows are runs, not epochs: each of the {len(filled)} rows has its own "
        f"{column!r} ({named(dict.fromkeys(parts[:3]))}); give the log of one run, a row an epoch"
    )


def _rises(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 1 and bool(np.all(np.diff(known) == 1))


def _member(raw: Raw, kind: str, part: str) -> Raw:
    if kind == "phase":
        return replace(raw, phase=part)
    if kind == "model":
        return replace(raw, name=part, model=part)
    digits = re.search(r"\d+", part)
    seed = int(digits[0][:9]) if digits else None
    return replace(raw, name=f"{raw.name} {part}" if not digits else f"{raw.name} fold {seed}",
                   model=raw.model or raw.name, seed=seed)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """Rows of one fit: which rows they are, and the epoch of each."""

    rows: Ints
    epochs: Floats  # may be fractions; NaN where the log has no numbers
    numbered: bool  # the log numbers them


def without_summaries(raw: Raw) -> Raw:
    """`raw` without rows that measure nothing, and without a summary ("best") among them."""
    table = raw.table
    kept = measured(table)
    epoch = _epoch_column(table)
    summaries: list[str] = []
    if epoch is not None:
        numbers = table.numbers[epoch]
        texts = table.texts.get(epoch, ("",) * table.num_rows)
        lacking = ~numbers.given & kept
        named_rows = np.array([bool(text) for text in texts]) & lacking
        summaries = [texts[i] for i in np.flatnonzero(named_rows)]
        few = int(lacking.sum()) - len(summaries) <= max(1, 0.1 * kept.sum())
        kept = kept & ~(lacking if few else named_rows)
        summaries += ["a row without an epoch"] if few and lacking.sum() > len(summaries) else []
    note = (Note("summary_row", {"rows": summaries}),) if summaries else ()
    return replace(raw, table=table.rows(kept), notes=(*raw.notes, *note))


def _epoch_column(table: Table) -> str | None:
    _ = table
    found = [(meaning(name).rank, i, name) for i, name in enumerate(table.numbers)
             if meaning(name).kind == "epoch" and table.numbers[name].given.any()]  # fmt: skip
    return min(found)[2] if found else None


def with_epoch_numbers(table: Table) -> Table:
    """`table` with epochs that are written "3/30" or "Epoch 3" read as numbers."""
    for name, texts in table.texts.items():
        if meaning(name).kind != "epoch":
            continue
        found = [_LEADING.match(text) for text in texts]
        if sum(match is not None for match in found) < 0.6 * table.num_rows:
            continue
        values = np.array([float(m[1][:15]) if m else np.nan for m in found])
        numbers = {name: Column(values, np.isfinite(values))} | {
            other: column for other, column in table.numbers.items() if other != name
        }
        rest = tuple("" if match else text for match, text in zip(found, texts, strict=True))
        return Table(numbers, {**table.texts, name: rest}, table.num_rows)
    return table


def epochs(table: Table) -> tuple[Floats, bool]:
    """The epoch of each row, and whether the log numbers them (else NaN)."""
    name = _epoch_column(table)
    if name is not None:
        values = table.numbers[name].values.copy()
        known = np.where(np.isfinite(values), np.arange(len(values)), -1)
        last = np.maximum.accumulate(known)
        return np.where(last >= 0, values[np.maximum(last, 0)], np.nan), True
    for name in table.numbers:
        steps = meaning(name).kind == "step" or name.strip().lower() in {*_INDEX, "_step"}
        values = table.numbers[name].values
        if steps and len(values) and values[0] in (0, 1) and (_rises(values) or len(values) == 1):
            return values.copy(), True
    return np.full(table.num_rows, np.nan), False


def runs(name: str, at: Floats, whole: Bools) -> tuple[list[Ints], list[Note]]:
    """The rows of each run in a log whose epochs are `at`, and what is to be said of them.

    `whole` tells which rows hold both training and validation: where such rows repeat an epoch
    they are another run or a resumed one, and no steps. A restart at the first epoch begins a
    run; a restart later than that resumes it, and its rows take the place of those before.
    """
    if not np.isfinite(at).all():
        return [np.arange(len(at))], []
    down = np.diff(at) < 0
    again = (np.diff(at) == 0) & whole[1:] & whole[:-1]
    if not down.any() and not again.any():
        return [np.arange(len(at))], []
    unique = np.unique(at)
    if len(unique) == len(at) and (np.all(np.diff(unique) == 1) or not (~down).any()):
        return [np.argsort(at, kind="stable")], [Note("sorted_by_epoch")]
    _refuse_rows_that_are_runs(name, at, down | again, int(again.sum()))
    parts = np.split(np.arange(len(at)), np.flatnonzero(down | again) + 1)
    return _resumed(at, parts)


def _resumed(at: Floats, parts: Sequence[Ints]) -> tuple[list[Ints], list[Note]]:
    found: list[Ints] = [parts[0]]
    starts, resumed = [], []
    for part in parts[1:]:
        if at[part[0]] > at[found[-1][0]]:
            found[-1] = np.concatenate([found[-1][at[found[-1]] < at[part[0]]], part])
            resumed.append(int(at[part[0]]))
        else:
            found.append(part)
            starts.append(int(part[0]) + 1)
    notes = [Note("resumed", {"epochs": resumed})] if resumed else []
    if starts:
        lengths = [len(np.unique(at[part])) for part in found]
        notes.append(Note("appended_runs", {"rows": starts, "epochs": lengths}))
    return found, notes


def _refuse_rows_that_are_runs(name: str, at: Floats, breaks: Bools, again: int) -> None:
    """Refuses epochs that neither rise nor restart: a table of runs, or runs interleaved."""
    rising = np.diff(at)[~breaks]
    usual = np.median(rising[rising > 0]) if (rising > 0).any() else 0.0
    regular = float(np.mean((rising == usual) | (rising == 0))) if len(rising) else 1.0
    if again >= 0.4 * len(at) and len(np.unique(at)) > 1:
        raise ReadError(
            f"{name}: the epochs go {_first(at)}: several runs row by row, and no column tells "
            "which row is of which run; give one file a run, or a column such as 'run'"
        )
    if regular < 0.7 or (len(at) > 2 and at[0] > 1 and len(set(at[1:][breaks])) > 1):
        raise ReadError(
            f"{name}: its rows are runs, not epochs: the epochs neither rise one by one nor "
            f"restart ({_first(at)}); give the log of one run, a row an epoch"
        )


def _first(at: Floats) -> str:
    return ", ".join(f"{value:g}" for value in at[:8]) + (", ..." if len(at) > 8 else "")
