"""Raw data as images of one shape: files decoded, sizes and colours brought in line."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.images.near_duplicates import digests
from pipeline.data import DataError, arrays, images
from pipeline.data.images import ImageError, Looks
from pipeline.data.prepared import SPLITS, Ids, Labels
from pipeline.data.raw import Entry, Raw
from pipeline.params import Preprocess

Shape = tuple[int, int, int]
T = TypeVar("T")
LEAST_KEPT, MOST_ENLARGED = 0.3, 8


@dataclass(frozen=True)
class Skipped:
    """A file or image that is left out, and why."""

    path: str
    split: str
    class_name: str
    reason: str


@dataclass(frozen=True)
class Odd:
    """An image of which little is left in the common shape, or which is little to begin with."""

    path: str
    split: str
    class_name: str
    width: int
    height: int
    reason: str


@dataclass(frozen=True)
class Decoded:
    """All usable images; row i of each field belongs to the same image.

    images: uint8 (n, height, width, channels), on disk. official: the split it comes from, as its
    place in SPLITS (0, train, where the source has no splits). ids: place in the raw data, counted
    over its splits. digests: equal for equal pixels. names: files, or empty for arrays. coloured:
    whether an image has any colour, as far as one channel does not rule it out. bits: of wide grey
    files. odd: of an unusual size.
    """

    images: arrays.Rows
    labels: Labels
    official: NDArray[np.int8]
    ids: Ids
    digests: Sequence[bytes]
    names: Sequence[str]
    skipped: Sequence[Skipped]
    coloured: NDArray[np.bool_]
    bits: int = 16
    odd: Sequence[Odd] = ()
    notes: Sequence[str] = ()


def decode(raw: Raw, settings: Preprocess, work: Path) -> Decoded:
    """All of `raw` in one shape, written to a file in the folder `work`.

    Raises:
        DataError: sizes differ and `image_size` is not set, no image is usable, or, unless
            `on_bad_image` is skip, one is not.
    """
    read = _decoded_files if raw.entries else _decoded_arrays
    return read(raw, settings, work)


@dataclass
class _Sink:
    """Takes images one block at a time: pixels to a file, digests and hues to memory."""

    path: Path
    shape: Shape
    digests: list[bytes] = field(default_factory=list)
    coloured: list[NDArray[np.bool_]] = field(default_factory=list)

    def fill(self, blocks: Iterator[arrays.Images]) -> arrays.Rows:
        with self.path.open("wb") as file:
            for block in blocks:
                file.write(np.ascontiguousarray(block).data)
                self.coloured.append((block != block[..., :1]).any(axis=(1, 2, 3)))
                self.digests += digests(block)
        return arrays.Rows(self.path, (len(self.digests), *self.shape), np.dtype(np.uint8))


def _decoded_arrays(raw: Raw, settings: Preprocess, work: Path) -> Decoded:
    parts = [(split, *raw.parts[split]) for split in SPLITS if split in raw.parts]
    height, width, channels = parts[0][1].shape[1:]
    shape = _target(settings, height, width, grey=channels == 1)

    def converted() -> Iterator[arrays.Images]:
        for _, rows, _ in parts:
            for block in rows.blocks():
                yield block if block.shape[1:] == shape else _fitted(block, shape)

    sink = _Sink(work / "pixels", shape)
    rows = sink.fill(converted())
    official = [np.full(len(labels), SPLITS.index(split)) for split, _, labels in parts]
    return Decoded(
        images=rows,
        labels=np.concatenate([labels for _, _, labels in parts]),
        official=np.concatenate(official).astype(np.int8),
        ids=np.arange(len(rows)),
        digests=sink.digests,
        names=(),
        skipped=(),
        coloured=np.concatenate(sink.coloured),
    )


def _fitted(block: arrays.Images, shape: Shape) -> arrays.Images:
    return np.stack([images.fit_array(image, shape) for image in block])


def _target(settings: Preprocess, height: int, width: int, grey: bool) -> Shape:
    size = settings.image_size
    colour = settings.colour or ("grey" if grey else "rgb")
    channels = 1 if colour == "grey" else 3
    return (size, size, channels) if size else (height, width, channels)


@dataclass
class _Files:
    """Reads the files of a folder; lists those that cannot be read, or raises at the first."""

    raw: Raw
    may_skip: bool
    skipped: list[Skipped] = field(default_factory=list)

    def read(self, number: int, how: Callable[[Path, str], T]) -> T | None:
        entry = self.raw.entries[number]
        try:
            if entry.problem:
                raise ImageError(entry.path, entry.problem)
            return how(self.raw.images / entry.path, entry.path)
        except ImageError as error:
            if not self.may_skip:
                raise
            self.skip(entry, error.reason)
            return None

    def skip(self, entry: Entry, reason: str) -> None:
        self.skipped.append(Skipped(entry.path, entry.split, entry.class_name, reason))


def _decoded_files(raw: Raw, settings: Preprocess, work: Path) -> Decoded:
    files = _Files(raw, may_skip=settings.on_bad_image == "skip")
    looks: dict[int, Looks] = {}
    for number, entry in enumerate(raw.entries):
        if entry.passed_over:
            files.skip(entry, entry.problem)
        elif look := files.read(number, images.inspect):
            looks[number] = look
    shape = _common_shape(raw, looks, settings)
    bits, notes = _depth(files, looks)
    decoded: list[int] = []

    def loaded() -> Iterator[arrays.Images]:
        for number in looks:
            image = files.read(number, partial(images.load, image_shape=shape, bits=bits))
            if image is not None:
                decoded.append(number)
                yield image

    sink = _Sink(work / "pixels", shape)
    one_by_one, size = loaded(), arrays.rows_per_block(shape)
    blocks = iter(lambda: list(islice(one_by_one, size)), [])
    rows = sink.fill(map(np.stack, blocks))
    if not decoded:
        first = files.skipped[0]
        raise DataError(f"no image is usable; the first one: {first.path}: {first.reason}")
    entries = [raw.entries[number] for number in decoded]
    classes = {name: label for label, name in enumerate(raw.origin.class_names)}
    return Decoded(
        images=rows,
        labels=np.array([classes[entry.class_name] for entry in entries], np.int32),
        official=np.array([SPLITS.index(e.split or "train") for e in entries], np.int8),
        ids=np.array(decoded, np.int64),
        digests=sink.digests,
        names=[entry.path for entry in entries],
        skipped=files.skipped,
        coloured=np.concatenate(sink.coloured),
        bits=bits,
        odd=[odd for n in decoded if (odd := _odd(raw.entries[n], looks[n], shape))],
        notes=notes,
    )


def _depth(files: _Files, looks: dict[int, Looks]) -> tuple[int, list[str]]:
    """How many bits the grey values of wide files have in all, and what to say of it.

    Those that cannot be read after all leave `looks`.

    Raises:
        DataError: colours of 16 bits of which only the lower ones are used: the decoder drops them.
    """
    peaks: dict[bool, int] = {}
    for number, look in list(looks.items()):
        if look.wide or look.deep:
            peak = files.read(number, images.peak)
            if peak is None:
                del looks[number]
            else:
                peaks[look.wide] = max(peaks.get(look.wide, 0), peak)
    if 0 <= peaks.get(False, 255) < 128:
        first = next(files.raw.entries[n].path for n, look in looks.items() if look.deep)
        raise DataError(
            f"{first} and the like: colours of 16 bits that use {peaks[False].bit_length() + 8} at "
            "most; what is read of them would be nearly black. Save them with 8 bits a colour, "
            "scaled by the highest value there can be."
        )
    if True not in peaks:
        return 16, []
    bits = max(8, peaks[True].bit_length())
    wide = sum(look.wide for look in looks.values())
    said = f"{wide} files of 16 bits hold values up to {peaks[True]}: read as {bits}-bit data"
    return bits, [f"{said} (0 to {(1 << bits) - 1})"]


def _odd(entry: Entry, look: Looks, shape: Shape) -> Odd | None:
    """What is said of an image that resizing to `shape` leaves little of."""
    height, width, _ = shape
    if (look.height, look.width) == (height, width):
        return None
    scale = max(height / look.height, width / look.width)
    kept = height * width / (scale**2 * look.height * look.width)
    reason = ""
    if kept < LEAST_KEPT:
        reason = f"{kept:.0%} of it are left when it is cropped to {width} x {height}"
    elif scale > MOST_ENLARGED:
        reason = f"enlarged {scale:.0f} times to {width} x {height}"
    if not reason:
        return None
    return Odd(entry.path, entry.split, entry.class_name, look.width, look.height, reason)


def _common_shape(raw: Raw, looks: Mapping[int, Looks], settings: Preprocess) -> Shape:
    if not looks:
        return (settings.image_size or 1, settings.image_size or 1, 1)
    sizes = Counter((look.height, look.width) for look in looks.values())
    (height, width), _ = sizes.most_common(1)[0]
    if len(sizes) > 1 and settings.image_size is None:
        odd = next(n for n, look in looks.items() if (look.height, look.width) != (height, width))
        raise DataError(
            f"{raw.entries[odd].path}: {looks[odd].width} x {looks[odd].height} pixels, where most "
            f"images have {width} x {height} ({len(sizes)} sizes in all). Set "
            "preprocess.image_size, to which all are then resized."
        )
    return _target(settings, height, width, grey=all(look.grey for look in looks.values()))
