"""Pickles: plain data is read, and nothing but plain data is built."""

import io
import pickle
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import Read

Reading = Callable[..., Read]
ran: list[str] = []


class Hostile:
    def __reduce__(self) -> Any:
        return ran.append, ("ran",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "make",
    [
        dict,
        OrderedDict,
        lambda c: defaultdict(list, c),
        lambda c: {k: np.array(v) for k, v in c.items()},
        lambda c: {k: [np.float32(x) for x in v] for k, v in c.items()},
        lambda c: {
            "train": {"loss": c["loss"], "acc": c["accuracy"]},
            "val": {"loss": c["val_loss"], "acc": c["val_accuracy"]},
        },
    ],
)
def test_plain_pickles(run: Any, read_text: Reading, make: Any, protocol: int) -> None:
    run.check(read_text(pickle.dumps(make(run.curves), protocol), "history.pkl").fits[0])


def test_a_dict_saved_by_numpy_and_arrays_by_name(
    run: Any, tmp_path: Path, read_text: Reading
) -> None:
    stream = io.BytesIO()
    np.save(stream, run.curves, allow_pickle=True)  # type: ignore[arg-type]
    run.check(read_text(stream.getvalue(), "history.npy").fits[0])
    stream = io.BytesIO()
    np.savez(stream, **{name: np.array(values) for name, values in run.curves.items()})
    run.check(read_text(stream.getvalue(), "history.npz").fits[0])


class Tensor:
    """Pickles itself as torch's tensors do: by a function of torch and a storage kept elsewhere."""


def saved_by_torch(data: object) -> bytes:
    class Writer(pickle.Pickler):
        def persistent_id(self, value: object) -> object:
            return ("storage", "0") if isinstance(value, Tensor) else None

    inner, outer = io.BytesIO(), io.BytesIO()
    Writer(inner, 2).dump(data)
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("log/data.pkl", inner.getvalue())
        archive.writestr("log/version", "3")
    return outer.getvalue()


def test_curves_saved_by_torch_beside_weights(run: Any, read_text: Reading) -> None:
    data = {"history": run.curves, "state_dict": OrderedDict(weight=Tensor())}
    found = read_text(saved_by_torch(data), "log.pt")
    run.check(found.fits[0])
    assert found.format == "torch"


@pytest.mark.parametrize(
    "data",
    [
        {"loss": Hostile()},
        [Hostile()],
        {"loss": [1.0], "x": Path("a")},
        {"loss": [1.0], "f": print},
    ],
)
def test_nothing_else_is_built(read_text: Reading, data: object) -> None:
    for protocol in range(6):
        with pytest.raises(ReadError, match="the pickle holds .* save history.history"):
            read_text(pickle.dumps(data, protocol), "history.pkl")
    assert ran == []


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromstring\n(S'x'\ntR.",
    ],
)
def test_code_is_refused(read_text: Reading, code: bytes) -> None:
    with pytest.raises(ReadError, match="the pickle holds"):
        read_text(code, "history.pkl")


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x04r\xff\xff\xff\x7f.",
        b"\x80\x04X\xff\xff\xff\x7f.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x02" + b"(" * 1000 + b".",
        b"(dp0\nS'loss'\np99999999999\n.",
        b"L" + b"9" * 5000 + b"L\n.",
    ],
)
def test_damaged_pickles_and_bombs_are_refused_at_once(read_text: Reading, code: bytes) -> None:
    with pytest.raises(ReadError):
        read_text(code, "history.pkl")


def test_archives_that_are_no_logs(read_text: Reading) -> None:
    for member, cause in (
        ("config.json", "a Keras model"),
        ("xl/workbook.xml", "Excel workbook"),
        ("a.txt", "an archive"),
    ):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(member, "{}")
        with pytest.raises(ReadError, match=cause):
            read_text(stream.getvalue(), "x.zip")
    for first, cause in (
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"SQLite format 3\0", "SQLite"),
        (b"\x89PNG\r\n", "picture"),
    ):
        with pytest.raises(ReadError, match=cause):
            read_text(first + b"\0" * 50, "x.bin")


def _tenfold(inner: Any, kind: Callable[[Any], Any]) -> Any:
    for _ in range(15):
        inner = kind(inner)
    return inner


@pytest.mark.parametrize("protocol", range(6))
def test_a_few_bytes_that_hold_each_other_without_end_are_refused(
    read_text: Reading, protocol: int
) -> None:
    lists = _tenfold([0.5, 0.4], lambda one: [one] * 10)
    folds = _tenfold({"loss": [1, 2]}, lambda one: {f"fold_{i}": one for i in range(10)})
    circle: dict[str, Any] = {"loss": [1.0, 2.0]}
    circle["fold"] = circle
    for data in ({"loss": lists, "val_loss": lists}, folds, circle):
        with pytest.raises(ReadError, match="hold each other so often|deeper than"):
            read_text(pickle.dumps(data, protocol), "history.pkl")


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_key_that_takes_for_ever_to_hash_is_refused_before_it_is_built(
    read_text: Reading, protocol: int
) -> None:
    key = _tenfold((1, 2), lambda one: (one,) * 10)
    body = pickle.dumps(key, protocol)[2:-1]
    with pytest.raises(ReadError, match="hold each other so often"):
        read_text(b"\x80" + bytes([protocol]) + b"}" + body + b"K\x01s.", "history.pkl")
