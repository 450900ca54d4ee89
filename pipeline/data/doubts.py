"""What is odd about data that can be used all the same: each found, counted, said in a sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.data.decoding import Decoded
from pipeline.data.prepared import SPLITS, Labels, count

FEW_IMAGES = 5
ALMOST_ALL, ALMOST_NONE = 0.95, 0.05
DARK = 128
_NAMED = 5


@dataclass(frozen=True)
class Contradiction:
    """Two images with the same pixels and different labels: one of the labels is wrong."""

    id: int
    split: str
    class_name: str
    same_as: int
    same_as_split: str
    same_as_class: str
    path: str = ""
    same_as_path: str = ""


def contradictions(
    decoded: Decoded, ranks: NDArray[np.int8], class_names: Sequence[str]
) -> list[Contradiction]:
    """Every image that an earlier one equals in each pixel and not in its class.

    ranks: the place of each image's split in train, val, test.
    """
    first: dict[bytes, int] = {}
    found = []
    for row, digest in enumerate(decoded.digests):
        other = first.setdefault(digest, row)
        if decoded.labels[other] != decoded.labels[row]:
            found.append(_contradiction(decoded, ranks, class_names, (row, other)))
    return found


def _contradiction(
    decoded: Decoded, ranks: NDArray[np.int8], names: Sequence[str], pair: tuple[int, int]
) -> Contradiction:
    row, other = pair
    return Contradiction(
        id=int(decoded.ids[row]),
        split=SPLITS[ranks[row]],
        class_name=names[decoded.labels[row]],
        same_as=int(decoded.ids[other]),
        same_as_split=SPLITS[ranks[other]],
        same_as_class=names[decoded.labels[other]],
        path=decoded.names[row] if decoded.names else "",
        same_as_path=decoded.names[other] if decoded.names else "",
    )


def notes(
    decoded: Decoded, rows: dict[str, NDArray[np.int64]], labels: Labels, names: Sequence[str]
) -> Iterator[str]:
    """Sentences on what the splits hold; `labels` are of all images, -1 where they are left out."""
    yield from decoded.notes
    yield from _told_by_colour(decoded.coloured, labels, names)
    yield from _small(rows, labels, names)
    if decoded.odd:
        first = decoded.odd[0]
        yield (
            f"{len(decoded.odd)} images of an odd size (odd_sizes.csv), {first.path} first: "
            f"{first.width} x {first.height}, {first.reason}"
        )


def dark(histogram: NDArray[np.int64]) -> Iterator[str]:
    """A sentence where no pixel is bright; `histogram`: int64 (channels, 256), of train."""
    highest = int(np.flatnonzero(histogram.sum(axis=0))[-1])
    if highest < DARK:
        yield (
            f"no pixel of train is above {highest} of 255: if that is white, the images are nearly "
            "black to a net; save them stretched to 0 to 255"
        )


def _told_by_colour(
    coloured: NDArray[np.bool_], labels: Labels, names: Sequence[str]
) -> Iterator[str]:
    """Classes that can be told by being grey, without a look at what is in the images."""
    kept = labels >= 0
    sizes = np.maximum(1, count(labels[kept], len(names)))
    shares = np.bincount(labels[kept], coloured[kept], len(names)) / sizes
    grey = [name for name, share in zip(names, shares, strict=True) if share <= ALMOST_NONE]
    colourful = [name for name, share in zip(names, shares, strict=True) if share >= ALMOST_ALL]
    if grey and colourful:
        few, what = (grey, "grey") if len(grey) <= len(colourful) else (colourful, "coloured")
        yield (
            f"colour alone tells {_named(few)}: their images are {what}, those of "
            f"{_named(colourful if few is grey else grey)} are not; set preprocess.colour to grey"
        )


def _small(
    rows: dict[str, NDArray[np.int64]], labels: Labels, names: Sequence[str]
) -> Iterator[str]:
    for split in ("val", "test"):
        sizes = count(labels[rows[split]], len(names))
        small = [name for name, size in zip(names, sizes, strict=True) if size < FEW_IMAGES]
        if small:
            yield (
                f"fewer than {FEW_IMAGES} {split} images of {_named(small)} "
                f"({min(sizes)} at the least): scores of such a class say next to nothing"
            )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
