"""Lists of images to leave out or to relabel."""

import numpy as np
import pytest

from pipeline.comparing import lists, record
from pipeline.comparing.record import ComparisonError
from pipeline.data import DataError, spoil

BASE = {"data": "prepared", "model": "dense"}


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "list.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_list_becomes_corrections_that_train_follows(write, digits):
    first, second = (int(number) for number in digits.train.ids[:2])
    dropped = lists.read("drop", write(f"id,path\n{second},a\n"), digits)
    assert dropped == ((second, spoil.LEFT_OUT),)
    left = spoil.vary(digits, corrections=dropped)
    assert len(left.train) == len(digits.train) - 1 and second not in left.train.ids
    assert left.val is digits.val
    name = digits.manifest.class_names[3]
    relabelled = lists.read("relabel", write(f"id,suggested\n{first},{name}\n"), digits)
    changed = spoil.vary(digits, corrections=relabelled).train
    assert changed.labels[0] == 3 and np.array_equal(changed.labels[1:], digits.train.labels[1:])
    assert np.array_equal(changed.true_labels, digits.train.true_labels)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("drop", "id\n99999\n", "1 ids are no train image, '99999' first"),
        ("drop", "id\nx\n", "'x' first"),
        ("relabel", "id\n", "got the columns .*expected .'suggested'. too"),
        ("drop", "", "cannot be read as CSV"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(write, digits, kind, text, said):
    with pytest.raises(ComparisonError, match=said):
        lists.read(kind, write(text), digits)


def test_an_unknown_class_and_a_missing_list_are_named(write, digits, tmp_path):
    path = write(f"id,suggested\n{digits.train.ids[0]},cat\n")
    with pytest.raises(ComparisonError, match="unknown class 'cat'. Known:"):
        lists.read("relabel", path, digits)
    with pytest.raises(ComparisonError, match="no such list. Run `make images` first"):
        lists.read("drop", tmp_path / "none.csv", digits)


def test_no_class_may_vanish(digits):
    all_of_one = np.asarray(digits.train.ids)[digits.train.labels == 0]
    corrections = [(int(number), spoil.LEFT_OUT) for number in all_of_one]
    with pytest.raises(DataError, match="no image of class 0"):
        spoil.vary(digits, corrections=corrections)


def test_a_variant_names_its_list():
    made = record.parse({**BASE, "variants": {"left out": {"drop": "a.csv"}}})
    base, variant = made.resolved((0, 1))
    assert (base.lists, variant.lists) == ((), (("drop", "a.csv"),))
    with pytest.raises(ComparisonError, match=r"drop: got 3, expected the path of a \.csv"):
        record.parse({**BASE, "variants": {"x": {"drop": 3}}}).resolved((0, 1))
    with pytest.raises(ComparisonError, match="baseline.drop"):
        record.parse(
            {**BASE, "baseline": {"drop": "a.csv"}, "variants": {"x": {"train.epochs": 3}}}
        ).resolved((0, 1))
