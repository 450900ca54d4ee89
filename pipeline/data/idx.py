"""IDX files, the form MNIST and Fashion-MNIST are published in (gzip, header, unsigned bytes)."""

import gzip
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, cast

import numpy as np

from pipeline.data import DataError, arrays
from pipeline.data.raw import Part
from pipeline.files import check_expansion

UNSIGNED_BYTE = 8


def parts(paths: Sequence[Path]) -> Iterator[Part]:
    """Train and test from four files: training images, labels, test images, labels.

    Raises:
        DataError: a file is cut off, is not IDX, or has another number of rows than its partner.
    """
    for split, (images, labels) in zip(("train", "test"), (paths[:2], paths[2:]), strict=True):
        with _opened(images) as file:
            shape = _shape(file, 3, images)
        with _opened(labels) as file:
            (num_labels,) = _shape(file, 1, labels)
            found = arrays.read_exactly(file, num_labels, str(labels))
        if shape[0] != num_labels:
            counts = f"{shape[0]} images and {num_labels} labels"
            raise DataError(f"{images}: got {counts} in {labels.name}, expected as many.")
        numbers = np.frombuffer(found, np.uint8).astype(np.int32)
        yield Part(split, (shape[1], shape[2], 1), numbers, _blocks(images))


def _blocks(path: Path) -> Iterator[arrays.Images]:
    with _opened(path) as file:
        shape = _shape(file, 3, path)
        yield from arrays.stream(file, (*shape, 1), str(path))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path, "rb") as file:
            yield cast(IO[bytes], file)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file: {error}.") from None


def _shape(file: IO[bytes], num_dimensions: int, path: Path) -> tuple[int, ...]:
    """The shape an IDX header declares: two zeros, the type, the number of dimensions, each."""
    start = arrays.read_exactly(file, 4, str(path))
    if start != bytes((0, 0, UNSIGNED_BYTE, num_dimensions)):
        expected = f"an IDX file of bytes in {num_dimensions} dimensions"
        raise DataError(f"{path}: got a file that starts {start!r}, expected {expected}.")
    sizes = arrays.read_exactly(file, 4 * num_dimensions, str(path))
    shape: tuple[int, ...] = struct.unpack(f">{num_dimensions}I", sizes)
    if prod(shape) == 0:
        raise DataError(f"{path}: declares {shape}: no images.")
    declared = f"{path}: what it declares, {shape},"
    check_expansion(prod(shape), path.stat().st_size, declared, DataError)
    return shape
