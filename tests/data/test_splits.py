import numpy as np
import pytest

from pipeline.data import splits


def ids(size):
    return np.arange(size)


def test_a_cut_takes_its_share_of_each_class():
    labels = np.repeat([0, 1, 2], [100, 50, 10]).astype(np.int32)
    chosen = splits.cut(labels, ids(160), 0.2, 0, "val")
    assert np.bincount(labels[chosen]).tolist() == [20, 10, 2]
    assert np.all(np.diff(chosen) > 0)


@pytest.mark.parametrize(
    ("size", "fraction", "taken"),
    [(1, 0.5, 0), (2, 0.01, 1), (2, 0.99, 1), (3, 0.99, 2), (5, 0.5, 2)],
)
def test_a_cut_takes_at_least_one_and_leaves_at_least_one(size, fraction, taken):
    labels = np.zeros(size, np.int32)
    assert len(splits.cut(labels, ids(size), fraction, 0, "val")) == taken


def test_a_cut_is_the_same_for_the_same_seed_only():
    labels = np.zeros(1000, np.int32)
    first, again, other = (splits.cut(labels, ids(1000), 0.5, seed, "val") for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    # Two independent halves share half of their images: 250 +- 11.
    assert 190 < len(np.intersect1d(first, other)) < 310


def test_cuts_for_val_and_test_are_independent():
    labels = np.zeros(1000, np.int32)
    val, test = (splits.cut(labels, ids(1000), 0.5, 0, purpose) for purpose in ("val", "test"))
    assert 190 < len(np.intersect1d(val, test)) < 310


def test_leaving_an_image_out_does_not_deal_the_others_anew():
    labels = np.zeros(1000, np.int32)
    kept = np.delete(ids(1000), 17)
    whole = set(splits.cut(labels, ids(1000), 0.3, 0, "val").tolist())
    less = set(kept[splits.cut(labels[:999], kept, 0.3, 0, "val")].tolist())
    assert len(whole ^ less) <= 2


def test_the_probe_has_the_class_mix_of_val_or_all_there_is():
    labels = np.repeat([0, 1, 2], [50, 8, 3]).astype(np.int32)
    chosen = splits.probe(labels, ids(61), (20, 8, 5), 0)
    assert np.bincount(labels[chosen]).tolist() == [20, 8, 3]
    assert np.all(np.diff(chosen) > 0)


def test_duplicates_point_from_the_later_split_to_the_first_image_of_the_earliest():
    #          0     1     2     3     4     5     6
    digests = [b"a", b"b", b"a", b"b", b"c", b"c", b"a"]
    ranks = np.array([2, 1, 0, 2, 1, 1, 0], np.int8)
    later, earlier = splits.duplicates(digests, ranks)
    assert dict(zip(later.tolist(), earlier.tolist(), strict=True)) == {0: 2, 3: 1}
    assert splits.num_repeated(digests, ranks) == (1, 1, 0)


def test_no_duplicates_in_different_images():
    later, earlier = splits.duplicates([b"a", b"b"], np.array([0, 1], np.int8))
    assert len(later) == len(earlier) == 0
