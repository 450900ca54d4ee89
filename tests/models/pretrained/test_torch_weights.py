"""PyTorch's file format, written here without PyTorch, and what the reader refuses."""

import hashlib
import io
import os
import pickle
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models import ModelError
from pipeline.models.pretrained import torch_weights
from tests.inputs import damaged, examples

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
COUNT = np.array(7, np.int64)


class Tensor:
    """What PyTorch writes of a tensor: a function's name and a storage by its key."""

    def __init__(self, kind: str, key: str, offset: int, shape: Any, strides: Any) -> None:
        self.storage = (kind, key)
        self.view = (offset, shape, strides)

    def __reduce__(self) -> Any:
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (Storage(*self.storage), *self.view, False, OrderedDict())


class Storage:
    def __init__(self, kind: str, key: str) -> None:
        self.pid = ("storage", getattr(sys.modules["torch"], kind), key, "cpu", 0, None)


class Pickler(pickle.Pickler):
    def persistent_id(self, one: Any) -> Any:
        return one.pid if isinstance(one, Storage) else None


def _named(module: str, name: str) -> type:
    return type(name, (), {"__module__": module, "__qualname__": name})


@pytest.fixture(scope="module")
def torch() -> Any:
    """Modules that bear PyTorch's names for as long as a file is written."""
    fakes: dict[str, Any] = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(fakes["torch"], name, _named("torch", name))
    fakes["torch._utils"]._rebuild_tensor_v2 = _named("torch._utils", "_rebuild_tensor_v2")
    with pytest.MonkeyPatch.context() as patch:
        for name, module in fakes.items():
            patch.setitem(sys.modules, name, module)
        yield fakes


def _written(tensors: Any, storages: dict[str, np.ndarray], little_endian: bool = True) -> bytes:
    file = io.BytesIO()
    facts = {"protocol_version": 1001, "little_endian": little_endian}
    parts = (torch_weights.MAGIC, torch_weights.VERSION, facts, tensors, sorted(storages))
    for part in parts:
        Pickler(file, 2).dump(part)
    for _, elements in sorted(storages.items()):
        file.write(elements.size.to_bytes(8, "little") + elements.tobytes())
    return file.getvalue()


@pytest.fixture(scope="module")
def content(torch: Any) -> bytes:
    """A kernel stored with its axes turned, a part of the same storage, and a count."""
    turned = Tensor("FloatStorage", "1", 0, (4, 3, 2), (1, 4, 12))
    part = Tensor("FloatStorage", "1", 20, (4,), (1,))
    count = Tensor("LongStorage", "0", 0, (), ())
    tensors = OrderedDict(kernel=turned, part=part, count=count)
    return _written(tensors, {"0": COUNT, "1": KERNEL})


def _saved(folder: Path, content: bytes) -> tuple[Path, str]:
    path = folder / "net.pth"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


def test_arrays_have_their_names_order_shapes_and_numbers(tmp_path: Path, content: bytes) -> None:
    found = torch_weights.read(*_saved(tmp_path, content))
    assert list(found) == ["kernel", "part", "count"]
    np.testing.assert_array_equal(found["kernel"], KERNEL.T)
    np.testing.assert_array_equal(found["part"], [20, 21, 22, 23])
    assert found["kernel"].dtype == np.float32
    assert found["count"].shape == () and found["count"] == 7


def test_another_file_than_the_published_one_is_not_opened(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sha256 = _saved(tmp_path, content)
    monkeypatch.setattr(torch_weights, "parse", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(ModelError, match=f"got SHA-256 {sha256}, expected 0+: .*not opened"):
        torch_weights.read(path, "0" * 64)
    with pytest.raises(ModelError, match="cannot be read"):
        torch_weights.read(tmp_path / "gone.pth", sha256)


class Call:
    """Unpickled in the ordinary way it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_what_a_pickle_would_call_is_named_and_not_called(torch: Any, tmp_path: Path) -> None:
    harmful = _written(Call(tmp_path / "made"), {})
    with pytest.raises(ModelError, match=rf"net: .*it names {os.mkdir.__module__}.mkdir, which no"):
        torch_weights.parse(harmful, "net")
    assert not (tmp_path / "made").exists()


def test_other_storages_are_refused_by_name(torch: Any) -> None:
    half = _written({"a": Tensor("HalfStorage", "0", 0, (1,), (1,))}, {"0": KERNEL})
    with pytest.raises(ModelError, match=r"it names torch.HalfStorage"):
        torch_weights.parse(half, "net")


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (25,), (1,)),
        (1, (24,), (1,)),
        (0, (2, 13), (12, 1)),
        (0, (9, 9), (0, 0)),
        (9, (2,), (-1,)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    torch: Any, offset: int, shape: Any, strides: Any
) -> None:
    beyond = _written({"a": Tensor("FloatStorage", "0", offset, shape, strides)}, {"0": KERNEL})
    with pytest.raises(ModelError, match="reaches beyond its storage"):
        torch_weights.parse(beyond, "net")


def test_numbers_of_another_byte_order_and_other_files_are_refused(torch: Any) -> None:
    with pytest.raises(ModelError, match="big-endian"):
        torch_weights.parse(_written({}, {}, little_endian=False), "net")
    with pytest.raises(ModelError, match="before 2020"):
        torch_weights.parse(pickle.dumps(1) + pickle.dumps(2), "net")


@examples(300)
@given(data=st.data())
def test_damaged_files_give_arrays_or_one_line(content: bytes, data: Any) -> None:
    try:
        found = torch_weights.parse(damaged(data, content), "net")
    except ModelError as error:
        assert str(error).startswith("net: ")
    else:
        assert all(isinstance(array, np.ndarray) for array in found.values())


def test_a_package_that_is_not_installed_has_no_path() -> None:
    assert torch_weights.Packaged("no-such-package-as-this", "a.pth", "").path() is None
    assert torch_weights.Packaged("numpy", "numpy/no-such-file", "").path() is None
    found = torch_weights.Packaged("numpy", "numpy/__init__.py", "").path()
    assert found == Path(np.__file__)
