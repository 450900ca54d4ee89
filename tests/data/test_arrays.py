import io

import numpy as np
import pytest

from pipeline.data import DataError, arrays


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of three rows of eight bytes."""
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 24)


@pytest.mark.usefixtures("small_blocks")
def test_what_is_written_in_blocks_is_read_by_numpy_and_in_blocks(tmp_path):
    array = np.arange(80, dtype=np.uint8).reshape(10, 4, 2)
    arrays.save(tmp_path / "a.npy", array)
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)
    found = list(arrays.open_rows(tmp_path / "a.npy").blocks())
    assert [len(block) for block in found] == [3, 3, 3, 1]
    assert np.array_equal(np.concatenate(found), array)
    assert arrays.digest(found) == arrays.digest([array])


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("indices", [[0], [9], [2, 3], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 8], []])
def test_selected_rows_cross_the_borders_of_blocks(tmp_path, indices):
    array = np.arange(80, dtype=np.uint8).reshape(10, 8)
    arrays.save(tmp_path / "a.npy", array)
    chosen = np.array(indices, np.int64)
    found = list(arrays.open_rows(tmp_path / "a.npy").selected(chosen))
    assert np.array_equal(np.concatenate([*found, array[:0]]), array[chosen])


def test_a_file_cut_off_is_an_error(tmp_path):
    arrays.save(tmp_path / "a.npy", np.arange(100, dtype=np.int64))
    whole = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(whole[:-30])
    with pytest.raises(DataError, match=r"a\.npy: ends in the middle \(30 bytes missing\)"):
        list(arrays.open_rows(tmp_path / "a.npy").blocks())


def test_pickled_objects_are_refused_by_their_header():
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], dtype=object), allow_pickle=True)
    buffer.seek(0)
    with pytest.raises(DataError, match="x: holds Python objects"):
        arrays.read_header(buffer, "x")


def test_a_writer_that_got_too_few_rows_says_so(tmp_path):
    with pytest.raises(AssertionError), arrays.writing(tmp_path / "a.npy", (3, 2)) as append:
        append(np.zeros((2, 2), np.uint8))
