import numpy as np

from pipeline.data import arrays, doubts
from pipeline.data.decoding import Decoded, Odd

NAMES = ("cat", "dog")


def decoded(labels, digests=None, coloured=None, odd=(), names=()):
    size = len(labels)
    return Decoded(
        images=arrays.Rows(None, (size, 4, 4, 3), np.dtype(np.uint8)),
        labels=np.array(labels, np.int32),
        official=np.zeros(size, np.int8),
        ids=np.arange(size),
        digests=digests or [bytes([i]) for i in range(size)],
        names=names,
        skipped=(),
        coloured=np.ones(size, bool) if coloured is None else np.array(coloured),
        odd=odd,
    )


def notes(found, **rows):
    rows = {split: np.array(rows.get(split, range(10)), np.int64) for split in ("val", "test")}
    return list(doubts.notes(found, rows, found.labels, NAMES))


def test_the_same_image_under_two_classes_is_a_contradiction():
    found = decoded([0, 1, 1, 0], [b"a", b"b", b"a", b"a"], names=["0", "1", "2", "3"])
    (one,) = doubts.contradictions(found, np.array([0, 0, 1, 2], np.int8), NAMES)
    assert (one.id, one.split, one.class_name, one.path) == (2, "val", "dog", "2")
    assert (one.same_as, one.same_as_split, one.same_as_class) == (0, "train", "cat")
    assert one.same_as_path == "0"


def test_a_grey_class_among_coloured_ones_is_said():
    labels = [0] * 20 + [1] * 20
    (said,) = notes(decoded(labels, coloured=[False] * 20 + [True] * 20), val=range(40))[:1]
    assert said.startswith("colour alone tells 'cat': their images are grey, those of 'dog' are")
    for share in (2, 18):  # a tenth of one class is otherwise: colour no longer tells
        mixed = [i < share for i in range(20)] + [True] * 20
        assert not [n for n in notes(decoded(labels, coloured=mixed)) if "colour" in n]
    assert not [n for n in notes(decoded(labels, coloured=[False] * 40)) if "colour" in n]


def test_classes_with_few_images_to_judge_by_are_named():
    labels = [0] * 5 + [1] * 4
    (said,) = notes(decoded(labels), val=range(9), test=[*range(5), *range(5, 9), 8])
    assert said.startswith("fewer than 5 val images of 'dog' (4 at the least)")


def test_odd_sizes_are_counted_and_the_first_is_named():
    odd = [Odd("a.png", "", "cat", 3, 200, "5% of it are left")] * 2
    (said,) = notes(decoded([0, 1] * 5, odd=odd))
    assert said.startswith("2 images of an odd size (odd_sizes.csv), a.png first: 3 x 200, 5% of")


def test_dark_images_are_said():
    histogram = np.zeros((1, 256), np.int64)
    histogram[0, [0, 127]] = 5
    assert next(doubts.dark(histogram)).startswith("no pixel of train is above 127 of 255")
    histogram[0, 128] = 1
    assert list(doubts.dark(histogram)) == []
