"""Nested data (JSON, dicts, lists of rows, data frames) taken for tables."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import names
from overfit_atlas.readers.names import is_curve, meaning, words
from overfit_atlas.readers.raw import Facts, Raw, named
from overfit_atlas.readers.records import Note
from overfit_atlas.readers.table import MAX_CELLS, Table, number, table, table_of_rows
from overfit_atlas.readers.tables import family

MAX_DEPTH = 12
MAX_ROWS, MAX_FITS, MAX_CURVES = 1_000_000, 1000, 50_000
_EPOCH_KEY = re.compile(r"^\s*(?:epoch|ep|step)?[\s_:#-]*(\d{1,9})\s*$", re.I)
_WRAPPERS = {"history", "metrics", "logs", "log", "results", "result", "curves", "data", "evals"}
_CLASSES = {"num_classes", "n_classes", "nb_classes", "numclasses", "n_class"}
_IMAGES = {"num_val_samples", "val_samples", "num_val_images", "n_val", "num_val"}


@dataclass(frozen=True)
class _Leaf:
    path: tuple[str, ...]
    values: list[object]


def read(data: object, name: str, format: str = "keras history") -> list[Raw]:
    """The tables in `data`; refuses with what was found where there is none."""
    if _is_list(data):
        return _of_list(list(data), name, format)  # type: ignore[call-overload]
    if not isinstance(data, Mapping):
        raise ReadError(f"{name}: {_kind(data)}, expected a mapping of names to lists of numbers")
    keyed = {str(key): value for key, value in data.items()}
    found = _known_shape(keyed, name, format)
    return found if found is not None else _of_leaves(keyed, name, format)


def _known_shape(data: dict[str, object], name: str, format: str) -> list[Raw] | None:
    """Tables of shapes that tell themselves: trainer_state, pandas' orients, epochs as keys."""
    if {"trial_id", "hyperparameters"} <= set(data):
        raise ReadError(
            f"{name}: a trial of Keras Tuner, which keeps the best score of each metric and no "
            "curves; log the fit itself, as by keras.callbacks.CSVLogger"
        )
    history = data.get("log_history")
    if _is_list(history):
        return _of_list(list(history), name, "huggingface")  # type: ignore[call-overload]
    if {"columns", "data"} <= set(data) and _is_list(data["columns"]) and _is_list(data["data"]):
        return [_split_orient(data, name)]
    if "schema" in data and _is_list(data.get("data")):
        return _of_list(list(data["data"]), name, "json records")  # type: ignore[call-overload]
    keys = [_EPOCH_KEY.match(key) for key in data]
    inner = [value for value in data.values() if isinstance(value, Mapping)]
    if (
        len(data) > 1
        and all(keys)
        and len(inner) == len(data)
        and not any(map(_holds_lists, inner))
    ):
        numbers = [int(key[1]) for key in keys if key]
        rows = [{"epoch": n, **_flat(row)} for n, row in zip(numbers, inner, strict=True)]
        return [Raw(name, table_of_rows(rows), "json records")]
    return None


def _split_orient(data: dict[str, object], name: str) -> Raw:
    header = [str(column) for column in data["columns"]]  # type: ignore[attr-defined]
    rows = [list(row) for row in data["data"] if _is_list(row)]  # type: ignore[attr-defined]
    if any(len(row) != len(header) for row in rows) or not rows:
        raise ReadError(f"{name}: rows that do not fit the {len(header)} columns")
    built = table({column: [row[i] for row in rows] for i, column in enumerate(header)})
    return Raw(name, built, "json split", family(header)[1])


def _of_list(data: list[object], name: str, format: str) -> list[Raw]:
    """Rows as mappings; or a list of histories, each a fit of its own."""
    if len(data) > MAX_ROWS:
        raise ReadError(f"{name}: {len(data)} rows, more than any training log has")
    if data and all(_is_list(x) and len(x) == 2 and isinstance(x[0], str) for x in data):  # type: ignore[arg-type,index]
        return read({x[0]: x[1] for x in data}, name, format)  # type: ignore[index]
    mappings = [row for row in data if isinstance(row, Mapping)]
    if not data or len(mappings) != len(data):
        inner = [len(row) for row in data if _is_list(row)]  # type: ignore[arg-type]
        if inner and len(inner) == len(data):
            raise ReadError(
                f"{name}: {len(data)} lists of {inner[0]} values without names (pandas' orient "
                "'values'); save with names, as by to_json(orient='records')"
            )
        raise ReadError(f"{name}: a list of {_kind(data[0]) if data else 'nothing'}, expected rows")
    if any(_holds_lists(row) for row in mappings) and not all(map(_is_row, mappings)):
        return [
            raw for i, row in enumerate(mappings) for raw in read(row, f"{name} {i + 1}", format)
        ]
    rows = [_flat(row) for row in mappings]
    header = list(dict.fromkeys(key for row in rows for key in row))
    found, facts = family(header)
    if format == "huggingface":
        facts = Facts(accuracy_is_val=False)
    elif format == "keras history":
        format = "json records" if found in {"table", "keras csvlogger"} else found
    return [Raw(name, table_of_rows(rows), format, facts)]


def _is_row(row: Mapping[object, object]) -> bool:
    """Whether a mapping with lists is one epoch all the same: its lists are of batches (skorch)."""
    lists = {str(key): value for key, value in row.items() if _is_list(value)}
    batches = all(isinstance(x, Mapping) for own in lists.values() for x in own)  # type: ignore[attr-defined]
    inner = any(isinstance(x, Mapping) and _holds_lists(x) for x in row.values())
    numbers = [key for key, value in row.items() if isinstance(value, int | float)]
    return batches and not inner and any(is_curve(str(key)) for key in numbers)


def _flat(row: Mapping[object, object], depth: int = 0) -> dict[str, object]:
    out: dict[str, object] = {}
    for key, value in row.items():
        if isinstance(value, Mapping) and depth < MAX_DEPTH:
            inner = _flat(value, depth + 1)
            out |= {f"{key}/{name}": cell for name, cell in inner.items()}
        elif not _is_list(value):
            out[str(key)] = value
        elif len(value) == 1:  # type: ignore[arg-type]
            out[str(key)] = value[0]  # type: ignore[index]
    return out


def _of_leaves(data: dict[str, object], name: str, format: str) -> list[Raw]:
    """A table for each group of curves in nested mappings of lists."""
    leaves = list(itertools.islice(_leaves(data, (), 0), MAX_CURVES + 1))
    if len(leaves) > MAX_CURVES:
        raise ReadError(f"{name}: more than {MAX_CURVES} lists; a training log has fewer")
    if not leaves:
        raise ReadError(
            f"{name}: single values and no curves ({named(data)}); expected lists with a number "
            "an epoch, such as loss and val_loss"
        )
    groups: dict[tuple[str, ...], list[_Leaf]] = {}
    for leaf in leaves:
        group = tuple(part for part in leaf.path[:-1] if not _part_of_name(part))
        groups.setdefault(group, []).append(leaf)
    curved = {g: own for g, own in groups.items() if any(is_curve(_name(x, g)) for x in own)}
    if not curved:
        raise ReadError(f"{name}: no loss and no accuracy among {named(data)}")
    scalars = tuple(key for key, value in data.items() if not _is_list(value)
                    and not isinstance(value, Mapping))  # fmt: skip
    if len(curved) > MAX_FITS:
        raise ReadError(f"{name}: {len(curved)} histories, more than {MAX_FITS}")
    raws = []
    for group, own in curved.items():
        raw = _placed(Raw(name, Table({}, {}, 0), format, _facts(data), not_used=scalars), group)
        raws += _tables(raw, {_name(leaf, group): leaf.values for leaf in own})
    return raws


def _placed(raw: Raw, group: tuple[str, ...]) -> Raw:
    """`raw` named after the keys it stood under: a fold of one model, or a model of its own."""
    plain = [key for key in group if key.lower() not in _WRAPPERS]
    if not plain:
        return raw
    seeds = [key for key in plain if set(words(key)) & names.SEEDS]
    models = [key for key in plain if key not in seeds]
    digits = re.search(r"\d+", seeds[0]) if seeds else None
    model = "/".join(models) or raw.name
    name = "/".join(plain) if models else f"{raw.name} {'/'.join(seeds)}"
    return replace(raw, name=name, model=model, seed=int(digits[0][:9]) if digits else None)


def _part_of_name(key: str) -> bool:
    """Whether a key says split or quantity, and no group of its own."""
    means = meaning(key)
    if means.kind in {"loss", "accuracy", "error", "topk"}:
        return not means.group
    found = words(key)
    known = names.TRAIN | names.VAL | names.TEST | names.NEUTRAL
    return bool(found) and all(word in known for word in found)


def _name(leaf: _Leaf, group: tuple[str, ...]) -> str:
    kept = [part for part in leaf.path[:-1] if part not in group]
    return "/".join([*kept, leaf.path[-1]])


def _leaves(data: Mapping[str, object], path: tuple[str, ...], depth: int) -> Iterator[_Leaf]:
    if depth > MAX_DEPTH:
        raise ReadError("nested deeper than any training log")
    for key, value in data.items():
        here = (*path, str(key))
        if _is_list(value):
            cells = list(value)  # type: ignore[call-overload]
            if cells and all(isinstance(row, Mapping) for row in cells):
                rows = [_flat(row) for row in cells]
                for column in dict.fromkeys(name for row in rows for name in row):
                    yield _Leaf((*here, column), [row.get(column) for row in rows])
            elif not any(isinstance(number(x), str) or _is_list(x) for x in cells[:3]) and cells:
                yield _Leaf(here, cells)
        elif isinstance(value, Mapping) and value:
            if all(_EPOCH_KEY.match(str(k)) for k in value) and not any(
                _is_list(x) or isinstance(x, Mapping) for x in value.values()
            ):
                yield _Leaf(here, list(value.values()))
            else:
                yield from _leaves({str(k): v for k, v in value.items()}, here, depth + 1)


def _tables(raw: Raw, columns: dict[str, list[object]]) -> list[Raw]:
    """Columns of one length as one table; shorter ones placed, or in a table of their own."""
    lengths = {name: len(values) for name, values in columns.items() if is_curve(name)}
    if sum(lengths.values()) > MAX_CELLS:
        raise ReadError(f"{raw.name}: too large for a training log")
    groups: dict[str, list[str]] = {}
    for name in lengths:
        groups.setdefault(meaning(name).group, []).append(name)
    apart = [g for g, own in groups.items() if g and len({lengths[n] for n in own}) == 1
             and any(meaning(n).split in {"val", "test"} for n in own)
             and lengths[own[0]] != max(lengths[n] for n in groups.get("", own))]  # fmt: skip
    if apart and "" in groups:
        mine = {name for g in apart for name in groups[g]}
        rest = {name: values for name, values in columns.items() if name not in mine}
        return _tables(raw, rest) + [_of_phase(raw, g, groups[g], columns) for g in apart]
    placed, notes = _of_one_length(raw, columns, lengths)
    return [replace(raw, table=table(placed), notes=(*raw.notes, *notes))]


def _of_phase(raw: Raw, group: str, own: list[str], columns: dict[str, list[object]]) -> Raw:
    built = table({name: columns[name] for name in own})
    phase = group if set(group.split("_")) & names.PHASES else None
    model = raw.model or raw.name
    return replace(raw, table=built, name=f"{raw.name} {group}", phase=phase,
                   model=model if phase else group, not_used=())  # fmt: skip


def _of_one_length(
    raw: Raw, columns: dict[str, list[object]], lengths: dict[str, int]
) -> tuple[dict[str, list[object]], list[Note]]:
    """All columns as long as the longest curve: validated every k-th epoch, cut short, in steps."""
    longest, notes = max(lengths.values()), []
    shorter = {n for n in lengths.values() if n != longest}
    placed = {name: values for name, values in columns.items() if len(values) == longest}
    for few in shorter:
        those = {name: columns[name] for name, n in lengths.items() if n == few}
        every = longest // few if few else 0
        if few == longest - 1 and longest > 2:
            placed |= {name: [*values, None] for name, values in those.items()}
            notes.append(Note("cut_short", {"columns": list(those), "values": few, "of": longest}))
        elif every >= 2 and longest % few < every and every <= 10 and _all_held(those):
            placed |= {name: _every(values, every, longest) for name, values in those.items()}
            notes.append(Note("validation_every_k", {"k": every}))
        elif every >= 20 and longest % few == 0 and len(shorter) == 1:
            return _averaged(placed, few, every) | those, [Note("steps_averaged")]
        elif any(meaning(name).kind in {"loss", "accuracy"} for name in those):
            raise ReadError(
                f"{raw.name}: {next(iter(those))} has {few} values, "
                f"{next(name for name, n in lengths.items() if n == longest)} has {longest}; which "
                "belong to one epoch cannot be told; save them with their epochs, as a table"
            )
    return placed, notes


def _all_held(those: Mapping[str, object]) -> bool:
    return all(meaning(name).split in {"val", "test"} for name in those)


def _every(values: list[object], every: int, longest: int) -> list[object]:
    out: list[object] = [None] * longest
    for i, value in enumerate(values):
        out[(i + 1) * every - 1] = value
    return out


def _averaged(placed: dict[str, list[object]], few: int, every: int) -> dict[str, list[object]]:
    out: dict[str, list[object]] = {}
    for name, values in placed.items():
        found = [x for x in (number(value) for value in values) if isinstance(x, float)]
        if is_curve(name) and len(found) == few * every:
            out[name] = [sum(found[i * every : (i + 1) * every]) / every for i in range(few)]
    return out


def _facts(data: Mapping[str, object]) -> Facts:
    return Facts(num_classes=_count(data, _CLASSES), num_val_images=_count(data, _IMAGES))


def _count(data: Mapping[str, object], known: set[str]) -> int | None:
    for key, value in data.items():
        if key.lower() in known and isinstance(value, int) and 1 < value < 10**9:
            return value
    return None


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _holds_lists(row: Mapping[object, object], depth: int = 0) -> bool:
    return any((_is_list(x) and len(x) > 1) or (isinstance(x, Mapping) and depth < MAX_DEPTH  # type: ignore[arg-type]
               and _holds_lists(x, depth + 1)) for x in row.values())  # fmt: skip


def _kind(value: object) -> str:
    said = {"str": "text", "int": "a number", "float": "a number", "NoneType": "nothing"}
    return (said | {"list": "lists", "dict": "a mapping"}).get(type(value).__name__, "another type")


def find_facts(path: Path, known: Facts) -> Facts:
    """`known`, with classes and validation images that a small JSON file beside a log tells."""
    if path.suffix.lower() != ".json" or path.stat().st_size > 1_000_000:
        return known
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError, RecursionError):
        return known
    if not isinstance(data, dict):
        return known
    found = _facts(data)
    return Facts(
        known.num_classes or found.num_classes, known.num_val_images or found.num_val_images
    )
