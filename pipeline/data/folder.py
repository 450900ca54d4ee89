"""A user's folder of images: one sub-folder a class, below train/, val/, test/ or directly."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.data import DataError
from pipeline.data.npz import check_names
from pipeline.data.prepared import SPLITS
from pipeline.data.raw import Entry

# What is meant to be an image; those that cannot be decoded then fail by name.
SUFFIXES = frozenset(
    """.png .jpg .jpeg .jpe .jfif .gif .bmp .webp .tif .tiff .ppm .pgm .pbm .avif .heic .heif .jp2
    .svg .psd .ico""".split()  # noqa: SIM905
)
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def scan(folder: Path) -> tuple[tuple[str, ...], list[Entry]]:
    """Class names, sorted, and all files in a fixed order; files are not opened.

    A class is a sub-folder, with all that lies below it. Hidden files and folders are passed over,
    files that are not named like images are listed with that as their problem.

    Raises:
        DataError: no such folder, no images, images outside the classes, or a mixture of classes
            and splits.
    """
    tops = _subfolders(folder)
    splits = _splits(folder, tops)
    entries, classes = [], set()
    for split, top in splits:
        for name in _subfolders(top):
            classes.add(name)
            entries += [Entry(*found) for found in _files(folder, split, top / name, name)]
    names = tuple(sorted(classes))
    check_names(names, str(folder))
    if all(entry.problem for entry in entries):
        raise DataError(f"{folder}: no images in its sub-folders {list(tops)[:10]}.")
    return names, entries


def _splits(folder: Path, tops: Sequence[str]) -> list[tuple[str, Path]]:
    """(split, its folder) in the order train, val, test; split is "" for a folder without."""
    named = {top: SPLIT_NAMES[top.lower()] for top in tops if top.lower() in SPLIT_NAMES}
    if not named:
        return [("", folder)]
    if len(named) < len(tops) or "train" not in named.values():
        raise DataError(
            f"{folder}: got the sub-folders {list(tops)[:10]}, expected either one for each class "
            "or train, with val and test if you have them, each with one for each class."
        )
    if len(set(named.values())) < len(named):
        raise DataError(f"{folder}: {', '.join(named)} name the same split; keep one of them.")
    return sorted(
        ((split, folder / top) for top, split in named.items()), key=lambda s: SPLITS.index(s[0])
    )


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder (download.path).")
    found = [entry.name for entry in folder.iterdir() if not _hidden(entry.name)]
    names = sorted(name for name in found if (folder / name).is_dir())
    loose = sorted(name for name in set(found) - set(names) if _is_image(name))
    if loose:
        raise DataError(
            f"{folder}: {len(loose)} images lie outside the classes, {loose[0]!r} first. Put each "
            "image into the sub-folder of its class."
        )
    if not names:
        raise DataError(f"{folder}: empty. Put one sub-folder with images there for each class.")
    return names


def _files(
    root: Path, split: str, folder: Path, class_name: str
) -> Iterator[tuple[str, str, str, str]]:
    for path in sorted(_walk(folder)):
        relative = path.relative_to(root).as_posix()
        if not relative.isprintable():
            raise DataError(f"{relative!r} in {root}: rename it with printable UTF-8 letters.")
        problem = "" if _is_image(path.name) else "not named like an image"
        yield relative, split, class_name, problem


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not _hidden(name)]
        yield from (Path(where, name) for name in names if not _hidden(name))


def _raise(error: OSError) -> None:
    raise error


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX")) or name in ("Thumbs.db", "desktop.ini")


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES
