"""Less data, a long tail, noisy labels: what makes a model overfit, dosed.

Only train is spoiled. Doses nest: at one seed, the images kept at a smaller fraction or a larger
imbalance, and the labels changed by less noise, are among those of the milder or stronger dose.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.data import DataError
from pipeline.data.prepared import (
    Ids,
    Labels,
    Manifest,
    Prepared,
    Split,
    channel_histogram,
    channel_statistics,
    count,
    spoiled,
)
from pipeline.data.splits import Indices, draws, first_of_each_class, probe

LEFT_OUT, NOTHING = -1, -2


def kept(
    true_labels: Labels, ids: Ids, train_fraction: float, imbalance: float, seed: int
) -> Indices:
    """Ascending indices of the images that train keeps.

    Of each class `train_fraction` stays, at least one image; of these, `imbalance` then leaves a
    long tail (see `tail_sizes`).

    Raises:
        DataError: a class is too small for that imbalance.
    """
    sizes = np.bincount(true_labels)
    wanted = [max(1, round(train_fraction * int(size))) if size else 0 for size in sizes]
    if imbalance > 1:
        wanted = tail_sizes(wanted, imbalance)
    order = draws(ids, seed, "order")
    return first_of_each_class(true_labels, order, lambda label, _: wanted[label])


def tail_sizes(sizes: list[int], imbalance: float) -> list[int]:
    """Class sizes that fall exponentially with the class number, from m to m / imbalance.

    n_c = m * imbalance ** (-c / (num_classes - 1)) with the largest m that no class in `sizes` is
    too small for; Cui et al., Class-Balanced Loss Based on Effective Number of Samples (2019).

    Raises:
        DataError: the last class would have less than one image, or there is only one class.
    """
    if len(sizes) < 2:
        raise DataError(f"preprocess.{imbalance=}: needs two classes or more, got {len(sizes)}.")
    shares = imbalance ** (-np.arange(len(sizes)) / (len(sizes) - 1))
    # The tiny addition keeps a size that is a whole number from being rounded below itself.
    largest = np.min(np.array(sizes) / shares) * (1 + 1e-12)
    if largest / imbalance < 1:
        raise DataError(
            f"preprocess.{imbalance=}: the largest class can have {int(largest)} images, so the "
            f"smallest would have less than one. Use at most {int(largest)}, or more images."
        )
    wanted = [round(float(largest * share)) for share in shares]
    return [min(pair) for pair in zip(sizes, wanted, strict=True)]


def noisy(true_labels: Labels, ids: Ids, share: float, num_classes: int, seed: int) -> Labels:
    """Labels of which `share` of each class is replaced by another class, all equally likely."""
    labels = true_labels.copy()
    order = draws(ids, seed, "noise")
    changed = first_of_each_class(true_labels, order, lambda _, size: round(share * size))
    if len(changed) and num_classes < 2:
        raise DataError(f"preprocess.label_noise={share}: needs two classes or more, got one.")
    shift = 1 + np.floor(draws(ids, seed, "noisy_label")[changed] * (num_classes - 1))
    labels[changed] = (true_labels[changed] + shift.astype(np.int32)) % num_classes
    return labels


def vary(
    prepared: Prepared,
    train_fraction: float = 1.0,
    label_noise: float | None = None,
    imbalance: float = 1.0,
    seed: int = 0,
    corrections: Sequence[tuple[int, int]] = (),
) -> Prepared:
    """`prepared` with its train part spoiled further, in memory; val and test are the same objects.

    corrections come first: of single images the id, and the label to learn, or `LEFT_OUT`.
    train_fraction and imbalance act on the train part as prepared. label_noise replaces whatever
    noise is in its labels; None leaves them as they are. The probe is chosen anew from the images
    that remain. With nothing to change, `prepared` itself comes back.

    Raises:
        DataError: a class is too small for `imbalance`.
    """
    if train_fraction >= 1 and label_noise is None and imbalance <= 1 and not corrections:
        return prepared
    train = _corrected(prepared.train, dict(corrections)) if corrections else prepared.train
    if train_fraction < 1 or imbalance > 1:
        train = train.take(kept(train.true_labels, train.ids, train_fraction, imbalance, seed))
    if label_noise is not None:
        num_classes = prepared.manifest.num_classes
        labels = noisy(train.true_labels, train.ids, label_noise, num_classes, seed)
        train = replace(train, labels=labels)
    dose = f"{train_fraction} {label_noise} {imbalance} {seed} {tuple(corrections)}"
    return with_parts(prepared, train, prepared.val, dose, seed)


def with_parts(prepared: Prepared, train: Split, val: Split, dose: str, seed: int = 0) -> Prepared:
    """`prepared` with other train and val parts, and a probe of that train; the manifest follows.

    Args:
        dose: what was done, in words; part of the new content hash.
    """
    like = count(val.true_labels, prepared.manifest.num_classes)
    chosen = train.take(probe(train.true_labels, train.ids, like, seed), "probe")
    manifest = _described(prepared.manifest, train, chosen, dose)
    return replace(prepared, manifest=manifest, train=train, val=val, probe=chosen)


def _corrected(train: Split, corrections: Mapping[int, int]) -> Split:
    """`train` without the images that are dropped, and with the labels that are replaced.

    Raises:
        DataError: no image of a class is left.
    """
    given = [corrections.get(number, NOTHING) for number in np.asarray(train.ids).tolist()]
    labels = np.where(np.array(given) >= 0, given, train.labels).astype(np.int32)
    left = replace(train, labels=labels).take(np.flatnonzero(np.array(given) != LEFT_OUT))
    gone = np.setdiff1d(train.labels, left.labels)
    if len(gone):
        raise DataError(f"corrections leave no image of class {gone[0]}: keep some of them.")
    return left


def _described(manifest: Manifest, train: Split, chosen: Split, dose: str) -> Manifest:
    histogram: NDArray[np.int64] = channel_histogram(train.images)
    mean, std = channel_statistics(histogram)
    counts = dict(manifest.counts)
    for split in (train, chosen):
        counts[split.name] = count(split.labels, manifest.num_classes)
    content = hashlib.sha256(f"{manifest.content_hash} {dose}".encode()).hexdigest()
    described = replace(manifest, counts=counts, mean=mean, std=std, content_hash=content)
    return spoiled(described, train.labels, train.true_labels)
