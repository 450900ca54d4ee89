"""`.npz` files in Keras' convention, from anybody: checked before they are unpacked.

Arrays: x_train, y_train, and if there are any x_test, y_test, x_val, y_val, class_names. Images
are uint8 (n, height, width) or (n, height, width, channels), labels whole numbers from 0.
"""

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import DataError, arrays
from pipeline.data.prepared import SPLITS, Labels
from pipeline.data.raw import Part
from pipeline.files import MAX_EXPANSION, SUSPECT_BYTES

KNOWN = (*(f"{kind}_{split}" for split in SPLITS for kind in "xy"), "class_names")
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
    """An open archive whose headers were all found sound; images are not read before they are used.

    Raises (also while blocks are read):
        DataError: not a zip, damaged, arrays missing, unknown, pickled, or of an unfit shape, type
            or number; an array that unpacks to far more than images can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._zip() as archive:
            self._arrays = _declared(archive, path)
            labels = {s: self._labels(archive, s) for s in SPLITS if f"x_{s}" in self._arrays}
            self._labels_by_split: Mapping[str, Labels] = labels
            self.class_names = self._class_names(archive)

    def parts(self) -> Iterator[Part]:
        """The splits that are there, in the order train, val, test."""
        for split, labels in self._labels_by_split.items():
            declared = self._arrays[f"x_{split}"]
            height, width, channels = (*declared.shape[1:], 1)[:3]
            yield Part(split, (height, width, channels), labels, self._blocks(declared))

    def _blocks(self, declared: Declared) -> Iterator[arrays.Images]:
        shape = (*declared.shape, 1) if len(declared.shape) == 3 else declared.shape
        with self._zip() as archive, archive.open(declared.info) as file:
            arrays.read_header(file, declared.name)
            if declared.fortran:
                # Rows of such an array lie scattered over the file: it has to be read whole.
                flat = _array(file, declared)
                yield from arrays.blocks(np.ascontiguousarray(flat).reshape(shape))
            else:
                yield from arrays.stream(file, shape, declared.name)

    def _labels(self, archive: zipfile.ZipFile, split: str) -> Labels:
        declared = self._arrays[f"y_{split}"]
        num_images = self._arrays[f"x_{split}"].shape[0]
        if declared.dtype.kind not in "iu" or declared.shape not in (
            (num_images,),
            (num_images, 1),
        ):
            raise DataError(
                f"{declared.name}: got {declared.dtype} {declared.shape}, expected whole numbers "
                f"of shape ({num_images},), one for each image: the number of its class."
            )
        labels = self._read(archive, declared).reshape(-1)
        num_train = self._arrays["x_train"].shape[0]
        if labels.min() < 0 or labels.max() >= num_train:
            wrong = int(labels.min() if labels.min() < 0 else labels.max())
            raise DataError(
                f"{declared.name}: got the label {wrong} with {num_train} training images, "
                "expected classes numbered from 0."
            )
        return labels.astype(np.int32)

    def _class_names(self, archive: zipfile.ZipFile) -> tuple[str, ...]:
        num_classes = 1 + max(int(labels.max()) for labels in self._labels_by_split.values())
        declared = self._arrays.get("class_names")
        if declared is None:
            return tuple(str(number) for number in range(num_classes))
        text = declared.dtype.kind in "US" and declared.dtype.itemsize <= _MAX_NAME_BYTES
        if not text or len(declared.shape) != 1 or declared.shape[0] < num_classes:
            raise DataError(
                f"{declared.name}: got {declared.dtype} {declared.shape}, expected one text for "
                f"each of {num_classes} classes: np.array([...], dtype=str)."
            )
        try:
            names = tuple(map(str, self._read(archive, declared).astype(str).tolist()))
        except (UnicodeDecodeError, ValueError):
            raise DataError(f"{declared.name}: not readable as text.") from None
        check_names(names, declared.name)
        return names

    def _read(self, archive: zipfile.ZipFile, declared: Declared) -> NDArray[Any]:
        with archive.open(declared.info) as file:
            arrays.read_header(file, declared.name)
            return _array(file, declared)

    @contextmanager
    def _zip(self) -> Iterator[zipfile.ZipFile]:
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


def _declared(archive: zipfile.ZipFile, path: Path) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        if key not in KNOWN or key in found:
            raise DataError(
                f"{path}: got an array {key[:40]!r}, expected {', '.join(KNOWN)}, each once."
            )
        name = f"{key} in {path}"
        with archive.open(info) as file:
            shape, fortran, dtype = arrays.read_header(file, name)
            found[key] = Declared(info, shape, fortran, dtype, name)
            _check_size(found[key], info.file_size - file.tell())
    required = {"x_train", "y_train"}
    required |= {f"{kind}_{key[2:]}" for key in found if key in KNOWN[:-1] for kind in "xy"}
    if missing := sorted(required - set(found)):
        raise DataError(f"{path}: no {', '.join(missing)} in it; it holds {sorted(found)}.")
    for split in SPLITS:
        if f"x_{split}" in found:
            _check_images(found[f"x_{split}"])
    return found


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


def _check_images(declared: Declared) -> None:
    shape, hint = declared.shape, ""
    if declared.dtype != np.uint8:
        hint = "Convert: (x * 255).astype('uint8') for 0 to 1, x.astype('uint8') for 0 to 255"
    elif len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        channels_first = len(shape) == 4 and shape[1] in (1, 3)
        hint = "Channels go last: x.transpose(0, 2, 3, 1)" if channels_first else "Reshape it"
    elif min(shape) < 1 or max(shape[1:3]) > MAX_SIDE:
        hint = f"There must be images, of 1 to {MAX_SIDE} pixels a side"
    if hint:
        raise DataError(
            f"{declared.name}: got {declared.dtype} {shape}, expected uint8 (images, height, "
            f"width) or (images, height, width, 1 or 3). {hint}."
        )


def _array(file: IO[bytes], declared: Declared) -> NDArray[Any]:
    found = arrays.read_exactly(file, declared.num_bytes, declared.name)
    order = "F" if declared.fortran else "C"
    return np.frombuffer(found, declared.dtype).reshape(declared.shape, order=order)  # type: ignore[call-overload,no-any-return]
