from dataclasses import replace

import numpy as np
import pytest

from pipeline.data import DataError, prepared, spoil
from pipeline.data.prepared import Manifest, Prepared, Split

LABELS = np.tile(np.arange(10), 100).astype(np.int32)
IDS = np.arange(1000)


def test_a_fraction_is_taken_of_each_class_and_smaller_lies_in_larger():
    kept = {f: spoil.kept(LABELS, IDS, f, 1, seed=0) for f in (0.001, 0.1, 0.25, 0.5, 1.0)}
    assert np.bincount(LABELS[kept[0.25]]).tolist() == [25] * 10
    assert np.bincount(LABELS[kept[0.001]]).tolist() == [1] * 10
    assert kept[1.0].tolist() == IDS.tolist()
    sets = [set(indices.tolist()) for indices in kept.values()]
    assert all(small < large for small, large in zip(sets, sets[1:], strict=False))


def test_a_long_tail_falls_exponentially_to_the_stated_factor():
    sizes = np.bincount(LABELS[spoil.kept(LABELS, IDS, 1, 100, seed=0)])
    expected = [round(100 * 100 ** (-c / 9)) for c in range(10)]
    assert sizes.tolist() == expected and sizes[0] / sizes[-1] == 100


def test_a_tail_of_unequal_classes_starts_where_every_class_can_follow():
    # Class 2 has 5 images and wants m / 4 of them: so m = 20.
    assert spoil.tail_sizes([100, 100, 5], 4) == [20, 10, 5]


@pytest.mark.parametrize(("imbalance", "fits"), [(100, True), (101, False)])
def test_a_tail_needs_an_image_in_its_last_class(imbalance, fits):
    if fits:
        assert spoil.tail_sizes([100] * 10, imbalance)[-1] == 1
        return
    with pytest.raises(DataError, match="preprocess.imbalance=101.*Use at most 100"):
        spoil.tail_sizes([100] * 10, imbalance)


def test_noise_changes_exactly_its_share_of_each_class_to_other_classes():
    noisy = spoil.noisy(LABELS, IDS, 0.2, 10, seed=0)
    changed = noisy != LABELS
    assert np.bincount(LABELS[changed]).tolist() == [20] * 10
    assert noisy.dtype == np.int32 and noisy.min() >= 0 and noisy.max() <= 9


def test_noise_prefers_no_class():
    labels = np.zeros(9000, np.int32)
    noisy = spoil.noisy(labels, np.arange(9000), 0.9999, 10, seed=1)
    counts = np.bincount(noisy, minlength=10)[1:]
    # 8,999 labels over nine classes: 1,000 +- 30 each.
    assert counts.sum() == 8999 and np.all(np.abs(counts - 1000) < 150)


def test_less_noise_lies_in_more_noise():
    little, much = (spoil.noisy(LABELS, IDS, share, 10, seed=0) for share in (0.1, 0.4))
    changed = little != LABELS
    assert np.array_equal(little[changed], much[changed])


def test_no_noise_copies():
    labels = spoil.noisy(LABELS, IDS, 0, 10, seed=0)
    assert np.array_equal(labels, LABELS) and labels is not LABELS


@pytest.fixture
def data(tmp_path):
    generator = np.random.default_rng(0)

    def split(name, num_images, start):
        images = generator.integers(0, 256, (num_images, 2, 2, 1), np.uint8)
        labels = (np.arange(num_images) % 4).astype(np.int32)
        return Split(name, images, labels, labels, np.arange(start, start + num_images))

    train, val, test = split("train", 80, 0), split("val", 20, 80), split("test", 20, 100)
    manifest = Manifest("made", tuple("abcd"), (2, 2, 1), {}, (), (), "")
    probe = train.take(np.arange(20), "probe")
    prepared.write(tmp_path / "p", Prepared(manifest, train, val, test, probe))
    return prepared.read(tmp_path / "p")


def test_nothing_to_vary_gives_the_same_object(data):
    assert spoil.vary(data) is data


def test_varied_data_describes_itself(data):
    varied = spoil.vary(data, train_fraction=0.5, label_noise=0.2, imbalance=2, seed=0)
    sizes = np.bincount(varied.train.true_labels).tolist()
    assert sizes == [10, 8, 6, 5] and varied.manifest.imbalance == 2
    assert varied.manifest.label_noise == np.mean(varied.train.labels != varied.train.true_labels)
    assert varied.manifest.counts["train"] == tuple(np.bincount(varied.train.labels))
    assert varied.manifest.content_hash != data.manifest.content_hash
    assert np.bincount(varied.probe.true_labels).tolist() == [5, 5, 5, 5]
    assert np.isin(varied.probe.ids, varied.train.ids).all()
    assert varied.manifest.mean == pytest.approx([varied.train.images.mean() / 255])
    assert varied.val is data.val and varied.test is data.test


def test_noise_none_leaves_labels_and_zero_cleans_them(data):
    noisy = spoil.vary(data, label_noise=0.3)
    left = spoil.vary(noisy, train_fraction=0.5)
    assert (left.train.labels != left.train.true_labels).any()
    clean = spoil.vary(noisy, label_noise=0.0)
    assert np.array_equal(clean.train.labels, data.train.labels)


def test_the_probe_stays_within_smaller_fractions(data):
    half, quarter = (spoil.vary(data, train_fraction=f).probe.ids for f in (0.5, 0.25))
    assert np.array_equal(half, quarter)


def test_varying_does_not_touch_the_original(data):
    before = np.array(data.train.labels)
    spoil.vary(data, label_noise=0.9)
    assert np.array_equal(data.train.labels, before)
    assert replace(data).manifest.label_noise == 0
