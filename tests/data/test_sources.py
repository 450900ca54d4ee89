import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import DataError, catalog, cifar, raw, sources
from pipeline.params import Download

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def pinned(dataset, folder):
    """`dataset` with the checksums of the files that lie in `folder`."""
    archives = []
    for archive in dataset.archives:
        content = (folder / archive.name).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        archives.append(replace(archive, sha256s=(found,), num_bytes=len(content)))
    return replace(dataset, archives=tuple(archives))


def fetched(dataset, tmp_path, path=None, mirror=None):
    sources.write(dataset, Download(path=path, mirror=mirror), tmp_path / "raw")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    found = raw.read(tmp_path / "raw")
    images = {s: np.concatenate(list(rows.blocks())) for s, (rows, _) in found.parts.items()}
    return found, images, {split: labels for split, (_, labels) in found.parts.items()}


def test_the_shipped_set_is_balanced_and_real(tmp_path):
    found, images, labels = fetched(catalog.find("fashion_mnist_mini"), tmp_path)
    assert images["train"].shape == (2000, 28, 28, 1) and images["test"].shape == (1000, 28, 28, 1)
    assert np.bincount(labels["train"]).tolist() == [200] * 10
    assert np.bincount(labels["test"]).tolist() == [100] * 10
    assert found.origin.class_names[9] == "Ankle boot" and "MIT" in found.origin.licence
    # The first training image of the full set is an ankle boot; its mean is known.
    assert labels["train"][0] == 9
    assert images["train"][0].mean() == pytest.approx(97.2538, abs=1e-3)


def test_the_shipped_licence_lies_beside_the_shipped_images():
    licence = (sources.SHIPPED / "LICENSE.fashion_mnist").read_text(encoding="utf-8")
    assert "MIT License" in licence and "Zalando SE" in licence


def test_digits_are_stretched_to_bytes(tmp_path):
    _, images, labels = fetched(catalog.find("digits"), tmp_path)
    assert images["train"].shape == (1797, 8, 8, 1) and images["train"].max() == 255
    assert list(images) == ["train"] and len(np.bincount(labels["train"])) == 10


def test_a_mirror_of_mnist_is_read(tmp_path, made):
    pixels, labels = made.made_images(40, 28)[..., 0], np.tile(np.arange(10), 4).astype(np.uint8)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    arrays = {"x_train": pixels, "y_train": labels, "x_test": pixels[:10], "y_test": labels[:10]}
    np.savez(mirror / "mnist.npz", **arrays)
    dataset = pinned(catalog.find("mnist"), mirror)
    _, images, found = fetched(dataset, tmp_path, mirror=str(mirror))
    assert np.array_equal(images["train"][..., 0], pixels) and np.array_equal(
        found["test"], labels[:10]
    )


def test_a_mirror_of_fashion_mnist_is_read(tmp_path, made):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    pixels, labels = made.made_images(20, 28)[..., 0], np.tile(np.arange(10), 2).astype(np.uint8)
    for archive, array in zip(
        catalog.find("fashion_mnist").archives,
        [pixels, labels, pixels[10:], labels[10:]],
        strict=True,
    ):
        (mirror / archive.name).write_bytes(made.idx_bytes(array))
    dataset = pinned(catalog.find("fashion_mnist"), mirror)
    _, images, found = fetched(dataset, tmp_path, mirror=str(mirror))
    assert np.array_equal(images["test"][..., 0], pixels[10:]) and len(found["train"]) == 20


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_a_mirror_of_cifar_is_read(tmp_path, made, name):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    layout = cifar.LAYOUTS[name]
    pixels = made.made_images(10, 32, 3)
    planes = pixels.transpose(0, 3, 1, 2)
    labels = {layout.label_key.decode(): range(10)}
    members = {m: made.python2_pickle(planes, labels) for ms in layout.members.values() for m in ms}
    archive = catalog.find(name).archives[0]
    made.write_tar(mirror / archive.name, members)
    dataset = pinned(catalog.find(name), mirror)
    _, images, _ = fetched(dataset, tmp_path, mirror=str(mirror))
    assert np.array_equal(images["test"], pixels)
    assert len(images["train"]) == 10 * len(layout.members["train"])


def test_a_class_number_beyond_the_catalog_is_an_error(tmp_path, made):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    pixels, labels = made.made_images(11, 28)[..., 0], np.arange(11, dtype=np.uint8)
    np.savez(mirror / "mnist.npz", x_train=pixels, y_train=labels)
    dataset = pinned(catalog.find("mnist"), mirror)
    with pytest.raises(DataError, match="labels of train: got 10, expected 0 to 9"):
        sources.write(dataset, Download(mirror=str(mirror)), tmp_path / "raw")
    assert [path.name for path in tmp_path.iterdir()] == ["mirror"]


def test_unverified_bytes_are_never_opened(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"hello")
    dataset = catalog.find("cifar10")
    short = replace(dataset, archives=(replace(dataset.archives[0], num_bytes=5),))
    with pytest.raises(DataError, match=r"tar\.gz: got SHA-256 2cf24dba.*, expected 6d958be0"):
        sources.write(short, Download(mirror=str(tmp_path)), tmp_path / "raw")
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-python.tar.gz"]


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_fashion_mnist_is_the_full_one(tmp_path):
    found, images, labels = fetched(catalog.find("fashion_mnist"), tmp_path, mirror=str(DEBIAN))
    assert images["train"].shape == (60_000, 28, 28, 1)
    assert np.bincount(labels["train"]).tolist() == [6000] * 10
    assert np.bincount(labels["test"]).tolist() == [1000] * 10
    # The published mean and standard deviation of the training images.
    pixels = images["train"] / np.float32(255)
    assert pixels.mean() == pytest.approx(0.2860, abs=5e-5)
    assert pixels.std() == pytest.approx(0.3530, abs=5e-5)
    assert found.origin.class_names[0] == "T-shirt/top"
