"""Data sets as fetched, in one form whatever they came from: `data/raw/`.

origin.json says what it is. Sets that come as arrays are images_SPLIT.npy (uint8, n, height,
width, channels) and labels_SPLIT.npy (int32), SPLIT being train, val or test. A folder of images
is copied below images/ as it stands, byte by byte, with listing.csv: path, split, class, problem.
"""

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import TypeAdapter, ValidationError

from pipeline.data import DataError, arrays
from pipeline.data.prepared import SPLITS, Labels
from pipeline.data.walking import PASSED_OVER
from pipeline.files import replacing, write_json, write_text


@dataclass(frozen=True)
class Origin:
    """What the images are, who made them, what may be done with them, and how they were read."""

    dataset: str
    class_names: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One split of a data set on its way in: all labels, and the images block by block."""

    split: str
    image_shape: tuple[int, int, int]
    labels: Labels
    blocks: Iterable[arrays.Images]


@dataclass(frozen=True)
class Entry:
    """One file of a folder of images; `split` is "" where the folder has no splits.

    `path` is relative to the folder. `problem` says why the file is not an image, if it is not.
    """

    path: str
    split: str
    class_name: str
    problem: str = ""

    @property
    def passed_over(self) -> bool:
        """Whether it is no image and was not meant to be one: no fault of the data."""
        return self.problem in PASSED_OVER


@dataclass(frozen=True)
class Raw:
    """`data/raw/` as read: either `parts` (images on disk, labels) or `entries` below `images`."""

    origin: Origin
    parts: Mapping[str, tuple[arrays.Rows, Labels]]
    entries: Sequence[Entry]
    images: Path


def write_parts(
    folder: Path, origin: Origin, parts: Callable[[Path], Iterable[Part]]
) -> dict[str, int]:
    """Write a data set that comes as arrays; how many images each split has.

    `parts` is given an empty folder to unpack into, which is gone in the end.

    Raises:
        DataError: splits differ in image shape, or a label is not of a known class.
    """
    sizes: dict[str, int] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    with replacing(folder, "origin.json") as temporary:
        temporary.mkdir()
        with TemporaryDirectory(dir=temporary) as work:
            for part in parts(Path(work)):
                sizes[part.split], shapes[part.split] = len(part.labels), part.image_shape
                if len(set(shapes.values())) > 1:
                    raise DataError(f"{origin.dataset}: splits differ in image shape: {shapes}.")
                _write_part(temporary, part, len(origin.class_names))
        write_json(temporary / "origin.json", asdict(origin))
    return sizes


def _write_part(folder: Path, part: Part, num_classes: int) -> None:
    low, high = int(part.labels.min(initial=0)), int(part.labels.max(initial=0))
    if low < 0 or high >= num_classes:
        wrong = low if low < 0 else high
        raise DataError(
            f"labels of {part.split}: got {wrong}, expected 0 to {num_classes - 1}: "
            "classes are numbered from 0."
        )
    shape = (len(part.labels), *part.image_shape)
    with arrays.writing(folder / f"images_{part.split}.npy", shape) as append:
        for block in part.blocks:
            append(block)
    arrays.save(folder / f"labels_{part.split}.npy", part.labels.astype(np.int32))


def write_folder(
    folder: Path, origin: Origin, entries: Sequence[Entry], sources: Mapping[str, Path]
) -> None:
    """Copy a folder of images, those files that have no problem, and list it.

    `sources` says where the file of each path lies.
    """
    with replacing(folder, "origin.json") as temporary:
        (temporary / "images").mkdir(parents=True)
        for entry in entries:
            if not entry.problem:
                copy = temporary / "images" / entry.path
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(sources[entry.path], copy)
        listing = table(["path", "split", "class", "problem"], map(astuple, entries))
        write_text(temporary / "listing.csv", listing)
        write_json(temporary / "origin.json", asdict(origin))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV text, the same on every system."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def read(folder: Path) -> Raw:
    """What `download` wrote to `folder`; images stay on disk.

    Raises:
        DataError: it is missing, incomplete or damaged.
    """
    try:
        document = json.loads((folder / "origin.json").read_text(encoding="utf-8"))
        origin = TypeAdapter(Origin).validate_python(document)
    except FileNotFoundError:
        raise DataError(f"{folder}: holds no data set. Run `dvc repro download` first.") from None
    except (ValueError, ValidationError) as error:
        first = " ".join(str(error).split())[:200]
        remedy = "Run `dvc repro -f download`."
        raise DataError(f"{folder / 'origin.json'}: cannot be used: {first} {remedy}") from None
    parts = {split: _read_part(folder, split) for split in SPLITS if _has(folder, split)}
    entries = list(_read_listing(folder / "listing.csv"))
    if not parts and not entries:
        raise DataError(f"{folder}: no images in it. Run `dvc repro -f download`.")
    return Raw(origin, parts, entries, folder / "images")


def _has(folder: Path, split: str) -> bool:
    return (folder / f"images_{split}.npy").exists()


def _read_part(folder: Path, split: str) -> tuple[arrays.Rows, Labels]:
    images = arrays.open_rows(folder / f"images_{split}.npy")
    labels = np.concatenate(list(arrays.open_rows(folder / f"labels_{split}.npy").blocks()))
    return images, labels.astype(np.int32)


def _read_listing(path: Path) -> Iterator[Entry]:
    if path.exists():
        rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        next(rows, None)
        yield from (Entry(*row) for row in rows)
