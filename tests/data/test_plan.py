import numpy as np
import pytest

from overfit_atlas.images.near_duplicates import Pair
from pipeline.data import DataError, arrays
from pipeline.data.decoding import Decoded
from pipeline.data.plan import plan
from pipeline.params import Preprocess

TRAIN, VAL, TEST = range(3)


def decoded(labels, official=None, digests=None, names=(), tmp_path=None):
    size = len(labels)
    return Decoded(
        images=arrays.Rows(tmp_path, (size, 4, 4, 1), np.dtype(np.uint8)),
        labels=np.array(labels, np.int32),
        official=np.zeros(size, np.int8) if official is None else np.array(official, np.int8),
        ids=np.arange(size),
        digests=digests or [bytes([i // 256, i % 256]) for i in range(size)],
        names=names,
        skipped=(),
        coloured=np.zeros(size, bool),
    )


def names(labels):
    return tuple(f"class {i}" for i in range(max(labels) + 1))


def planned(labels, seed=0, official=None, digests=None, files=(), **settings):
    found = decoded(labels, official, digests, files)
    return plan(found, names(labels), Preprocess(**settings), seed)


BALANCED = [0, 1, 2, 3] * 50


def test_all_images_end_in_one_split_each():
    made = planned(BALANCED)
    together = np.concatenate(list(made.rows.values()))
    assert sorted(together.tolist()) == list(range(200))
    sizes = {
        split: np.bincount(made.true_labels[rows]).tolist() for split, rows in made.rows.items()
    }
    # 50 a class: a fifth is test, a fifth of the remaining 40 is val.
    assert sizes == {"train": [32] * 4, "val": [8] * 4, "test": [10] * 4}
    assert np.bincount(made.true_labels[made.rows["train"]][made.probe]).tolist() == [8] * 4


def test_official_parts_stay_as_they_are():
    official = [TRAIN] * 100 + [TEST] * 60 + [VAL] * 40
    made = planned(BALANCED, official=official)
    assert made.rows["train"].tolist() == list(range(100))
    assert made.rows["test"].tolist() == list(range(100, 160))
    assert made.rows["val"].tolist() == list(range(160, 200))


def test_val_is_cut_from_train_and_never_from_test():
    official = [TRAIN] * 120 + [TEST] * 80
    made = planned(BALANCED, official=official, val_fraction=0.1)
    assert made.rows["test"].tolist() == list(range(120, 200))
    assert len(made.rows["val"]) == 12 and made.rows["val"].max() < 120


@pytest.mark.parametrize(
    "change", [{"train_fraction": 0.2}, {"label_noise": 0.3}, {"imbalance": 5.0}]
)
def test_spoiling_train_leaves_val_and_test_alone(change):
    plain, spoilt = planned(BALANCED), planned(BALANCED, **change)
    for split in ("val", "test"):
        assert np.array_equal(plain.rows[split], spoilt.rows[split])
    assert set(spoilt.rows["train"].tolist()) <= set(plain.rows["train"].tolist())


def test_noise_is_in_the_labels_and_not_in_the_true_ones():
    made = planned(BALANCED, label_noise=0.25)
    true = made.true_labels[made.rows["train"]]
    assert np.mean(made.labels != true) == 0.25
    assert true.tolist() == [BALANCED[row] for row in made.rows["train"]]


def test_a_tail_has_the_stated_factor_and_the_probe_follows():
    made = planned(BALANCED, imbalance=8)
    sizes = np.bincount(made.true_labels[made.rows["train"]])
    assert sizes.tolist() == [32, 16, 8, 4]
    assert np.bincount(made.true_labels[made.rows["train"]][made.probe]).tolist() == [8, 8, 8, 4]


def test_copies_are_listed_and_those_in_train_leave_it():
    labels = [0, 1] * 20
    official = [TRAIN] * 20 + [VAL] * 10 + [TEST] * 10
    digests = [bytes([i]) for i in range(40)]
    digests[25], digests[31], digests[32], digests[3] = (
        digests[4],
        digests[5],
        digests[26],
        digests[2],
    )
    files = [f"{i}.png" for i in range(40)]
    made = planned(labels, official=official, digests=digests, files=files)
    assert sorted(set(range(20)) - set(made.rows["train"].tolist())) == [4, 5]
    assert made.rows["val"].tolist() == list(range(20, 30))
    assert made.rows["test"].tolist() == list(range(30, 40))
    found = {(d.id, d.split, d.duplicate_of, d.left_out) for d in made.duplicates}
    assert found == {
        (25, "val", 4, "4"), (31, "test", 5, "5"), (32, "test", 26, ""), (3, "train", 2, ""),
    }  # fmt: skip
    assert made.left_out == 2 and made.copied == {"val": (), "test": (32,)}
    assert made.counts["within"] == {"train": 1, "val": 0, "test": 0}
    assert made.counts["pairs"] == {"exact": 4, "altered": 0, "shifted": 0, "mirrored": 0}
    first = next(d for d in made.duplicates if d.id == 25)
    assert (first.class_name, first.duplicate_of_class) == ("class 1", "class 0")
    assert (first.path, first.duplicate_of_path) == ("25.png", "4.png")
    assert made.repeated == {"train": 1, "val": 0, "test": 0}


def test_copies_may_be_kept_and_are_then_known_in_val_and_test():
    official = [TRAIN] * 20 + [VAL] * 10 + [TEST] * 10
    near = [Pair(4, 25, "mirrored", 0.001), Pair(25, 33, "altered", 0.002)]
    found = decoded([0, 1] * 20, official)
    kept = plan(found, ("a", "b"), Preprocess(duplicates="keep"), 0, near)
    assert len(kept.rows["train"]) == 20 and kept.left_out == 0
    assert kept.copied == {"val": (25,), "test": (33,)}
    assert any("1 images of test have a copy in train or val" in note for note in kept.notes)
    dropped = plan(found, ("a", "b"), Preprocess(), 0, near)
    assert 4 not in dropped.rows["train"] and len(dropped.rows["train"]) == 19
    assert dropped.copied == {"val": (), "test": (33,)}
    assert [(d.id, d.kind, d.left_out) for d in dropped.duplicates] == [
        (25, "mirrored", "4"),
        (33, "altered", ""),
    ]


def test_copies_go_to_the_same_side_of_a_cut():
    near = [Pair(i, i + 100, "shifted", 0.0) for i in range(100)]
    made = plan(decoded(BALANCED), names(BALANCED), Preprocess(duplicates="keep"), 0, near)
    side = np.zeros(200, int)
    for number, rows in enumerate(made.rows.values()):
        side[rows] = number
    assert np.mean(side[:100] == side[100:]) > 0.9  # but for those at the edge of a cut
    assert sum(len(ids) for ids in made.copied.values()) < 10


def test_a_class_of_one_image_is_named():
    with pytest.raises(DataError) as caught:
        planned([0, 0, 0, 0, 1, 1, 1, 2])
    message = str(caught.value)
    assert "class 'class 2' has 1 usable image (1 in train, 0 in val, 0 in test)" in message
    assert "preprocess.on_bad_image to skip" in message


def test_a_class_of_three_images_is_enough():
    made = planned([0, 0, 0, 1, 1, 1])
    assert [len(rows) for rows in made.rows.values()] == [2, 2, 2]


def test_scarce_classes_are_left_out_and_listed_if_asked_for():
    labels = [0] * 10 + [1] + [2] * 10
    made = planned(labels, on_bad_image="skip")
    assert made.class_names == ("class 0", "class 2") and made.dropped_classes == ["class 1"]
    (skipped,) = made.skipped
    assert skipped.path == "image 10" and "1 usable image" in skipped.reason
    rows = np.concatenate(list(made.rows.values()))
    assert len(rows) == 20 and 10 not in rows
    assert set(made.true_labels[rows].tolist()) == {0, 1}


def test_a_class_whose_train_images_are_all_copies_is_scarce():
    labels = [0] * 10 + [1, 1] + [0, 1] * 4
    official = [TRAIN] * 12 + [VAL] * 4 + [TEST] * 4
    digests = [bytes([i]) for i in range(20)]
    digests[15], digests[19] = digests[10], digests[11]
    with pytest.raises(DataError, match="class 'class 1' has 4 usable images .0 in train"):
        planned(labels, official=official, digests=digests)


def test_one_class_is_not_enough_to_tell_apart():
    with pytest.raises(DataError, match="there must be 2"):
        planned([0] * 10)


def test_equal_seeds_give_equal_plans_and_others_do_not():
    first, again, other = planned(BALANCED, 1), planned(BALANCED, 1), planned(BALANCED, 2)
    assert np.array_equal(first.rows["val"], again.rows["val"])
    assert np.array_equal(first.probe, again.probe)
    assert not np.array_equal(first.rows["val"], other.rows["val"])


def test_a_part_that_is_a_copy_of_train_is_refused_and_much_of_one_is_said():
    official = [TRAIN] * 40 + [VAL] * 20 + [TEST] * 10
    digests = [bytes([i % 40]) for i in range(60)] + [bytes([i]) for i in range(60, 70)]
    with pytest.raises(DataError, match="all 20 images of val are in train as well: val is a copy"):
        planned([0, 1] * 35, official=official, digests=digests, on_bad_image="skip")
    digests[50:60] = [bytes([i]) for i in range(50, 60)]
    made = planned([0, 1] * 35, official=official, digests=digests)
    assert made.notes[0].startswith("10 train images have a copy in val or test")
    assert len(made.rows["val"]) == 20 and len(made.rows["train"]) == 30


def test_a_class_that_is_left_out_is_said_with_the_number_needed():
    made = planned([0] * 10 + [1] * 2 + [2] * 10, on_bad_image="skip")
    (said,) = [note for note in made.notes if note.startswith("class left out")]
    assert "'class 1' has 2 usable images" in said and "so 3 in all" in said
