"""Pickles of plain data, through a reader that can build containers, numbers and text alone.

A pickle names what it wants to be built. Here names lead to nothing but the few below, all of them
harmless: dict, list and their kin of the standard library, and stand-ins for NumPy's arrays and
numbers that only look at bytes. Any other name ends the reading. Tensors of torch become a
stand-in without values, so that curves saved beside weights can be read.
"""

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import structures
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.source import Source

MAX_PICKLE = 32 * 2**20
MAX_ITEMS = 2_000_000
_TANGLED = "its parts hold each other so often that they cannot be read"
MAX_SHARED = 1_000_000
"""What is read of data whose parts stand in it several times; a tenfold list of tenfold lists, ...
of 200 bytes holds more than can ever be walked through."""


class _DType:
    """NumPy's dtype: its letters alone."""

    def __init__(self, code: object = "", *rest: object) -> None:
        self.code = str(code)[:16]

    def __setstate__(self, state: object) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else ""
        if order in (">", "<"):
            self.code = f"{order}{self.code}"

    def numeric(self) -> np.dtype:
        letters = self.code.lstrip("<>|=")
        if letters[:1] not in {"f", "i", "u", "b"} or not letters[1:].isdigit():
            raise ReadError(f"an array of {self.code!r}, no numbers")
        return np.dtype(self.code)


class _Array(list[Any]):
    """NumPy's array: a list of its numbers, filled when its state comes."""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ReadError("an array in a form that is not known")
        _, shape, dtype, _, data = state
        if isinstance(data, list):
            self.extend(data)
        else:
            self.extend(_decoded(data, dtype))
        self.shape = shape


class _Opaque:
    """Something without values for us: a tensor, a state of an optimiser."""

    def __init__(self, *rest: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _decoded(data: object, dtype: object) -> list[float]:
    if isinstance(data, str):
        data = data.encode("latin-1", "replace")
    if not isinstance(data, bytes) or not isinstance(dtype, _DType):
        raise ReadError("an array in a form that is not known")
    kind = dtype.numeric()
    if len(data) % max(kind.itemsize, 1) or len(data) // max(kind.itemsize, 1) > MAX_ITEMS:
        raise ReadError("an array whose bytes do not fit its numbers")
    return [float(x) for x in np.frombuffer(data, dtype=kind)]


def _array(*rest: object) -> _Array:
    return _Array()


def _scalar(dtype: object, data: object = b"") -> float:
    return _decoded(data, dtype)[0]


def _from_buffer(data: object, dtype: object, *rest: object) -> list[float]:
    return _decoded(bytes(data) if isinstance(data, bytearray) else data, dtype)


def _encode(text: object, encoding: object = "") -> bytes:
    return str(text).encode("latin-1", "replace")


def _defaultdict(*rest: object) -> dict[object, object]:
    return {}


def _set(items: object = ()) -> list[object]:
    return list(items) if isinstance(items, list) else []


_NUMPY = {"_reconstruct": _array, "scalar": _scalar, "ndarray": _Array, "dtype": _DType,
          "_frombuffer": _from_buffer}  # fmt: skip
_PLAIN: dict[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): _defaultdict,
    ("_codecs", "encode"): _encode,
    **{(module, "list"): list for module in ("builtins", "__builtin__")},
    **{(module, "dict"): dict for module in ("builtins", "__builtin__")},
    **{(module, "float"): float for module in ("builtins", "__builtin__")},
    **{(module, "set"): _set for module in ("builtins", "__builtin__")},
}


class _Reader(pickle.Unpickler):
    """Builds what the module allows; `torch` lets tensors pass as stand-ins."""

    def __init__(self, data: bytes, torch: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self.torch = torch

    def find_class(self, module: str, name: str) -> object:
        found: object = _PLAIN.get((module, name))
        if found is None and module.split(".")[0] == "numpy":
            found = _NUMPY.get(name)
        if found is None and self.torch and module.split(".")[0] == "torch":
            found = _Opaque
        if found is None:
            raise ReadError(
                f"the pickle holds {module[:60]}.{name[:60]}, and only plain dicts, lists and "
                "numbers are built of a pickle; save history.history (or its like) as JSON"
            )
        return found

    def persistent_load(self, pid: object) -> object:
        return _Opaque()


def loaded(data: bytes, label: str, torch: bool = False) -> object:
    """The plain data of a pickle; refuses all else."""
    if len(data) > MAX_PICKLE:
        raise ReadError(f"{label}: a pickle of more than {MAX_PICKLE // 2**20} MiB")
    _refuse_bombs(data, label)
    try:
        found: object = _Reader(data, torch).load()
    except ReadError as error:
        raise ReadError(f"{label}: {error}") from None
    except Exception as error:  # a broken pickle can raise anything
        raise ReadError(f"{label}: a damaged pickle ({type(error).__name__})") from None
    if _size(found, {}) > max(MAX_SHARED, len(data)):
        raise ReadError(f"{label}: {_TANGLED}")
    return found


def _size(data: object, known: dict[int, float]) -> float:
    """How many values there are in `data`, shared ones counted each time; inf in a circle."""
    if not isinstance(data, dict | list | tuple):
        return 1
    if id(data) not in known:
        known[id(data)] = np.inf
        inner = (*data, *data.values()) if isinstance(data, dict) else data
        holders = [one for one in inner if isinstance(one, dict | list | tuple)]
        known[id(data)] = 1 + len(inner) + sum(_size(one, known) for one in holders)
    return known[id(data)]


_VALUES = {
    one.name for one in pickletools.opcodes
    if not one.stack_before and len(one.stack_after) == 1 and "GET" not in one.name
} - {"MARK"}  # fmt: skip


class _Built:
    """The sizes of the tuples that a pickle builds, without building them.

    As keys of a dict they are hashed while the pickle is read, all that they hold each time; what
    else there is can be counted when it is there (`_size`).
    """

    def __init__(self) -> None:
        self.stack: list[int | None] = []  # None is a mark
        self.memo: dict[object, int | None] = {}

    def largest_after(self, opcode: pickletools.OpcodeInfo, argument: object) -> int:
        """The size of what `opcode` leaves on the stack."""
        stack = self.stack
        if opcode.name in _VALUES:
            stack.append(1)
        elif opcode.name == "MARK":
            stack.append(None)
        elif opcode.name in {"GET", "BINGET", "LONG_BINGET"}:
            stack.append(self.memo.get(argument, 1))
        elif opcode.name in {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}:
            self.memo[len(self.memo) if argument is None else argument] = stack[-1]
        elif opcode.name == "DUP":
            stack.append(stack[-1])
        else:
            taken = self._taken(opcode)
            whole = 1 + sum(one or 0 for one in taken) if opcode.name.startswith("TUPLE") else 1
            stack += [whole] * len(opcode.stack_after)
        return (stack[-1] if stack else 0) or 0

    def _taken(self, opcode: pickletools.OpcodeInfo) -> list[int | None]:
        """What `opcode` takes from the stack, down to the last mark where it does so."""
        before = opcode.stack_before
        count = len(before)
        if pickletools.markobject in before:
            up_to = len(self.stack) - 1 - self.stack[::-1].index(None)
            count = len(self.stack) - up_to + before.index(pickletools.markobject)
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken


def _refuse_bombs(data: bytes, label: str) -> None:
    """Refuses a pickle that announces more than it holds: lengths reserve memory when read."""
    memos, numbers = {"LONG_BINPUT", "PUT"}, {"LONG", "LONG1", "LONG4", "INT"}
    built = _Built()
    try:
        for opcode, argument, _ in pickletools.genops(io.BytesIO(data)):
            if built.largest_after(opcode, argument) > MAX_SHARED:
                raise ReadError(f"{label}: {_TANGLED}")
            if not isinstance(argument, int):
                continue
            if opcode.name in memos and argument > len(data):
                raise ReadError(f"{label}: a damaged pickle (a memo of {argument})")
            if opcode.name in numbers and argument.bit_length() > 2000:
                raise ReadError(f"{label}: a number of {argument.bit_length()} bits")
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(f"{label}: a damaged pickle ({type(error).__name__})") from None


def read(source: Source) -> list[Raw] | None:
    """The tables of a pickle, of NumPy's .npy and .npz or of torch's .pt; None for all else."""
    data = source.data
    if data[:4] == b"PK\x03\x04":
        return _of_zip(source)
    if data[:6] == b"\x93NUMPY":
        return _of_npy(source)
    suffix = source.path.suffix.lower() if source.path else ""
    if data[:1] == b"\x80" or suffix in {".pkl", ".pickle", ".p"} or data[:2] in {b"(d", b"(l"}:
        return structures.read(_plain(loaded(data, source.label)), source.name, "pickle")
    return None


def _plain(data: object) -> object:
    """`data` itself; of an object with a dict of curves, as Keras' History keeps it, that dict."""
    if isinstance(data, _Array) and len(data) == 1 and isinstance(data[0], dict):
        return data[0]
    return data


def _of_npy(source: Source) -> list[Raw]:
    stream = io.BytesIO(source.data)
    try:
        version = np.lib.format.read_magic(stream)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else (
            np.lib.format.read_array_header_2_0)  # fmt: skip
        shape, _, dtype = header(stream, max_header_size=10_000)
    except Exception as error:
        raise ReadError(f"{source.label}: a damaged .npy file ({type(error).__name__})") from None
    if dtype.hasobject:
        return structures.read(
            _plain(loaded(source.data[stream.tell() :], source.label)), source.name, "numpy"
        )
    if dtype.names:
        raise ReadError(f"{source.label}: a structured array; save it as CSV with its names")
    raise ReadError(f"{source.label}: an array of shape {shape} without names; save the curves "
                    "with their names, as CSV or JSON")  # fmt: skip


def _of_zip(source: Source) -> list[Raw]:
    """Curves in NumPy's .npz or in torch's .pt; other archives are refused by what they are."""
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            members = archive.infolist()
            inside = [member.filename for member in members]
            arrays = [m for m in members if m.filename.endswith(".npy")]
            pickled = next((m for m in members if m.filename.endswith("/data.pkl")), None)
            if (
                arrays
                and len(arrays) == len(members)
                and sum(m.file_size for m in arrays) <= MAX_PICKLE
            ):
                return _of_npz(source, {m.filename[:-4]: archive.read(m) for m in arrays})
            if pickled and pickled.file_size <= MAX_PICKLE:
                data = loaded(archive.read(pickled), source.label, torch=True)
                return structures.read(_plain(data), source.name, "torch")
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(f"{source.label}: a damaged archive ({type(error).__name__})") from None
    kind = "an Excel workbook; save the sheet as CSV" if "xl/workbook.xml" in inside else (
        "a Keras model, no training log; give history.history" if "config.json" in inside
        else "an archive; unpack it and give the log")  # fmt: skip
    raise ReadError(f"{source.label}: {kind}")


def _of_npz(source: Source, arrays: dict[str, bytes]) -> list[Raw]:
    columns: dict[str, object] = {}
    for name, data in arrays.items():
        stream = io.BytesIO(data)
        found = np.lib.format.read_array(stream, allow_pickle=False, max_header_size=10_000)
        if found.ndim == 1 and found.dtype.kind in "fiu":
            columns[name] = [float(x) for x in found]
    return structures.read(columns, source.name, "numpy")
