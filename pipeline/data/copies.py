"""Images that are there twice, within a part or across parts, and what is done about it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.images import near_duplicates
from overfit_atlas.images.near_duplicates import Pair
from pipeline.data.decoding import Decoded
from pipeline.data.prepared import SPLITS
from pipeline.data.splits import Indices

TRAIN = SPLITS.index("train")
MOST_IMAGES = 200_000
"""So many are compared, each with each: minutes. Of more, only exact copies are looked for."""


@dataclass(frozen=True)
class Duplicate:
    """An image that is a copy of another: of one in an earlier part, or earlier in its own.

    Attributes:
        kind: exact, altered (recompressed, brighter or darker), shifted or mirrored.
        distance: 0 where exact, at most 0.003 else (`overfit_atlas.images.near_duplicates`).
        left_out: the ids of the two that are left out of train, or "".
    """

    id: int
    split: str
    class_name: str
    duplicate_of: int
    duplicate_of_split: str
    duplicate_of_class: str
    path: str = ""
    duplicate_of_path: str = ""
    kind: str = "exact"
    distance: float = 0.0
    left_out: str = ""


@dataclass(frozen=True)
class Copies:
    """Which images are copies of each other, in rows of Decoded.

    Attributes:
        pairs: as found, exact ones among them.
        group: of each image, the first row that is the same image, through others perhaps.
    """

    pairs: Sequence[Pair]
    group: Indices

    def in_both(self, ranks: NDArray[np.int8], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which images have a copy among `rows` that lies in an earlier part."""
        earliest = np.full(len(self.group), len(SPLITS), np.int8)
        np.minimum.at(earliest, self.group[rows], ranks[rows])
        return np.asarray(rows & (earliest[self.group] < ranks))

    def left_out(self, ranks: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Which train images have a copy in val or test."""
        latest = np.full(len(self.group), -1, np.int8)
        np.maximum.at(latest, self.group, ranks)
        return np.asarray((ranks == TRAIN) & (latest[self.group] > TRAIN))

    def within(self, ranks: NDArray[np.int8]) -> dict[str, int]:
        """How many images of each part repeat another one of that part, exactly or nearly."""
        distinct = Counter(rank for rank, _ in set(zip(ranks, self.group, strict=True)))
        sizes = Counter(ranks.tolist())
        return {split: sizes[i] - distinct[i] for i, split in enumerate(SPLITS)}


def near(decoded: Decoded) -> list[Pair]:
    """Pairs of images that are nearly one; empty where there are too many to compare."""
    if len(decoded.images) > MOST_IMAGES:
        return []
    found = near_duplicates.fingerprints(decoded.images.blocks(), decoded.digests)
    return near_duplicates.nearly(found)


def copies(digests: Sequence[bytes], nearly: Sequence[Pair]) -> Copies:
    """Exact copies by `digests`, and `nearly` (of `near`), as groups."""
    group = np.arange(len(digests))
    pairs = near_duplicates.in_order([*near_duplicates.exact(digests), *nearly])
    for pair in pairs:
        one, other = sorted((_first(group, pair.first), _first(group, pair.second)))
        group[other] = one
    return Copies(pairs, np.array([_first(group, row) for row in range(len(group))], np.int64))


def _first(group: NDArray[Any], row: int) -> int:
    while group[row] != row:
        row = int(group[row])
    return row


def named(
    found: Copies, decoded: Decoded, ranks: NDArray[np.int8], names: Sequence[str],
    left_out: NDArray[np.bool_],
) -> list[Duplicate]:  # fmt: skip
    """Every pair, the image of the later part as the copy; by that image."""
    listed = [
        _named(_ordered(pair, ranks), pair, decoded, ranks, (names, left_out))
        for pair in found.pairs
    ]
    return sorted(listed, key=lambda one: (one.id, one.duplicate_of))


def _ordered(pair: Pair, ranks: NDArray[np.int8]) -> tuple[int, int]:
    turned = ranks[pair.second] < ranks[pair.first]
    return (pair.first, pair.second) if turned else (pair.second, pair.first)


def _named(
    rows: tuple[int, int],
    pair: Pair,
    decoded: Decoded,
    ranks: NDArray[np.int8],
    more: tuple[Sequence[str], NDArray[np.bool_]],
) -> Duplicate:
    later, earlier = rows
    names, left_out = more
    return Duplicate(
        id=int(decoded.ids[later]),
        split=SPLITS[ranks[later]],
        class_name=names[decoded.labels[later]],
        duplicate_of=int(decoded.ids[earlier]),
        duplicate_of_split=SPLITS[ranks[earlier]],
        duplicate_of_class=names[decoded.labels[earlier]],
        path=decoded.names[later] if decoded.names else "",
        duplicate_of_path=decoded.names[earlier] if decoded.names else "",
        kind=pair.kind,
        distance=round(pair.distance, 6),
        left_out=" ".join(str(decoded.ids[row]) for row in (earlier, later) if left_out[row]),
    )


def counted(
    found: Copies, ranks: NDArray[np.int8], copied: Mapping[str, Sequence[int]], left_out: int
) -> dict[str, Any]:
    """How many copies there are, as plain JSON: `within` each part, `across` parts, by kind."""
    kinds = Counter(pair.kind for pair in found.pairs)
    return {
        "within": found.within(ranks),
        "across": {split: len(ids) for split, ids in copied.items()},
        "pairs": {kind: kinds[kind] for kind in near_duplicates.KINDS},
        "left_out_of_train": left_out,
    }


def told(count: Mapping[str, Any]) -> str:
    """How many pairs of copies there are, in a few words."""
    exact = count["pairs"]["exact"]
    return f"{exact} exact and {sum(count['pairs'].values()) - exact} near copies"


def notes(count: Mapping[str, Any], num_images: int) -> Iterator[str]:
    """Sentences on copies across parts."""
    if count["left_out_of_train"]:
        yield (
            f"{count['left_out_of_train']} train images have a copy in val or test "
            "(duplicates.csv) and are left out: preprocess.duplicates"
        )
    for split, number in count["across"].items():
        if number:
            earlier = "train" if split == "val" else "train or val"
            yield (
                f"{number} images of {split} have a copy in {earlier} (duplicates.csv): scores of "
                f"{split} are given with and without them"
            )
    if num_images > MOST_IMAGES:
        yield f"{num_images:,} images: only exact copies were looked for"
