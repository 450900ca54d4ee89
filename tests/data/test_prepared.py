import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.data import DataError, prepared
from pipeline.data.prepared import Manifest, Prepared, Split


@pytest.fixture
def data():
    def split(name, num_images, start):
        images = np.arange(start, start + num_images * 12, dtype=np.uint8).reshape(-1, 2, 2, 3)
        labels = (np.arange(num_images) % 2).astype(np.int32)
        return Split(name, images, labels, labels, np.arange(start, start + num_images))

    train, val, test = split("train", 6, 0), split("val", 4, 100), split("test", 2, 200)
    manifest = Manifest("made", ("cat", "dog"), (2, 2, 3), {}, (), (), "", licence="MIT")
    return Prepared(manifest, train, val, test, train.take(np.array([1, 2, 4]), "probe"))


def test_read_gives_what_was_written(tmp_path, data):
    manifest = prepared.write(tmp_path / "p", data)
    found = prepared.read(tmp_path / "p")
    assert found.manifest == manifest == prepared.read_manifest(tmp_path / "p")
    for name in ("train", "val", "test", "probe"):
        before, after = data.split(name), found.split(name)
        assert after.name == name
        for array in ("images", "labels", "true_labels", "ids"):
            assert np.array_equal(getattr(before, array), getattr(after, array))
            assert getattr(before, array).dtype == getattr(after, array).dtype
    assert found.probe_indices.tolist() == [1, 2, 4]


def test_the_manifest_counts_and_measures_what_is_written(tmp_path, data):
    noisy = replace(data.train, labels=np.array([0, 0, 0, 1, 0, 1], np.int32))
    manifest = prepared.write(tmp_path / "p", replace(data, train=noisy))
    assert manifest.counts == {"train": (4, 2), "val": (2, 2), "test": (1, 1), "probe": (3, 0)}
    assert manifest.num_images("train") == 6 and manifest.num_classes == 2
    assert manifest.label_noise == pytest.approx(1 / 6) and manifest.imbalance == 1
    channels = data.train.images.reshape(-1, 3) / 255
    assert manifest.mean == pytest.approx(channels.mean(axis=0))
    assert manifest.std == pytest.approx(channels.std(axis=0))


def test_equal_data_gives_equal_bytes(tmp_path, data):
    for name in "ab":
        prepared.write(tmp_path / name, data)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 14
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()


@pytest.mark.parametrize("array", ["images", "labels", "true_labels", "ids"])
def test_the_content_hash_follows_every_array(tmp_path, data, array):
    first = prepared.write(tmp_path / "p", data).content_hash
    changed = getattr(data.val, array).copy()
    changed.flat[0] += 1
    other = replace(data, val=replace(data.val, **{array: changed}))
    assert prepared.write(tmp_path / "p", other).content_hash != first


def test_the_content_hash_follows_probe_and_class_names(tmp_path, data):
    first = prepared.write(tmp_path / "p", data).content_hash
    probe = replace(data, probe=data.train.take(np.array([0, 1, 2]), "probe"))
    names = replace(data, manifest=replace(data.manifest, class_names=("cat", "cow")))
    hashes = {first, *(prepared.write(tmp_path / "p", d).content_hash for d in (probe, names))}
    assert len(hashes) == 3


def test_missing_data_says_which_stage_makes_it(tmp_path):
    with pytest.raises(DataError, match=r"manifest\.json: not found. Run `dvc repro preprocess`"):
        prepared.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"dataset": 3}', "\x00"])
def test_a_manifest_of_another_kind_is_an_error(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match=r"cannot be used.*dvc repro -f preprocess"):
        prepared.read_manifest(tmp_path)


def test_arrays_that_do_not_belong_together_are_an_error(tmp_path, data):
    prepared.write(tmp_path / "p", data)
    np.save(tmp_path / "p" / "val" / "labels.npy", np.zeros(3, np.int32))
    with pytest.raises(DataError, match=r"labels\.npy: got shape \(3,\), expected \(4,\)"):
        prepared.read(tmp_path / "p")


def test_a_file_cut_off_is_an_error(tmp_path, data):
    prepared.write(tmp_path / "p", data)
    path = tmp_path / "p" / "train" / "images.npy"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"images\.npy: cannot be read"):
        prepared.read(tmp_path / "p")


def test_a_write_that_fails_leaves_the_old_data(tmp_path, data):
    prepared.write(tmp_path / "p", data)
    broken = replace(data, test=replace(data.test, labels=data.test.labels[:1]))
    with pytest.raises(AssertionError):
        prepared.write(tmp_path / "p", broken)
    assert len(prepared.read(tmp_path / "p").test) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_an_unknown_split_lists_the_known_ones(data):
    with pytest.raises(DataError, match="name='valid' is unknown. Known: train, val, test, probe"):
        data.split("valid")


def test_the_manifest_is_plain_json(tmp_path, data):
    manifest = prepared.write(tmp_path / "p", data)
    document = json.loads((tmp_path / "p" / "manifest.json").read_text())
    assert Manifest.from_json(document) == manifest
    assert document["licence"] == "MIT"


def test_copied_images_are_known_by_their_ids(tmp_path, data):
    copied = {"val": (), "test": (201,)}
    known = replace(data, manifest=replace(data.manifest, copied=copied))
    prepared.write(tmp_path / "p", known)
    found = prepared.read(tmp_path / "p")
    assert found.manifest.copied == copied
    assert found.alone("test").tolist() == [True, False]
    assert found.alone("val").tolist() == [True] * 4 == data.alone("val").tolist()
