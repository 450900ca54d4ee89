import numpy as np

from pipeline.training import checkpoints
from pipeline.training.checkpoints import State


def _state() -> State:
    rows = [{"epoch": 1, "split": split, "loss": 0.1 + 0.2} for split in ("probe", "val")]
    return State(
        rows=rows,
        scores={"val_loss": [np.array([1, 2], np.float16)]},
        variables=[np.arange(12.0) for _ in range(11)],
        slots=[np.array(7)],
        best=[np.ones((2, 3), np.float32)],
        probabilities=[np.eye(2)],
        best_epoch=1,
        seconds=0.25,
    )


def test_a_state_comes_back_exactly(tmp_path):
    path = tmp_path / "fit.npz"
    checkpoints.save(_state(), path)
    restored = checkpoints.load(path)
    assert restored is not None
    assert restored.rows == _state().rows
    assert restored.series("val", "loss") == [0.30000000000000004]
    assert (restored.epoch, restored.best_epoch, restored.failed) == (1, 1, None)
    assert restored.scores["val_loss"][0].dtype == np.float16
    assert [array.tolist() for array in restored.variables] == [list(range(12))] * 11


def test_what_is_missing_or_cut_short_is_no_state(tmp_path):
    path = tmp_path / "fit.npz"
    assert checkpoints.load(path) is None
    checkpoints.save(_state(), path)
    path.write_bytes(path.read_bytes()[:-40])
    assert checkpoints.load(path) is None
    assert not path.exists()


def test_saving_leaves_no_temporary_file(tmp_path):
    checkpoints.save(_state(), tmp_path / "fit.npz")
    checkpoints.save(_state(), tmp_path / "fit.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["fit.npz"]
