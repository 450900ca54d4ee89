"""Labels as people save them (0 to C-1, 1 to C, 0/5/10, one-hot, floats, text) as class numbers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import DataError
from pipeline.data.prepared import Labels

MAX_CLASSES = 10_000


@dataclass(frozen=True)
class Labelling:
    """Class numbers of each split, the names of the classes, and how that was read."""

    labels: Mapping[str, Labels]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def values(blocks: Iterable[NDArray[Any]], name: str) -> NDArray[Any]:
    """One plain value an image, from (n,), (n, 1) or one-hot (n, C) blocks: whole numbers or text.

    Raises:
        DataError: soft or several labels, fractions, or values that are no labels.
    """
    return np.concatenate([_plain(block, name) for block in blocks])


def _plain(block: NDArray[Any], name: str) -> NDArray[Any]:
    if block.ndim == 2 and block.shape[1] > 1:
        return _from_one_hot(block, name)
    flat = block.reshape(-1)
    if flat.dtype.kind in "US":
        return _text(flat, name)
    if flat.dtype.kind == "f":
        if not np.all(np.isfinite(flat)) or np.any(flat != np.round(flat)):
            wrong = flat[~np.isfinite(flat) | (flat != np.round(flat))][0]
            raise DataError(
                f"{name}: got the label {wrong}, expected whole numbers. If it is a quantity, make "
                "classes of it first: np.digitize(y, edges)."
            )
        return flat.astype(np.int64)
    return flat.astype(np.int64) if flat.dtype != np.uint64 else flat


def _text(flat: NDArray[Any], name: str) -> NDArray[Any]:
    try:
        return flat.astype(str)
    except UnicodeDecodeError:
        raise DataError(f"{name}: not readable as text.") from None


def _from_one_hot(block: NDArray[Any], name: str) -> NDArray[Any]:
    ones = block == 1
    if block.dtype.kind in "US" or not np.all(ones | (block == 0)):
        raise DataError(
            f"{name}: got {block.shape[1]} numbers an image that are not 0 or 1, expected one "
            "label an image. If they are probabilities: y.argmax(axis=1)."
        )
    if np.any(ones.sum(axis=1) != 1):
        row = int(np.flatnonzero(ones.sum(axis=1) != 1)[0])
        raise DataError(
            f"{name}: image {row} has {int(ones[row].sum())} labels of {block.shape[1]}, expected "
            "one. Several labels an image are not learned here: keep one column, y[:, k]."
        )
    return np.asarray(ones.argmax(axis=1), np.int64)


def numbered(found: Mapping[str, NDArray[Any]], names: tuple[str, ...] | None) -> Labelling:
    """`found`, the values of each split, numbered from 0; `names` are those given with them.

    Raises:
        DataError: text beside numbers, -1 that can mean "no label", or values that do not fit the
            given names.
    """
    kinds = {split: array.dtype.kind == "U" for split, array in found.items()}
    if len(set(kinds.values())) > 1:
        raise DataError(f"y_{min(kinds)}: text in one part, numbers in another; use one of them.")
    known = np.unique(np.concatenate([np.unique(array) for array in found.values()]))
    plain = list(map(str, known.tolist()))
    size = len(known) if names is None else len(names)
    if kinds["train"]:
        return _of_text(found, known, names)
    if int(known[0]) < 0 and len(known) > 2:
        raise DataError(
            f"y_train: got the labels {', '.join(plain[:6])}: {plain[0]} can be a class or mean "
            "that there is no label. Number the classes from 0; leave images without a label out."
        )
    if int(known[0]) >= 0 and int(known[-1]) < size:
        chosen = names or tuple(map(str, range(size)))
        return Labelling(_cast(found), chosen, ())
    if names is not None and len(known) != len(names):
        raise DataError(
            f"y_train: got {len(known)} labels from {plain[0]} to {plain[-1]}, and "
            f"{len(names)} class_names, expected as many, or labels from 0 to {len(names) - 1}."
        )
    chosen = names or tuple(plain)
    said = f"labels {_shown(plain)} are numbered 0 to {len(known) - 1}"
    return Labelling(_mapped(found, known), chosen, (said,))


def _of_text(
    found: Mapping[str, NDArray[Any]], known: NDArray[Any], names: tuple[str, ...] | None
) -> Labelling:
    plain = tuple(map(str, known.tolist()))
    if names is not None and not set(plain) <= set(names):
        strange = next(label for label in plain if label not in names)
        raise DataError(f"y_train: got the label {strange[:40]!r}, which class_names do not hold.")
    labels = _mapped(found, known)
    if names is None:
        return Labelling(labels, plain, (f"text as labels: {_shown(plain)}",))
    places = np.array([names.index(label) for label in plain], np.int32)
    return Labelling(
        {split: places[array] for split, array in labels.items()},
        names,
        ("text as labels, in the order of class_names",),
    )


def _mapped(found: Mapping[str, NDArray[Any]], known: NDArray[Any]) -> dict[str, Labels]:
    return {split: np.searchsorted(known, array).astype(np.int32) for split, array in found.items()}


def _cast(found: Mapping[str, NDArray[Any]]) -> dict[str, Labels]:
    return {split: array.astype(np.int32) for split, array in found.items()}


def _shown(labels: list[str] | tuple[str, ...]) -> str:
    short = [label[:20] for label in labels]
    return ", ".join(short) if len(short) <= 6 else f"{', '.join(short[:3])}, ... {short[-1]}"
