"""The images of one setting: train, probe, val, and those that no side saw."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.settings import Setting
from pipeline.data import catalog, fetching, idx, npz, raw

Labels = NDArray[np.int64]
Pixels = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """A whole data set: `pixels` uint8 (num_images, pixels), its official train part first.

    `even` says that train and val have equally many images of each class.
    """

    pixels: NDArray[np.uint8]
    labels: Labels
    num_train_part: int
    even: bool = True

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return int(self.labels.max()) + 1


@dataclass(frozen=True)
class Side:
    """Images in 0..1, float32 (num_images, pixels); labels as given and as they truly are."""

    pixels: Pixels
    labels: Labels
    true_labels: Labels


@dataclass(frozen=True)
class Drawn:
    """What one setting is trained on and judged by; `probe` are places in train."""

    train: Side
    val: Side
    truth: Side
    probe: Indices
    num_classes: int


def read(dataset: str, source: Path | None) -> Images:
    """The data set `dataset` of the catalog.

    `source` is an .npz file in Keras' convention, or a folder that holds the catalog's archives;
    without it they are taken from the user's cache, or fetched.

    Raises:
        DataError: it cannot be had, or is damaged.
    """
    if source is not None and source.suffix == ".npz":
        return _joined(npz.Npz(source).parts())
    known = catalog.find(dataset)
    mirror = None if source is None else str(source)
    paths = [fetching.obtain(one, mirror, fetching.cache()) for one in known.archives]
    return _joined(idx.parts(paths) if known.form == "idx" else npz.Npz(paths[0]).parts())


def _joined(parts: Iterable[raw.Part]) -> Images:
    by_split = {part.split: (np.concatenate([*part.blocks]), part.labels) for part in parts}
    pixels = [by_split[split][0] for split in by_split]
    flat = np.concatenate([block.reshape(len(block), -1) for block in pixels])
    labels = np.concatenate([found for _, found in by_split.values()]).astype(np.int64)
    return Images(flat, labels, len(by_split["train"][1]))


def draw(setting: Setting, images: Images) -> Drawn:
    """The images of `setting`: train and val with equal shares of the classes, and truth.

    Train and val are from the official train part; truth from all that is left, the official test
    part among it.

    Raises:
        ValueError: there are too few images.
    """
    needed = setting.num_train + setting.num_val
    if needed > images.num_train_part or needed + setting.num_truth > len(images.labels):
        raise ValueError(
            f"got {images.num_train_part} images of the train part and {len(images.labels)} in "
            f"all, expected {needed} and {needed + setting.num_truth}: take the whole data set."
        )
    generator = setting.generator(0)
    pool = generator.permutation(images.num_train_part)
    shares = _stratified if images.even else _first
    train = shares(images.labels, pool, setting.num_train)
    left = pool[~np.isin(pool, train)]
    val = shares(images.labels, left, setting.num_val)
    rest = np.setdiff1d(np.arange(len(images.labels)), np.concatenate([train, val]))
    truth = generator.permutation(rest)[: setting.num_truth]
    train, val = generator.permutation(train), generator.permutation(val)
    places = shares(images.labels[train], np.arange(len(train)), setting.num_probe)
    return Drawn(
        train=_side(setting, images, train, generator),
        val=_side(setting, images, val, generator),
        truth=_side(setting, images, truth, generator),
        probe=np.sort(places),
        num_classes=images.num_classes,
    )


def _first(labels: Labels, pool: Indices, size: int) -> Indices:
    return pool[:size]


def _stratified(labels: Labels, pool: Indices, size: int) -> Indices:
    """The first of `pool` with shares of the classes as equal as `size` and the pool allow."""
    order = np.argsort(labels[pool], kind="stable")
    _, starts, counts = np.unique(labels[pool][order], return_index=True, return_counts=True)
    rank = np.arange(len(pool)) - np.repeat(starts, counts)
    return pool[order[np.argsort(rank, kind="stable")[:size]]]


def _side(setting: Setting, images: Images, which: Indices, generator: np.random.Generator) -> Side:
    true_labels = images.labels[which]
    pixels = pooled(images.pixels[which].astype(np.float32), setting.pooling) / np.float32(255)
    labels = _spoiled(true_labels, setting, images.num_classes, generator)
    return Side(pixels, labels, true_labels)


def pooled(pixels: Pixels, size: int) -> Pixels:
    """Square images (num_images, pixels) as means over squares of `size` by `size`."""
    if size == 1:
        return pixels
    side = math.isqrt(pixels.shape[1]) // size
    squares = pixels.reshape(len(pixels), side, size, side, size)
    return np.ascontiguousarray(squares.mean((2, 4))).reshape(len(pixels), side * side)


def _spoiled(
    labels: Labels, setting: Setting, num_classes: int, generator: np.random.Generator
) -> Labels:
    if setting.kind == "random labels":
        return generator.integers(0, num_classes, len(labels))
    hit = generator.random(len(labels)) < setting.label_noise
    other = (labels + generator.integers(1, num_classes, len(labels))) % num_classes
    return np.where(hit, other, labels)
