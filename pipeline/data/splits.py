"""Which image goes where: seeded, stratified cuts, the probe, and duplicates across splits.

Each image draws its own random number for each purpose, from the seed and its id alone. So a
choice does not move when other images are left out, and smaller choices lie within larger ones.
scikit-learn could cut as well, but takes longer to import (1.2 s) than this whole stage to run.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.prepared import Ids, Labels

Indices = NDArray[np.int64]
Purpose = Literal["test", "val", "order", "noise", "noisy_label", "fold"]
_STREAMS: dict[Purpose, int] = {
    "test": 1,
    "val": 2,
    "order": 3,
    "noise": 4,
    "noisy_label": 5,
    "fold": 6,
}


def draws(ids: Ids, seed: int, purpose: Purpose) -> NDArray[np.float64]:
    """One uniform number in [0, 1) for each id; equal ids draw equal numbers."""
    generator = np.random.default_rng([seed, _STREAMS[purpose]])
    return generator.random(int(ids.max(initial=-1)) + 1)[ids]


def first_of_each_class(
    labels: Labels, order: NDArray[np.float64], how_many: Callable[[int, int], int]
) -> Indices:
    """Ascending indices of the first images of each class, by `order`.

    `how_many(class, size)` says how many of a class with `size` images.
    """
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        ranked = members[np.argsort(order[members], kind="stable")]
        chosen.append(ranked[: how_many(int(label), len(members))])
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def cut(
    labels: Labels, ids: Ids, fraction: float, seed: int, purpose: Literal["test", "val"]
) -> Indices:
    """Indices to cut off as a split: `fraction` of each class, but never none and never all of it.

    A class of one image stays whole (nothing of it is cut off).
    """

    def how_many(_: int, size: int) -> int:
        return min(size - 1, max(1, round(fraction * size)))

    return first_of_each_class(labels, draws(ids, seed, purpose), how_many)


def probe(true_labels: Labels, ids: Ids, like: Sequence[int], seed: int) -> Indices:
    """Indices into train of the probe: of class c `like[c]` images, or all where there are fewer.

    `like` is the class table of val. Images come in the order in which smaller fractions of train
    keep them, so that sweeps over the amount of data keep their probe for as long as they can.
    """
    order = draws(ids, seed, "order")
    return first_of_each_class(true_labels, order, lambda label, size: min(size, like[label]))


def duplicates(digests: Sequence[bytes], ranks: NDArray[np.int8]) -> tuple[Indices, Indices]:
    """Images that an earlier split has as well: (their indices, indices of the earlier ones).

    ranks: the place of each image's split in train, val, test. Of several equal images in the
    earliest split the first is named. Equal images within one split are left alone.
    """
    later, earlier = [], []
    first: dict[bytes, int] = {}
    for index in np.argsort(ranks, kind="stable").tolist():
        found = first.setdefault(digests[index], index)
        if ranks[found] < ranks[index]:
            later.append(index)
            earlier.append(found)
    return np.array(later, np.int64), np.array(earlier, np.int64)


def num_repeated(digests: Sequence[bytes], ranks: NDArray[np.int8]) -> tuple[int, int, int]:
    """How many images of train, val and test repeat an earlier one of their own split."""
    distinct = Counter(rank for _, rank in set(zip(digests, ranks.tolist(), strict=True)))
    sizes = Counter(ranks.tolist())
    train, val, test = (sizes[rank] - distinct[rank] for rank in range(3))
    return train, val, test
