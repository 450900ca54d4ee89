"""Published weights in PyTorch's old file format, read without PyTorch and without trusting them.

Such a file is a row of pickles (a magic number, the version, the writer's machine, the tensors,
the storages' keys) and then the storages themselves. A pickle may name any function to be called,
so this reader knows the four names that tensors are made of and refuses all others, and reads no
file whose SHA-256 is not the expected one.
"""

import hashlib
import io
import pickle
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.models.layers import ModelError

Weights = Mapping[str, NDArray[Any]]

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
COUNT_BYTES = 8  # of the number of elements before each storage


@dataclass(frozen=True)
class Packaged:
    """A weights file that is part of an installed Python package.

    Attributes:
        package: its name in the registry.
        file: path of the file among the installed packages.
        sha256: of the file.
    """

    package: str
    file: str
    sha256: str

    def path(self) -> Path | None:
        """Where the file is on this machine; None where the package is not installed."""
        try:
            path = Path(str(metadata.distribution(self.package).locate_file(self.file)))
        except metadata.PackageNotFoundError:
            return None
        return path if path.is_file() else None


def read(path: Path, sha256: str) -> Weights:
    """The arrays in `path` by name, in the file's order.

    Raises:
        ModelError: the file cannot be read, is not the one of this SHA-256, or holds more than
            tensors.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error}).") from None
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"{path}: got SHA-256 {found}, expected {sha256}: it is not the published file, and is"
            " not opened. Install its package anew."
        )
    return parse(content, str(path))


def parse(content: bytes, name: str) -> Weights:
    """The arrays in a file's `content`, whose checksum was verified; `name` is for messages.

    Raises:
        ModelError: it is not of this format, or holds more than tensors.
    """
    file = io.BytesIO(content)
    try:
        if (_unpickled(file), _unpickled(file)) != (MAGIC, VERSION):
            raise ValueError("it is not in PyTorch's format of before 2020")
        if not _unpickled(file)["little_endian"]:
            raise ValueError("its numbers are big-endian")
        tensors: dict[str, _Tensor] = dict(_unpickled(file))
        kinds = {tensor.storage.key: tensor.storage.dtype for tensor in tensors.values()}
        buffers = {key: _elements(file, kinds[key]) for key in _unpickled(file)}
        return {key: _array(tensor, buffers) for key, tensor in tensors.items()}
    except (pickle.UnpicklingError, ArithmeticError, LookupError, EOFError) as error:
        raise ModelError(f"{name}: not weights that can be read ({error}).") from None
    except (AttributeError, TypeError, ValueError, MemoryError) as error:
        raise ModelError(f"{name}: not weights that can be read ({error}).") from None


@dataclass(frozen=True)
class _Storage:
    """What a pickle says of one storage, whose elements follow later in the file."""

    dtype: np.dtype[Any]
    key: str


@dataclass(frozen=True)
class _Tensor:
    """A view into a storage, all numbers in elements."""

    storage: _Storage
    offset: int
    shape: Sequence[int]
    strides: Sequence[int]


class _Restricted(pickle.Unpickler):
    """An unpickler to which only the names that tensors are made of mean anything."""

    def find_class(self, module: str, name: str) -> Any:
        """Our own stand-in for each name that tensors need; UnpicklingError for any other."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Tensor(
                storage, offset, shape, strides
            )
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no tensor needs")

    def persistent_load(self, pid: Any) -> _Storage:
        """The storage that `("storage", type, key, device, number of elements, view)` names."""
        return _Storage(pid[1], pid[2])


def _unpickled(file: io.BytesIO) -> Any:
    return _Restricted(file).load()


def _elements(file: io.BytesIO, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The next storage of the file: the number of its elements, then these."""
    count = int.from_bytes(file.read(COUNT_BYTES), "little")
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def _array(tensor: _Tensor, buffers: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    elements = buffers[tensor.storage.key][tensor.offset :]
    shape, steps = tensor.shape, tensor.strides
    last = sum((length - 1) * step for length, step in zip(shape, steps, strict=True))
    if min((*shape, *steps, 1)) < 0 or max(last, prod(shape) - 1) >= len(elements):
        raise ValueError(f"a tensor of {shape} reaches beyond its storage")
    strides = [step * elements.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(elements, shape, strides).copy()
