"""Folds: other images as val, the same tables, and no image lost."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.data import folds
from pipeline.data.prepared import Manifest, Prepared, Split, count
from pipeline.data.spoil import LEFT_OUT
from pipeline.training.task import Vary


def split(name, ids, labels, images=None):
    images = ids[:, None, None, None] if images is None else images
    return Split(name, images.astype(np.uint8), labels, labels.copy(), ids)


@pytest.fixture
def prepared():
    """Two classes: 32 + 8 images of the one, 16 + 4 of the other, in folds of a fifth."""
    labels = np.repeat([0, 1, 0, 1], [32, 16, 8, 4]).astype(np.int32)
    train = split("train", np.arange(48), labels[:48])
    val = split("val", np.arange(48, 60), labels[48:])
    sizes = {"train": (32, 16), "val": (8, 4), "test": (0, 0), "probe": (8, 4)}
    manifest = Manifest("toy", ("a", "b"), (1, 1, 1), sizes, (0.5,), (0.2,), "hash")
    return Prepared(manifest, train, val, split("test", np.arange(60, 60), labels[:0]), train)


def test_the_first_turn_takes_every_image_once(prepared):
    found = [folds.turned(prepared, fold) for fold in range(folds.num_folds(prepared))]
    assert len(found) == 5 and found[0] is prepared
    assert sorted(np.concatenate([one.val.ids for one in found])) == list(range(60))


@pytest.mark.parametrize("fold", [1, 4, 5, 13])
def test_every_fold_has_the_tables_of_the_prepared_data(prepared, fold):
    found = folds.turned(prepared, fold)
    assert sorted(np.concatenate([found.train.ids, found.val.ids])) == list(range(60))
    assert count(found.val.labels, 2) == (8, 4) and count(found.train.labels, 2) == (32, 16)
    assert found.manifest.counts == {**prepared.manifest.counts}
    assert found.manifest.content_hash != prepared.manifest.content_hash
    assert set(found.probe.ids) <= set(found.train.ids) and len(found.probe) == 12
    np.testing.assert_array_equal(found.val.images[:, 0, 0, 0], found.val.ids)


def test_later_turns_deal_anew(prepared):
    first, later = (set(folds.turned(prepared, fold).val.ids) for fold in (1, 6))
    assert first != later
    assert later == set(folds.turned(prepared, 6).val.ids)


def test_noise_goes_with_train(prepared):
    labels = prepared.train.labels.copy()
    labels[::2] = 1 - labels[::2]
    noisy = replace(
        prepared,
        train=replace(prepared.train, labels=labels),
        manifest=replace(prepared.manifest, label_noise=0.5),
    )
    found = folds.turned(noisy, 2)
    np.testing.assert_array_equal(found.val.labels, found.val.true_labels)
    assert found.manifest.label_noise == pytest.approx(0.5, abs=0.1)
    came = np.isin(found.train.ids, prepared.val.ids)
    assert np.mean(found.train.labels[came] != found.train.true_labels[came]) == 0.5


def test_copies_stay_on_one_side(prepared):
    images = prepared.train.images.copy()
    images[3] = images[7]
    twice = replace(prepared, train=replace(prepared.train, images=images))
    for fold in range(1, 9):
        assert not {3, 7} & set(folds.turned(twice, fold).val.ids)


def test_copies_are_looked_for_once_for_all_folds(prepared):
    images = prepared.val.images.copy()
    images[5] = prepared.train.images[7]
    twice = replace(prepared, val=replace(prepared.val, images=images))
    folds.turned(twice, 1)
    kept = vars(twice)["repeated"]
    folds.turned(twice, 2)
    assert twice.repeated is kept
    assert np.flatnonzero(kept).tolist() == [7, 48 + 5]


def test_the_fold_comes_before_what_changes_its_train(prepared):
    first = int(folds.turned(prepared, 2).train.ids[0])
    found = folds.varied(prepared, fold=2, corrections=((first, LEFT_OUT),))
    np.testing.assert_array_equal(found.val.ids, folds.turned(prepared, 2).val.ids)
    assert len(found.train) == 47 and first not in found.train.ids
    assert folds.varied(prepared, **vars(Vary())) is prepared
