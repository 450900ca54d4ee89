import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data import DataError, arrays, idx
from tests.inputs import damaged, examples

NAMES = ("train-images", "train-labels", "t10k-images", "t10k-labels")


@pytest.fixture
def write(tmp_path, made):
    def write_all(**changed):
        arrays = dict(
            zip(
                NAMES,
                (
                    np.arange(5 * 6, dtype=np.uint8).reshape(5, 2, 3),
                    np.array([1, 0, 2, 1, 0], np.uint8),
                    np.arange(2 * 6, dtype=np.uint8).reshape(2, 2, 3),
                    np.array([2, 0], np.uint8),
                ),
                strict=True,
            )
        )
        for name, array in arrays.items():
            (tmp_path / name).write_bytes(changed.get(name, made.idx_bytes(array)))
        return [tmp_path / name for name in NAMES]

    return write_all


def read(paths):
    return {part.split: (part, np.concatenate(list(part.blocks))) for part in idx.parts(paths)}


def test_both_splits_are_read(write):
    found = read(write())
    train, images = found["train"]
    assert train.labels.tolist() == [1, 0, 2, 1, 0] and train.labels.dtype == np.int32
    assert train.image_shape == (2, 3, 1)
    assert np.array_equal(images[..., 0], np.arange(30).reshape(5, 2, 3))
    assert found["test"][0].labels.tolist() == [2, 0] and found["test"][1].shape == (2, 2, 3, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda whole, _: whole[: len(whole) // 2], "train-images: not a whole gzip file"),
        (lambda whole, _: b"<html>404</html>", "train-images: not a whole gzip file"),
        (lambda whole, _: gzip.compress(b"hello"), "train-images: got a file that starts b'hell'"),
        (
            lambda whole, _: gzip.compress(gzip.decompress(whole)[:-7]),
            "ends in the middle .7 bytes",
        ),
        (
            lambda whole, made: made.idx_bytes(np.zeros((4, 2, 3), np.uint8)),
            "4 images and 5 labels",
        ),
        (lambda whole, made: made.idx_bytes(np.zeros((5, 0, 3), np.uint8)), "declares .5, 0, 3."),
        (
            lambda whole, made: made.idx_bytes(np.zeros(5, np.uint8)),
            "expected an IDX file of bytes",
        ),
        (lambda whole, made: b"", "ends in the middle"),
    ],
)
def test_what_is_not_a_whole_idx_file_is_an_error(write, made, change, said):
    whole = made.idx_bytes(np.arange(30, dtype=np.uint8).reshape(5, 2, 3))
    paths = write(**{"train-images": change(whole, made)})
    with pytest.raises(DataError, match=said):
        read(paths)


@examples(300)
@given(data=st.data())
def test_damaged_files_are_refused_or_sound(write, made, data):
    whole = made.idx_bytes(np.arange(30, dtype=np.uint8).reshape(5, 2, 3))
    if data.draw(st.booleans()):
        content = damaged(data, whole)
    else:
        content = gzip.compress(damaged(data, gzip.decompress(whole)))
    try:
        found = read(write(**{data.draw(st.sampled_from(NAMES)): content}))
    except DataError as error:
        assert "\n" not in str(error)
    else:
        for part, images in found.values():
            assert images.dtype == np.uint8 and len(images) == len(part.labels)


@pytest.mark.parametrize(
    ("declared", "said"),
    [(2**32 - 1, "would unpack to 4,294,967,295 bytes"), (2**26, "ends in the middle")],
)
def test_a_header_that_declares_too_much_takes_no_memory(write, declared, said):
    labels = gzip.compress(struct.pack(">BBBBI", 0, 0, 8, 1, declared) + bytes(1000))
    paths = write(**{"train-labels": labels})
    tracemalloc.start()
    with pytest.raises(DataError, match=said):
        read(paths)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * arrays.PIECE_BYTES
