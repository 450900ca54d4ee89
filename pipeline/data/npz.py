"""`.npz` files from anybody: arrays found by their names, checked before they are unpacked.

Keras' names are x_train, y_train, x_val, ..., class_names; others are understood by `array_names`,
ranges and axes of pixels by `pixels`, labels by `labelling`. What was understood is in `notes`.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import DataError, array_names, arrays, labelling, pixels
from pipeline.data.pixels import Axes, Scale
from pipeline.data.prepared import SPLITS
from pipeline.data.raw import Part
from pipeline.files import MAX_EXPANSION, SUSPECT_BYTES

MAX_SIDE = 8192
_MAX_NAME_BYTES = 4 * 1000


@dataclass(frozen=True)
class Declared:
    """What the header of one array in an archive promises."""

    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    name: str

    @property
    def num_bytes(self) -> int:
        """The size of the array without its header."""
        return prod(self.shape) * self.dtype.itemsize


class Npz:
    """An open archive whose headers were all found sound.

    Images are read as they are used; where they are not bytes, once before, for their range.

    Attributes:
        class_names: of all classes. notes: how arrays, labels and pixels were read.

    Raises (also while blocks are read):
        DataError: not a zip, damaged, arrays missing, pickled, or of an unfit shape, type or range;
            an array that unpacks to far more than images can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._zip() as archive:
            self._arrays, named = _declared(archive, path)
            self._splits = [split for split in SPLITS if f"x_{split}" in self._arrays]
            self._axes = {split: self._axes_of(split) for split in self._splits}
            read = self._labels(archive)
            self._scale = self._scale_of(archive)
        self._labels_by_split, self.class_names = read.labels, read.class_names
        turned = [said for split in self._splits for said in self._axes[split].said()]
        said = [*named, *read.notes, *dict.fromkeys(turned), self._scale.said]
        self.notes = tuple(sentence for sentence in said if sentence)

    def parts(self) -> Iterator[Part]:
        """The splits that are there, in the order train, val, test."""
        for split, labels in self._labels_by_split.items():
            yield Part(split, self._axes[split].image_shape, labels, self._blocks(split))

    def _blocks(self, split: str) -> Iterator[arrays.Images]:
        with self._zip() as archive:
            for block in _stream(archive, self._arrays[f"x_{split}"]):
                yield pixels.blended(self._scale.to_bytes(self._axes[split].last(block)))

    def _axes_of(self, split: str) -> Axes:
        declared = self._arrays[f"x_{split}"]
        if declared.dtype.kind not in "uifb":
            raise DataError(f"{declared.name}: got {declared.dtype}, expected numbers.")
        is_cifar = declared.info.filename.lower().startswith("data")
        axes = pixels.axes(declared.shape, is_cifar, declared.name)
        if (
            declared.shape[0] < 1
            or not 1 <= min(axes.height, axes.width) <= max(axes.height, axes.width) <= MAX_SIDE
        ):
            raise DataError(
                f"{declared.name}: got {declared.shape}. There must be images, of 1 to {MAX_SIDE} "
                "pixels a side."
            )
        return axes

    def _scale_of(self, archive: zipfile.ZipFile) -> Scale:
        declared = [self._arrays[f"x_{split}"] for split in self._splits]
        if all(one.dtype == np.uint8 for one in declared):
            return Scale()
        ranges = [pixels.range_of(_stream(archive, one), one.name) for one in declared]
        return pixels.scale(ranges)

    def _labels(self, archive: zipfile.ZipFile) -> labelling.Labelling:
        found = {}
        for split in self._splits:
            declared = self._arrays[f"y_{split}"]
            self._check_labels(declared, self._arrays[f"x_{split}"].shape[0])
            found[split] = labelling.values(_stream(archive, declared), declared.name)
        num_classes = len(np.unique(found["train"]))
        num_train = self._arrays["x_train"].shape[0]
        if num_classes > min(num_train, labelling.MAX_CLASSES):
            raise DataError(
                f"{self._arrays['y_train'].name}: got {num_classes:,} different labels of "
                f"{num_train:,} training images. If it is a quantity, make classes of it first."
            )
        read = labelling.numbered(found, self._class_names(archive))
        check_names(read.class_names, f"classes of {self.path}")
        return read

    def _check_labels(self, declared: Declared, num_images: int) -> None:
        shape, kind = declared.shape, declared.dtype.kind
        one = shape in ((num_images,), (num_images, 1))
        one_hot = len(shape) == 2 and shape[0] == num_images and shape[1] <= labelling.MAX_CLASSES
        text = kind in "US" and declared.dtype.itemsize <= _MAX_NAME_BYTES
        if not ((kind in "iufb" and (one or one_hot)) or (text and one)):
            raise DataError(
                f"{declared.name}: got {declared.dtype} {shape}, expected whole numbers or text of "
                f"shape ({num_images},), one for each image: its class."
            )

    def _class_names(self, archive: zipfile.ZipFile) -> tuple[str, ...] | None:
        declared = self._arrays.get("class_names")
        if declared is None:
            return None
        text = declared.dtype.kind in "US" and declared.dtype.itemsize <= _MAX_NAME_BYTES
        if not text or len(declared.shape) != 1 or declared.shape[0] < 1:
            raise DataError(
                f"{declared.name}: got {declared.dtype} {declared.shape}, expected one text for "
                "each class: np.array([...], dtype=str)."
            )
        try:
            found = np.concatenate(list(_stream(archive, declared)))
            names = tuple(map(str, found.astype(str).tolist()))
        except (UnicodeDecodeError, ValueError):
            raise DataError(f"{declared.name}: not readable as text.") from None
        check_names(names, declared.name)
        return names

    @contextmanager
    def _zip(self) -> Iterator[zipfile.ZipFile]:
        if self.path.exists() and not (self.path.is_file() or self.path.is_dir()):
            raise DataError(f"{self.path}: a named pipe or device; expected an .npz file.")
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except FileNotFoundError:
            raise DataError(f"{self.path}: not found (download.path).") from None
        except IsADirectoryError:
            raise DataError(f"{self.path}: a folder; expected an .npz file.") from None
        except DataError:
            raise
        # A damaged header makes zipfile seek to, or unpack, whatever the wrong bytes say.
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            ValueError,
        ) as error:
            first = " ".join(str(error).split())[:200]
            raise DataError(f"{self.path}: not readable as .npz: {first}.") from None


def check_names(names: tuple[str, ...], where: str) -> None:
    """Raise DataError unless class names are distinct, printable and not empty."""
    for name in names:
        if not name.strip() or not name.isprintable():
            raise DataError(f"{where}: got the class name {name!r}, expected printable text.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{where}: got the class name {twice!r} twice; make them distinct.")


def _declared(archive: zipfile.ZipFile, path: Path) -> tuple[dict[str, Declared], list[str]]:
    """What each array that is used declares, by its Keras name, and how names were understood."""
    infos = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(infos) < len(archive.infolist()):
        raise DataError(f"{path}: two arrays of the same name, expected each once.")
    slots, unused = array_names.slots(list(infos), str(path))
    found = {}
    for slot, key in slots.items():
        name = f"{key} in {path}"
        with archive.open(infos[key]) as file:
            shape, fortran, dtype = arrays.read_header(file, name)
            found[slot] = Declared(infos[key], shape, fortran, dtype, name)
            _check_size(found[slot], infos[key].file_size - file.tell())
    return found, array_names.said(slots, unused)


def _check_size(declared: Declared, held: int) -> None:
    info = declared.info
    if declared.num_bytes != held:
        promised = f"{declared.dtype} {declared.shape}"
        raise DataError(f"{declared.name}: declares {promised} but holds {held:,} bytes of data.")
    if held > max(SUSPECT_BYTES, MAX_EXPANSION * info.compress_size):
        times = held // max(1, info.compress_size)
        raise DataError(
            f"{declared.name}: would unpack to {held:,} bytes, {times} times its size; images do "
            "not. Save it with np.savez if it is yours."
        )


def _stream(archive: zipfile.ZipFile, declared: Declared) -> Iterator[NDArray[Any]]:
    """The rows of an array, block by block."""
    with archive.open(declared.info) as file:
        arrays.read_header(file, declared.name)
        if declared.fortran:
            # Rows of such an array lie scattered over the file: it has to be read whole.
            yield from arrays.blocks(np.ascontiguousarray(_array(file, declared)))
        else:
            yield from arrays.stream(file, declared.shape, declared.name, declared.dtype)


def _array(file: IO[bytes], declared: Declared) -> NDArray[Any]:
    found = arrays.read_exactly(file, declared.num_bytes, declared.name)
    order = "F" if declared.fortran else "C"
    return np.frombuffer(found, declared.dtype).reshape(declared.shape, order=order)  # type: ignore[call-overload,no-any-return]
