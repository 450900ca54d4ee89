"""A user's folder of images: which file is of which class and part, and how that was found."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.data import DataError, layout
from pipeline.data.npz import check_names
from pipeline.data.prepared import SPLITS
from pipeline.data.raw import Entry
from pipeline.data.walking import NO_LABEL, NOT_AN_IMAGE, walk
from pipeline.params import Layout, Links


@dataclass(frozen=True)
class Scan:
    """Class names, sorted; all files in a fixed order; where each lies; how they were read."""

    class_names: tuple[str, ...]
    entries: tuple[Entry, ...]
    sources: Mapping[str, Path]
    notes: tuple[str, ...]


def scan(folder: Path, links: Links = "inside", how: Layout = "auto") -> Scan:
    """What is in `folder`, by names alone (see `layout` for what is understood).

    Hidden files and folders are passed over. Files that are not named like images, and links, pipes
    and the like that cannot be images, are listed with that as their problem.

    Raises:
        DataError: no such folder, no images, or no one way to read it.
    """
    root, followed = walk(folder, links)
    reading = layout.read(root, str(folder), classes_only=how == "classes")
    entries = tuple(
        Entry(one.file.path, one.split, one.class_name, one.file.problem) for one in reading.files
    )
    names = tuple(sorted({entry.class_name for entry in entries if not entry.passed_over}))
    check_names(names, str(folder))
    if all(entry.problem for entry in entries):
        first = next(entry for entry in entries if entry.problem != NOT_AN_IMAGE)
        raise DataError(f"{folder}: no usable images: {first.path!r} is {first.problem}.")
    sources = {one.file.path: one.file.source for one in reading.files if not one.file.problem}
    notes = [f"read {len(sources)} images of {len(names)} classes{_parts(entries)}", *reading.notes]
    if followed:
        notes.append(f"{len(followed)} links followed, {followed[0]!r} first")
    problems = Counter(entry.problem for entry in entries if entry.problem)
    notes += [f"{n} files not read: {why}" for why, n in problems.items() if why != NO_LABEL]
    return Scan(names, entries, sources, tuple(notes))


def _parts(entries: tuple[Entry, ...]) -> str:
    counts = Counter(entry.split for entry in entries if not entry.problem)
    named = [f"{counts[split]} {split}" for split in SPLITS if counts[split]]
    return f" ({', '.join(named)})" if named else ""
