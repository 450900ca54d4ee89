"""CIFAR-10 and CIFAR-100 as published: Python pickles in a .tar.gz, read without trusting them.

Each pickle holds a dict with `data`, bytes of shape (n, 3072), and a list of labels. The pickle
machine run here knows three harmless names, and keeps pixels in the file instead of in memory.
"""

import pickle
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from pipeline.data import DataError, arrays
from pipeline.data.prepared import Labels
from pipeline.data.raw import Part
from pipeline.files import check_expansion

SIDE, CHANNELS = 32, 3
IMAGE_SHAPE = (SIDE, SIDE, CHANNELS)
_ROW = CHANNELS * SIDE * SIDE
_LONG_BYTES = _ROW


@dataclass(frozen=True)
class Layout:
    """Which members of an archive hold a split, and under which key their labels are."""

    members: dict[str, tuple[str, ...]]
    label_key: bytes


LAYOUTS: dict[str, Layout] = {
    "cifar10": Layout(
        {
            "train": tuple(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)),
            "test": ("cifar-10-batches-py/test_batch",),
        },
        b"labels",
    ),
    "cifar100": Layout(
        {"train": ("cifar-100-python/train",), "test": ("cifar-100-python/test",)},
        b"fine_labels",
    ),
}


def parts(archive: Path, name: Literal["cifar10", "cifar100"], work: Path) -> Iterator[Part]:
    """Train and test of a verified archive; members are unpacked into the folder `work`.

    Raises:
        DataError: the archive is damaged or not of this form, or a member reaches out of it.
    """
    layout = LAYOUTS[name]
    wanted = [member for members in layout.members.values() for member in members]
    extract(archive, wanted, work)
    for split, members in layout.members.items():
        batches = [_batch(work / member, layout.label_key) for member in members]
        labels = np.concatenate([labels for _, labels in batches])
        yield Part(split, IMAGE_SHAPE, labels, _images([pixels for pixels, _ in batches]))


def extract(archive: Path, wanted: Sequence[str], folder: Path) -> None:
    """Unpack the members `wanted` into `folder`, having checked every member.

    Raises:
        DataError: damaged; a member is missing, or would be written outside the folder.
    """
    missing = set(wanted)
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for member in opened:
                check_expansion(
                    member.size, archive.stat().st_size, f"{member.name!r} in {archive}", DataError
                )
                # The filter raises for paths, links and devices that reach out of the folder.
                tarfile.data_filter(member, str(folder))
                if member.name in missing and member.isfile():
                    opened.extract(member, folder, filter="data")
                    missing.discard(member.name)
    except tarfile.FilterError as error:
        raise DataError(f"{archive}: refused: {error}. Get the official archive.") from None
    except DataError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{archive}: not a whole .tar.gz: {error}. Fetch it again.") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{archive}: not a whole .tar.gz: {error}. Fetch it again.") from None
    if missing:
        raise DataError(f"{archive}: no member {', '.join(sorted(missing))} in it.")


@dataclass(frozen=True)
class _Long:
    """A long string of bytes of a pickle: where it lies in the file."""

    offset: int
    num_bytes: int


class _Array:
    """What takes the place of a numpy array: its shape, and where its bytes lie."""

    shape: Any = None
    payload: Any = None
    fortran: Any = False

    def __setstate__(self, state: Any) -> None:
        _, self.shape, _, self.fortran, self.payload = state


class _Name:
    """What takes the place of the types `numpy.ndarray` and `numpy.dtype`: can do nothing."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


def _reconstruct(*_: Any) -> _Array:
    return _Array()


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Name,
    ("numpy", "dtype"): _Name,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class _Reader(pickle._Unpickler):
    """Python's own pickle machine, cut down: no name but those above, long bytes stay on disk."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="bytes")
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which images do not need")
        return _NAMES[module, name]


def _bytes_op(size_format: str) -> Callable[[Any], None]:
    def load(reader: Any) -> None:
        (size,) = struct.unpack(size_format, reader.read(struct.calcsize(size_format)))
        if size < _LONG_BYTES:
            reader.append(reader.read(max(0, size)))
        else:
            reader.append(_Long(reader.file.tell(), size))
            reader.file.seek(size, 1)

    return load


_Reader.dispatch[pickle.BINSTRING[0]] = _bytes_op("<i")
_Reader.dispatch[pickle.BINBYTES[0]] = _bytes_op("<I")
# Within frames (of newer pickles) a position in the file would not be that of the bytes.
del _Reader.dispatch[pickle.FRAME[0]]


@dataclass(frozen=True)
class _Pixels:
    """The images of one pickle, still in their file."""

    path: Path
    offset: int
    num_images: int
    fortran: bool


def _batch(path: Path, label_key: bytes) -> tuple[_Pixels, Labels]:
    try:
        with path.open("rb") as file:
            found = _Reader(file).load()
        data, labels = found[b"data"], np.array(found[label_key])
        num_images, payload = len(labels), data.payload
        if not (
            isinstance(payload, _Long)
            and data.shape == (num_images, _ROW)
            and payload.num_bytes == num_images * _ROW
            and labels.dtype.kind == "i"
        ):
            raise ValueError(f"images {data.shape} and {num_images} labels")
    # Besides UnpicklingError a wrong pickle raises what its opcodes happen to run into.
    except Exception as error:
        first = f"{type(error).__name__}: {error}"[:200]
        raise DataError(f"{path.name}: not a batch of CIFAR images: {first}.") from None
    return _Pixels(path, payload.offset, num_images, bool(data.fortran)), labels.astype(np.int32)


def _images(batches: Sequence[_Pixels]) -> Iterator[arrays.Images]:
    for batch in batches:
        shape = (batch.num_images, _ROW)
        if batch.fortran:
            mapped = np.memmap(batch.path, np.uint8, "r", batch.offset, shape, order="F")
            rows = arrays.blocks(mapped)
        else:
            rows = arrays.Rows(batch.path, shape, np.dtype(np.uint8), batch.offset).blocks()
        for block in rows:
            yield block.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
