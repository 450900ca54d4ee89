"""Arrays on disk, read and written block by block, so that memory stays small at any size.

Memory maps would be shorter, but every page they touch counts as memory of the process.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import DataError

Images = NDArray[np.uint8]
BLOCK_BYTES = 1 << 21
PIECE_BYTES = 1 << 24
"""At most so much is asked of a stream at once: what a damaged header declares may be absurd."""


def rows_per_block(row_shape: tuple[int, ...], itemsize: int = 1) -> int:
    """How many rows make a block of about two megabytes; at least one."""
    return max(1, BLOCK_BYTES // max(1, prod(row_shape) * itemsize))


@dataclass(frozen=True)
class Rows:
    """A C-ordered array that stays on disk: rows of `shape[1:]`, from byte `offset` of `path`."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int = 0

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All rows, in order.

        Raises:
            DataError: the file is shorter than its shape says.
        """
        step = rows_per_block(self.shape[1:], self.dtype.itemsize)
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for start in range(0, len(self), step):
                yield _read(file, (min(step, len(self) - start), *self.shape[1:]), self.dtype)

    def selected(self, indices: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
        """The rows at `indices`, which must ascend."""
        start = 0
        for block in self.blocks():
            low, high = np.searchsorted(indices, [start, start + len(block)])
            if high > low:
                yield block[indices[low:high] - start]
            start += len(block)


def open_rows(path: Path) -> Rows:
    """The array in the .npy file at `path`, without reading it.

    Raises:
        DataError: not a .npy file, or one that holds pickled objects.
    """
    with path.open("rb") as file:
        shape, fortran, dtype = read_header(file, str(path))
        if fortran:
            raise DataError(f"{path}: got a Fortran-ordered array, expected C order.")
        return Rows(path, shape, dtype, file.tell())


def read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, Fortran order and dtype that a .npy stream declares; reads nothing else of it.

    Raises:
        DataError: not a .npy header, or an array of Python objects, which would need unpickling.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f"version {version} of the format")
    # numpy parses the header with Python's tokenizer, which raises more than ValueError on garbage.
    except Exception as error:
        first = str(error).partition("\n")[0][:200]
        raise DataError(f"{name}: not a readable .npy array: {first}") from None
    if dtype.hasobject or any(size < 0 for size in shape):
        raise DataError(
            f"{name}: holds Python objects ({dtype=!s}), which are never unpickled. Save one plain "
            "array: np.stack(list(x)) for images of one size, np.array(list(y)) for labels."
        )
    return shape, fortran, dtype


@contextmanager
def writing(
    path: Path, shape: tuple[int, ...], dtype: Any = np.uint8
) -> Iterator[Callable[[NDArray[Any]], None]]:
    """A function that appends blocks of rows to a new .npy file of that `shape` and `dtype`."""
    written = 0
    expected = np.dtype(dtype)
    with path.open("wb") as file:
        header = {"descr": expected.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

        def append(block: NDArray[Any]) -> None:
            nonlocal written
            assert block.shape[1:] == shape[1:] and block.dtype == expected
            file.write(np.ascontiguousarray(block).data)
            written += len(block)

        yield append
    assert written == shape[0], f"{written=} rows of {shape=} in {path}"


def save(path: Path, array: NDArray[Any]) -> None:
    """Write a small array as .npy."""
    with writing(path, array.shape, array.dtype) as append:
        append(array)


def blocks(array: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """An array in memory, or a map of one, in blocks of rows."""
    step = rows_per_block(array.shape[1:], array.dtype.itemsize)
    for start in range(0, len(array), step):
        yield array[start : start + step]


def digest(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256, in hex, of the bytes of a stream of blocks; block borders do not matter."""
    hashed = hashlib.sha256()
    for block in arrays:
        hashed.update(np.ascontiguousarray(block).data)
    return hashed.hexdigest()


def read_exactly(file: IO[bytes], num_bytes: int, name: str) -> bytes | bytearray:
    """The next `num_bytes` of a stream; memory is taken as bytes come, however many are declared.

    Raises:
        DataError: the stream ends before.
    """
    if num_bytes <= PIECE_BYTES:
        found: bytes | bytearray = file.read(num_bytes)
    else:
        found = bytearray()
        while piece := file.read(min(num_bytes - len(found), PIECE_BYTES)):
            found += piece
    if len(found) < num_bytes:
        raise DataError(f"{name}: ends in the middle ({num_bytes - len(found)} bytes missing).")
    return found


def stream(
    file: IO[bytes], shape: tuple[int, ...], name: str, dtype: Any = np.uint8
) -> Iterator[NDArray[Any]]:
    """Rows of an open stream (a member of an archive), in blocks."""
    kind = np.dtype(dtype)
    step = rows_per_block(shape[1:], kind.itemsize)
    for start in range(0, shape[0], step):
        block = (min(step, shape[0] - start), *shape[1:])
        found = read_exactly(file, prod(block) * kind.itemsize, name)
        yield np.frombuffer(found, kind).reshape(block)


def _read(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    found = read_exactly(file, prod(shape) * dtype.itemsize, file.name)
    return np.frombuffer(found, dtype).reshape(shape)
