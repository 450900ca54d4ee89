import pytest

from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.training import shipping
from pipeline.training.task import FitTask


@pytest.fixture
def task(digits_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    params = parameters.Params()
    data_hash = prepared.read_manifest(digits_folder).content_hash
    return FitTask(
        "dense",
        params.models.dense,
        params.train,
        0,
        digits_folder,
        data_hash,
        checkpoints=tmp_path,
    )


def test_data_arrive_whole_and_once(task, digits_folder, tmp_path):
    packed = shipping.pack(digits_folder)
    first = shipping.delivered(task, packed)
    again = shipping.delivered(task, b"not looked at")
    assert first.data == again.data == tmp_path / f"overfit-atlas-{task.data_hash}"
    assert prepared.read(first.data).manifest == prepared.read(digits_folder).manifest
    assert first.checkpoints is None


def test_where_the_data_lie_does_not_change_what_is_computed(task, digits_folder):
    assert shipping.delivered(task, shipping.pack(digits_folder)).key() == task.key()
