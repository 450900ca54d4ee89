"""Which folder is a part, which a class: the layouts in which people have their images.

Known: CLASS; train/CLASS with val/ and test/; CLASS/train; each also some levels deeper, or with
names such as seg_train; images in one folder with a table of labels (`tables`). What has two
readings is refused, and the error names them both.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.data import DataError, tables
from pipeline.data.labelled import SPLIT_NAMES, Labelled, core, is_flat, split_of
from pipeline.data.prepared import SPLITS
from pipeline.data.walking import LOOP, NOWHERE, Folder

_UNLABELLED = frozenset(("pred", "predict", "prediction", "unlabeled", "unlabelled", "unsup"))
_KEY = "If all of these are classes, set download.layout to classes."


@dataclass(frozen=True)
class Reading:
    """Every file with its split and class, in order, and how that was read, in sentences."""

    files: tuple[Labelled, ...]
    notes: tuple[str, ...]


def read(root: Folder, where: str, classes_only: bool = False) -> Reading:
    """How `root`, named `where` in messages, is read; classes_only: its sub-folders are classes.

    Raises:
        DataError: no images, images outside the classes, or a layout that has no one reading.
    """
    if not root.num_images:
        raise DataError(f"{where}: {_nothing(root)}")
    if classes_only:
        _refuse_loose(root, where)
        return Reading(tuple(_classes("", root)), tuple(_left(root)))
    top = core(root)
    said = [f"classes are taken from {top.path}/"] if top is not root else []
    if found := tables.read(root, top):
        return Reading(found.files, (*said, *found.notes))
    inner = f"{where}/{top.path}" if top.path else where
    _refuse_loose(top, inner)
    for way in (_parts, _parts_in_classes):
        if reading := way(top, inner):
            return Reading(reading.files, (*said, *reading.notes, *_left(top)))
    _refuse_versions(top, inner)
    return Reading(tuple(_classes("", top)), (*said, *_left(top), *_nested(top)))


def _parts(top: Folder, where: str) -> Reading | None:
    """train/CLASS, test/CLASS, ...; None where no sub-folder is named like a part."""
    named = {folder: split for folder in top.filled if (split := split_of(folder.name))}
    exact = [folder for folder in named if folder.name.lower() in SPLIT_NAMES]
    if not exact and all(is_flat(folder) for folder in named):
        return None  # train_station, test_tube
    if all(is_flat(folder) for folder in named):
        raise DataError(
            f"{where}: {_names(exact)} can be a class or a part of the data: images lie directly "
            f"in it. {_KEY} If it is a part, its images need labels: a sub-folder for each class, "
            "or a table labels.csv (name, label) beside it."
        )
    others = [folder for folder in top.filled if folder not in named]
    strange = [folder for folder in others if not _is_unlabelled(folder)]
    if strange or "train" not in named.values():
        raise DataError(
            f"{where}: got the sub-folders {_names(top.filled)}, expected either one for each "
            f"class or train, with val and test if you have them, each with one for each class. "
            f"{_KEY}"
        )
    return _read_parts(named, others, where)


def _read_parts(named: dict[Folder, str], others: Sequence[Folder], where: str) -> Reading:
    if len(set(named.values())) < len(named):
        raise DataError(f"{where}: {_names(list(named))} name the same split; keep one of them.")
    files: list[Labelled] = []
    left = list(others)
    known: set[str] = set()
    for folder, split in sorted(named.items(), key=lambda pair: SPLITS.index(pair[1])):
        inner = core(folder)
        names = {child.name for child in inner.filled}
        flat = is_flat(folder) or (split != "train" and len(names) == 1 and not names & known)
        if flat and split != "train":
            left.append(folder)
            continue
        _refuse_loose(inner, f"{where}/{folder.name}")
        _refuse_versions(inner, f"{where}/{folder.name}")
        files += _classes(split, inner)
        known |= names
    parts = {split: folder for folder, split in named.items() if folder not in left}
    odd = [f"{parts[s].path}/ is {s}" for s in SPLITS if s in parts and parts[s].name != s]
    return Reading(tuple(files), (*odd, *map(_without_labels, left)))


def _without_labels(folder: Folder) -> str:
    return (
        f"{folder.path}/ left out: {folder.num_images} images without labels "
        "(`python -m pipeline.stages.predict FOLDER` classifies them)"
    )


def _is_unlabelled(folder: Folder) -> bool:
    words = set(re.findall("[a-z]+", folder.name.lower()))
    return bool(words & _UNLABELLED) and is_flat(folder)


def _parts_in_classes(top: Folder, where: str) -> Reading | None:
    """CLASS/train, CLASS/test, ...; None where no class holds parts."""
    with_parts = [folder for folder in top.filled if _holds_parts(folder)]
    if not with_parts:
        return None
    without = [folder for folder in top.filled if folder not in with_parts]
    if without:
        raise DataError(
            f"{where}: {_names(with_parts)} hold parts such as {_names(with_parts[0].filled)}, "
            f"{_names(without)} do not. Give every class the same parts. {_KEY}"
        )
    if any(not is_flat(part) for folder in top.filled for part in folder.filled):
        raise DataError(
            f"{where}: {_names(top.filled)} each hold whole data sets, with parts and classes. "
            "Name one of them as download.path."
        )
    found = [
        Labelled(file, split_of(part.name) or "", folder.name)
        for folder in top.filled
        for part in folder.filled
        for file in part.below()
    ]
    found.sort(key=lambda one: (SPLITS.index(one.split), one.order))
    return Reading(tuple(found), (f"parts lie within the classes: {_names(with_parts[0].filled)}",))


def _holds_parts(folder: Folder) -> bool:
    splits = [split_of(child.name) for child in folder.filled]
    distinct = len(set(splits)) == len(splits)
    return not folder.images and None not in splits and distinct and "train" in splits


def _refuse_versions(top: Folder, where: str) -> None:
    """Refuse color/CLASS beside grayscale/CLASS: the same plants would be in train and in val."""
    holders = [f for f in top.filled if not f.images and len(f.filled) > 1]
    for i, first in enumerate(holders):
        mine = {child.name for child in first.filled}
        same = [
            f for f in holders[i + 1 :] if 2 * len(mine & {c.name for c in f.filled}) > len(mine)
        ]
        if same:
            versions = [first, *same]
            raise DataError(
                f"{where}: {_names(versions)} hold the same {len(mine)} classes "
                f"({_names(first.filled)}): {len(versions)} versions of the same images, or parts "
                f"without a name. Name one as download.path, such as {where}/{first.name}, or "
                f"rename them train, val and test. {_KEY}"
            )


def _refuse_loose(folder: Folder, where: str) -> None:
    for file in folder.files:
        if file.problem in (NOWHERE, LOOP):
            raise DataError(
                f"{where}: {file.path!r} is {file.problem}. Where it should be a class, mend it "
                "(is its disk there?); else take it away."
            )
    if folder.images:
        loose = folder.images[0].path.rpartition("/")[2]
        raise DataError(
            f"{where}: {len(folder.images)} images lie outside the classes, {loose!r} first. Put "
            "each image into the sub-folder of its class, or a table labels.csv (name, label) "
            "beside them; if this folder is one class itself, name the folder above it. To "
            "classify images without labels use `python -m pipeline.stages.predict`."
        )


def _classes(split: str, folder: Folder) -> Iterator[Labelled]:
    for child in folder.filled:
        found = [Labelled(file, split, child.name) for file in child.below()]
        yield from sorted(found, key=lambda one: one.order)


def _left(top: Folder) -> Iterator[str]:
    if empty := [folder for folder in top.folders if not folder.num_images]:
        yield f"{_names(empty)} left out: no images in it"


def _nested(top: Folder) -> Iterator[str]:
    """Say it where classes are made of further folders, which may have been meant as classes."""
    nested = [folder for folder in top.filled if folder.filled]
    if nested:
        yield (
            f"images in {nested[0].filled[0].path}/ and the like count for the class above them "
            f"({nested[0].name!r})"
        )


def _nothing(root: Folder) -> str:
    if not root.folders:
        return "empty. Put one sub-folder with images there for each class."
    return f"no images in its sub-folders {_names(root.folders)}."


def _names(folders: Sequence[Folder]) -> str:
    names = [folder.name for folder in folders]
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(map(repr, names[:6])) + more
