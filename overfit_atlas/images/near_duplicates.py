"""Images that are there twice: exactly, shifted, mirrored, recompressed, darker or brighter.

Candidates are the nearest by a fingerprint that a shift and a mirror leave as it is: the sizes of
the low frequencies of an image (Reddy & Chatterji 1996 tell shifts from them). What is confirmed is
confirmed on pixels: the two images, slightly blurred, are laid over each other with every shift of
up to `REACH` pixels and with one of them mirrored, and must agree up to brightness and contrast.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["exact", "altered", "shifted", "mirrored"]
KINDS: tuple[Kind, ...] = ("exact", "altered", "shifted", "mirrored")
Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

SIDE = 32
"""Pixels a side at most on which images are compared; larger ones are reduced."""
REACH = 2
"""Pixels, after reducing, by which a copy may be shifted."""
SMALLEST = 12
"""Pixels a side; of smaller images only exact copies are found, as too little tells them apart."""
FREQUENCIES = 7
NEIGHBOURS = 3
"""Nearest images by fingerprint that are looked at; copies of copies are found through each."""
FURTHEST = 0.06
"""1 - cosine of fingerprints; 99 in 100 images shifted by two pixels lie within half of it."""
SAME = 0.003
"""1 - correlation of blurred pixels up to which two images are one. Of 500 real images recompressed
as JPEG of quality 60, 98 to 100 % stay below it; of 10,000 different ones and their most similar
neighbours, under 1 in 1,000 does."""
LEAST_CONTRAST = 2.0
"""Standard deviation, grey levels, below which an image holds nothing to be recognised by."""
_SEARCHED, _COMPARED = 128, 256


@dataclass(frozen=True)
class Fingerprints:
    """What images are recognised by; row i of each field belongs to image i.

    digests: equal for equal pixels. pixels: float16 (n, height, width), grey, reduced and blurred.
    spectra: float32 (n, num_frequencies) of length 1, or of zeros for an image without contrast.
    """

    digests: tuple[bytes, ...]
    pixels: NDArray[np.float16]
    spectra: Floats

    def __len__(self) -> int:
        return len(self.digests)


@dataclass(frozen=True)
class Pair:
    """Image `second` is a copy of image `first`, the earlier one.

    Attributes:
        kind: what was done to it; `altered`: recompressed, or other brightness or contrast.
            A mirrored or shifted copy may be altered too.
        distance: 1 - correlation of their blurred pixels, 0 where exact.
    """

    first: int
    second: int
    kind: Kind
    distance: float


def near_duplicates(images: NDArray[np.uint8]) -> list[Pair]:
    """Every pair of copies among `images` that was found, by `second`, then `first`.

    Of several equal images each is paired with the first of them. Found are pairs of which one is
    among the three most similar images of the other.

    Args:
        images: uint8 (n, height, width, channels) or (n, height, width).
    """
    return pairs(fingerprints([images[i : i + 1024] for i in range(0, len(images), 1024)]))


def digests(images: Iterable[NDArray[Any]]) -> list[bytes]:
    """One digest an image, equal for equal pixels of images of one shape."""
    return [
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        for image in images
    ]


def fingerprints(
    blocks: Iterable[NDArray[np.uint8]], known: Sequence[bytes] | None = None
) -> Fingerprints:
    """The fingerprints of images that come in blocks (num_images, height, width[, channels]).

    Args:
        known: the `digests` of all images, where they have been made before.
    """
    hashed: list[bytes] = []
    pixels, spectra = [np.zeros((0, 1, 1), np.float16)], [np.zeros((0, 1), np.float32)]
    for block in blocks:
        if known is None:
            hashed += digests(block)
        reduced = _reduced(block)
        spectra.append(_spectra(reduced))
        pixels.append(_blurred(reduced).astype(np.float16))
    kept = slice(1, None) if len(pixels) > 1 else slice(None)
    return Fingerprints(
        tuple(hashed if known is None else known),
        np.concatenate(pixels[kept]),
        np.concatenate(spectra[kept]),
    )


def pairs(found: Fingerprints) -> list[Pair]:
    """`near_duplicates` of images whose fingerprints are known."""
    return in_order([*exact(found.digests), *nearly(found)])


def exact(digests: Sequence[bytes]) -> list[Pair]:
    """Pairs of images of one digest, each image with the first that has it; by `second`."""
    first: dict[bytes, int] = {}
    originals = [first.setdefault(digest, i) for i, digest in enumerate(digests)]
    return [Pair(a, b, "exact", 0.0) for b, a in enumerate(originals) if a != b]


def nearly(found: Fingerprints) -> list[Pair]:
    """Pairs of images that differ, but are one image; of equal ones only the first is looked at."""
    if min(found.pixels.shape[1:]) < SMALLEST:
        return []
    copies = {pair.second for pair in exact(found.digests)}
    distinct = np.array([i for i in range(len(found)) if i not in copies], np.int64)
    visible = distinct[np.any(found.spectra[distinct] != 0, axis=1)]
    return in_order(_confirmed(found, visible))


def in_order(pairs: Iterable[Pair]) -> list[Pair]:
    """By `second`, then `first`."""
    return sorted(pairs, key=lambda one: (one.second, one.first))


def _reduced(images: NDArray[np.uint8]) -> Floats:
    """Grey images of at most `SIDE` pixels a side: means over squares of pixels."""
    grey: Floats = images.reshape(*images.shape[:3], -1).mean(axis=3, dtype=np.float32)
    count, height, width = grey.shape
    step = -(-max(height, width) // SIDE)
    if step == 1:
        return grey
    rows, columns = height // step, width // step
    cut = grey[:, : rows * step, : columns * step]
    return np.asarray(cut.reshape(count, rows, step, columns, step).mean((2, 4)))


def _blurred(images: Floats) -> Floats:
    """Each pixel a mean of its 3 x 3 neighbours, weights 1 2 1: most of what JPEG adds is gone."""
    wide = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4
    return np.asarray((rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4, np.float32)


def _spectra(images: Floats) -> Floats:
    """Sizes of the low frequencies, in a form that a mirrored image shares, of length 1."""
    centred = images - images.mean((1, 2), keepdims=True)
    most = min(FREQUENCIES, (min(images.shape[1:]) - 1) // 2)
    rows = np.arange(-most, most + 1)
    plain = np.abs(np.fft.fft2(centred))[:, rows][:, :, : most + 1]
    mirrored = plain[:, ::-1]
    sums = (plain + mirrored)[:, most:].reshape(len(images), -1)
    differences = np.abs(plain - mirrored)[:, most + 1 :, 1:].reshape(len(images), -1)
    both = np.concatenate([sums, differences], axis=1)
    both[images.std((1, 2)) < LEAST_CONTRAST] = 0
    lengths = np.linalg.norm(both, axis=1, keepdims=True)
    return np.asarray(both / np.where(lengths > 0, lengths, 1), np.float32)


def _confirmed(found: Fingerprints, rows: Integers) -> Iterator[Pair]:
    first, second = _candidates(found.spectra[rows])
    for start in range(0, len(first), _COMPARED):
        a, b = rows[first[start : start + _COMPARED]], rows[second[start : start + _COMPARED]]
        distances, kinds = _compared(found.pixels[a], found.pixels[b])
        for i in np.flatnonzero(distances <= SAME).tolist():
            kind = KINDS[kinds[i]]
            yield Pair(int(a[i]), int(b[i]), kind, max(0.0, float(distances[i])))


def _candidates(spectra: Floats) -> tuple[Integers, Integers]:
    """Places of pairs whose fingerprints are near, the earlier ones first."""
    count = len(spectra)
    near = [np.zeros((0, 2), np.int64)]
    for start in range(0, count, _SEARCHED):
        alike = spectra[start : start + _SEARCHED] @ spectra.T
        own = np.arange(start, start + len(alike))
        alike[own - start, own] = -1
        for _ in range(min(NEIGHBOURS, count - 1)):
            best = alike.argmax(axis=1)
            close = alike[own - start, best] >= 1 - FURTHEST
            near.append(np.stack([own, best], axis=1)[close])
            alike[own - start, best] = -1
    both = np.unique(np.sort(np.concatenate(near), axis=1), axis=0)
    return both[:, 0], both[:, 1]


def _compared(a: NDArray[np.float16], b: NDArray[np.float16]) -> tuple[Floats, Integers]:
    """The least 1 - correlation over all ways to lay b over a, and the kind of that way.

    As it lies is tried first, then shifted, then mirrored: a later way must be better.
    """
    inner = slice(REACH, -REACH)
    fixed = a[:, inner, inner].astype(np.float32)
    fixed -= fixed.mean((1, 2), keepdims=True)
    lengths = np.sqrt(np.einsum("nij,nij->n", fixed, fixed))
    whole = b.astype(np.float32)
    least = np.full(len(a), np.inf, np.float32)
    kinds = np.zeros(len(a), np.int64)
    for flipped, row, column in _ways():
        moved = whole[:, :, ::-1] if flipped else whole
        size = fixed.shape[1:]
        part = moved[:, row : row + size[0], column : column + size[1]]
        distances = 1 - _correlation(fixed, lengths, part)
        kind: Kind = "mirrored" if flipped else "altered" if row == column == REACH else "shifted"
        better = distances < least - 1e-6
        least[better], kinds[better] = distances[better], KINDS.index(kind)
    return least, kinds


def _ways() -> list[tuple[bool, int, int]]:
    """Whether mirrored, first row, first column: as it lies first."""
    places = [(row, column) for row in range(2 * REACH + 1) for column in range(2 * REACH + 1)]
    places.sort(key=lambda place: abs(place[0] - REACH) + abs(place[1] - REACH))
    return [(flipped, *place) for flipped in (False, True) for place in places]


def _correlation(fixed: Floats, lengths: Floats, part: Floats) -> Any:
    """Pearson's, of centred images with parts of others; 0 where a part has no contrast."""
    count = part.shape[1] * part.shape[2]
    products = np.einsum("nij,nij->n", fixed, part)
    squares = np.einsum("nij,nij->n", part, part)
    centred = np.sqrt(np.maximum(squares - part.sum((1, 2)) ** 2 / count, 0))
    both = lengths * centred
    return np.divide(products, both, out=np.zeros_like(products), where=both > LEAST_CONTRAST)
