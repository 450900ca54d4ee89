"""The images as every model sees them: the splits, and their form on disk.

`data/prepared/` holds manifest.json, {train,val,test}/{images,labels,true_labels,ids}.npy and
probe.npy, the indices of the probe in train.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from pipeline.data import DataError, arrays
from pipeline.files import replacing, write_json

SPLITS = ("train", "val", "test")
Labels = NDArray[np.int32]
Ids = NDArray[np.int64]
_REMEDY = "Run `dvc repro -f preprocess` to write it anew."


@dataclass(frozen=True)
class Split:
    """Images with their labels; row i of each array belongs to the same image.

    images: uint8 (n, height, width, channels). labels: int32 (n,), as trained on. true_labels:
    int32 (n,), without injected noise. ids: int64 (n,), which image of the raw data set it is.
    """

    name: str
    images: arrays.Images
    labels: Labels
    true_labels: Labels
    ids: Ids

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64], name: str | None = None) -> "Split":
        """The rows at `indices`, as a split of its own."""
        return Split(
            name or self.name,
            np.asarray(self.images[indices]),
            np.asarray(self.labels[indices]),
            np.asarray(self.true_labels[indices]),
            np.asarray(self.ids[indices]),
        )


@dataclass(frozen=True)
class Manifest:
    """What there is to know about prepared data without reading its images.

    counts: images of each class by split (train, val, test, probe), by the labels as trained on.
    mean, std: of each channel over train, in units of full scale (0 to 1). content_hash: SHA-256
    over all arrays and class names. label_noise: share of train labels that are not the true ones.
    imbalance: largest over smallest class of train, by true labels. bits: how many the grey values
    of wide files have; the upper 8 are kept, in `predict` as well. copied: of val and test, the ids
    of images that have a copy in an earlier part.
    """

    dataset: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    counts: Mapping[str, tuple[int, ...]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    content_hash: str
    duplicates_removed: int = 0
    skipped: int = 0
    label_noise: float = 0.0
    imbalance: float = 1.0
    licence: str = ""
    citation: str = ""
    bits: int = 16
    copied: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """How many classes there are, in the table and in every model's output."""
        return len(self.class_names)

    def num_images(self, split: str) -> int:
        """How many images `split` has."""
        return sum(self.counts[split])

    def to_json(self) -> dict[str, Any]:
        """Plain dicts and lists, equal for equal data."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> "Manifest":
        """The manifest that `to_json` gave; raises ValueError where a key is missing or wrong."""
        return TypeAdapter(cls).validate_python(document)


@dataclass(frozen=True)
class Prepared:
    """All splits; `probe` is the fixed part of train that clean training scores are taken on."""

    manifest: Manifest
    train: Split
    val: Split
    test: Split
    probe: Split

    def split(self, name: str) -> Split:
        """One split by name: train, val, test or probe."""
        if name not in (*SPLITS, "probe"):
            raise DataError(f"split {name=} is unknown. Known: {', '.join(SPLITS)}, probe.")
        found: Split = getattr(self, name)
        return found

    def alone(self, name: str) -> NDArray[np.bool_]:
        """Which images of `val` or `test` have no copy in an earlier part."""
        copied = np.array(self.manifest.copied.get(name, ()), np.int64)
        return ~np.isin(np.asarray(self.split(name).ids), copied)

    @property
    def probe_indices(self) -> NDArray[np.int64]:
        """Which rows of train the probe is, ascending."""
        return np.flatnonzero(np.isin(self.train.ids, self.probe.ids))

    @cached_property
    def repeated(self) -> NDArray[np.bool_]:
        """Which images of train, then val, have an exact copy in either; looked for once."""
        images = chain(self.train.images, self.val.images)
        digests = [hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in images]
        _, inverse, counts = np.unique(digests, return_inverse=True, return_counts=True)
        return np.asarray(counts[inverse] > 1)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of prepared data; raises DataError where there is none."""
    path = folder / "manifest.json"
    try:
        return Manifest.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"{path}: not found. Run `dvc repro preprocess` first.") from None
    except ValueError as error:
        first = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: cannot be used: {first}. {_REMEDY}") from None


def read(folder: Path) -> Prepared:
    """Prepared data from `folder`; images stay on disk (memory-mapped) until they are used.

    Raises:
        DataError: files are missing, cut off, or do not belong together.
    """
    manifest = read_manifest(folder)
    train, val, test = (_read_split(folder / name, manifest) for name in SPLITS)
    probe = train.take(_load(folder / "probe.npy"), "probe")
    return Prepared(manifest, train, val, test, probe)


def write(folder: Path, prepared: Prepared) -> Manifest:
    """Write all of `prepared` to `folder`, whole or not at all; the manifest as written.

    Counts, channel statistics and content hash are computed from what is written.
    """
    with replacing(folder, "manifest.json") as temporary:
        temporary.mkdir()
        written = [
            write_split(temporary, split, arrays.blocks(split.images), split.images.shape[1:])
            for split in (prepared.train, prepared.val, prepared.test)
        ]
        manifest = finish(temporary, prepared.manifest, written, prepared.probe_indices)
    return manifest


@dataclass(frozen=True)
class Written:
    """What was learnt of a split while it was written."""

    name: str
    labels: Labels
    true_labels: Labels
    hashes: Mapping[str, str]
    histogram: NDArray[np.int64]


def write_split(
    folder: Path, split: Split, blocks: Iterable[arrays.Images], image_shape: tuple[int, ...]
) -> Written:
    """Write one split below `folder`, its images from `blocks`: `split.images` is not used."""
    target = folder / split.name
    target.mkdir()
    small: dict[str, NDArray[Any]] = {
        "labels": split.labels,
        "true_labels": split.true_labels,
        "ids": split.ids,
    }
    for name, array in small.items():
        arrays.save(target / f"{name}.npy", array)
    histogram = np.zeros((image_shape[-1], 256), np.int64)
    hashed = hashlib.sha256()
    with arrays.writing(target / "images.npy", (len(split), *image_shape)) as append:
        for block in blocks:
            append(block)
            hashed.update(np.ascontiguousarray(block).data)
            histogram += channel_histogram(block)
    hashes = {name: arrays.digest([array]) for name, array in small.items()}
    return Written(
        split.name,
        split.labels,
        split.true_labels,
        {**hashes, "images": hashed.hexdigest()},
        histogram,
    )


def finish(
    folder: Path, manifest: Manifest, written: list[Written], probe: NDArray[np.int64]
) -> Manifest:
    """Write probe.npy and manifest.json beside the splits; the manifest, its numbers filled in."""
    arrays.save(folder / "probe.npy", probe.astype(np.int64))
    train = next(split for split in written if split.name == "train")
    size = manifest.num_classes
    counts = {split.name: count(split.labels, size) for split in written}
    counts["probe"] = count(train.labels[probe], size)
    mean, std = channel_statistics(train.histogram)
    lines = [f"{manifest.image_shape} {json.dumps(manifest.class_names)}"]
    lines += [f"{w.name}/{name} {found}" for w in written for name, found in w.hashes.items()]
    lines.append(f"probe {arrays.digest([probe.astype(np.int64)])}")
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    filled = replace(manifest, counts=counts, mean=mean, std=std, content_hash=hashed)
    filled = spoiled(filled, train.labels, train.true_labels)
    write_json(folder / "manifest.json", filled.to_json())
    return filled


def count(labels: Labels, num_classes: int) -> tuple[int, ...]:
    """How many images each class has."""
    return tuple(int(number) for number in np.bincount(labels, minlength=num_classes))


def spoiled(manifest: Manifest, labels: Labels, true_labels: Labels) -> Manifest:
    """`manifest` with the label noise and imbalance that the labels of train show."""
    sizes = count(true_labels, manifest.num_classes)
    noise = float(np.mean(labels != true_labels))
    return replace(manifest, label_noise=noise, imbalance=max(sizes) / max(1, min(sizes)))


def channel_histogram(images: arrays.Images) -> NDArray[np.int64]:
    """How often each value 0..255 occurs in each channel: int64 (channels, 256)."""
    flat = images.reshape(-1, images.shape[-1])
    counted = [np.bincount(flat[:, channel], minlength=256) for channel in range(flat.shape[1])]
    return np.stack(counted).astype(np.int64)


def channel_statistics(
    histogram: NDArray[np.int64],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, in units of full scale, from its histogram."""
    values = np.arange(256) / 255
    total = np.maximum(1, histogram.sum(axis=1))
    mean = histogram @ values / total
    std = np.sqrt(np.maximum(0, histogram @ values**2 / total - mean**2))
    return tuple(map(float, mean)), tuple(map(float, std))


def _read_split(folder: Path, manifest: Manifest) -> Split:
    loaded = {name: _load(folder / f"{name}.npy") for name in _array_names()}
    split = Split(folder.name, **loaded)
    size = manifest.num_images(folder.name)
    expected = {"images": (size, *manifest.image_shape)}
    for name, array in loaded.items():
        shape = expected.get(name, (size,))
        if array.shape != shape:
            got = f"got shape {array.shape}, expected {shape} from the manifest"
            raise DataError(f"{folder / name}.npy: {got}. {_REMEDY}")
    return split


def _array_names() -> Iterator[str]:
    return (field.name for field in fields(Split) if field.name != "name")


def _load(path: Path) -> NDArray[Any]:
    try:
        loaded: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {error}. {_REMEDY}") from None
    return loaded
