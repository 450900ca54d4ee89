"""Data sets of any size made of real Fashion-MNIST images, in the project's own form on disk."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.data import prepared
from pipeline.data.prepared import Manifest, Prepared, Split
from pipeline.params import Download
from pipeline.stages import download

FULL = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts all 70,000 images."""
CLASSES = tuple("0123456789")
Images = NDArray[np.uint8]
Labels = NDArray[np.int32]


def write(folder: Path, num_train: int, num_val: int, shape: tuple[int, int, int]) -> Path:
    """`folder` with so many prepared images of `shape` (28x28 or larger, padded with black).

    The probe is as large as the validation part. Test is the first 10 images of validation: no
    benchmark looks at it.
    """
    images, labels = real()
    chosen = np.random.default_rng(0).permutation(len(images))
    chosen = np.resize(chosen, num_train + num_val)  # tiled where there are too few
    whole = _split("all", fitted(images[chosen], shape), labels[chosen])
    positions = np.arange(len(chosen))
    train = whole.take(positions[:num_train], "train")
    val = whole.take(positions[num_train:], "val")
    data = Prepared(
        manifest=Manifest("fashion_mnist", CLASSES, shape, {}, (), (), ""),
        train=train,
        val=val,
        test=val.take(np.arange(10), "test"),
        probe=train.take(np.arange(min(num_train, num_val)), "probe"),
    )
    prepared.write(folder, data)
    return folder


def write_empty(folder: Path, num_train: int, num_test: int, shape: tuple[int, int, int]) -> Path:
    """Random images of the size of a well-known set; what is in them does not matter."""
    generator = np.random.default_rng(0)

    def made(name: str, count: int) -> Split:
        images = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
        return _split(name, images, (np.arange(count) % 10).astype(np.int32))

    train, test = made("train", num_train), made("test", num_test)
    val = train.take(np.arange(10), "val")
    manifest = Manifest("fashion_mnist", CLASSES, shape, {}, (), (), "")
    probe = train.take(np.arange(10), "probe")
    prepared.write(folder, Prepared(manifest, train, val, test, probe))
    return folder


def real() -> tuple[Images, Labels]:
    """All 70,000 images where Debian's package is installed, else the 3,000 shipped ones."""
    if FULL.is_dir():
        parts = [_idx(FULL / f"{name}-images-idx3-ubyte.gz", 16) for name in ("train", "t10k")]
        labels = [_idx(FULL / f"{name}-labels-idx1-ubyte.gz", 8) for name in ("train", "t10k")]
        images = np.concatenate(parts).reshape(-1, 28, 28, 1)
        return images, np.concatenate(labels).astype(np.int32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "raw"
        download.fetch(Download(), folder)
        names = ("train", "test")
        shipped = [np.load(folder / f"images_{name}.npy") for name in names]
        known = [np.load(folder / f"labels_{name}.npy") for name in names]
    images = np.concatenate(shipped).reshape(-1, 28, 28, 1)
    return images, np.concatenate(known).astype(np.int32).reshape(-1)


def fitted(images: Images, shape: tuple[int, int, int]) -> Images:
    """Grey images with a black margin up to `shape`, repeated for every channel."""
    height, width, channels = shape
    rows, columns = height - images.shape[1], width - images.shape[2]
    margins = ((0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2))
    return np.repeat(np.pad(images, (*margins, (0, 0))), channels, axis=3)


def _idx(path: Path, header: int) -> Images:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)


def _split(name: str, images: Images, labels: Labels) -> Split:
    return Split(name, images, labels, labels, np.arange(len(labels), dtype=np.int64))
