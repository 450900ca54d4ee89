"""Planted copies among images that differ."""

import io

import numpy as np
import pytest
from PIL import Image

from overfit_atlas import near_duplicates
from overfit_atlas.images.near_duplicates import digests, exact, fingerprints, nearly, pairs


def _images(count: int, side: int = 28) -> np.ndarray:
    """Smooth random images with a black margin, as of clothes or digits."""
    generator = np.random.default_rng(5)
    coarse = generator.integers(0, 256, (count, 6, 6), dtype=np.uint8)
    inner = side - 8
    large = [
        np.asarray(Image.fromarray(one).resize((inner, inner), Image.Resampling.BICUBIC))
        for one in coarse
    ]
    return np.pad(np.stack(large), ((0, 0), (4, 4), (4, 4)))


def _jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def _changed(image: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "exact": image,
        "shifted": np.roll(image, (2, -1), (0, 1)),
        "mirrored": image[:, ::-1],
        "altered": _jpeg(image),
    }


def test_each_kind_of_copy_is_found_and_no_other_image() -> None:
    images = _images(60)
    copies = [changed for i, kind in enumerate(_changed(images[0])) for changed in
              [_changed(images[10 * i + 3])[kind]]]  # fmt: skip
    found = near_duplicates(np.concatenate([images, np.stack(copies)]))
    assert [(one.first, one.second, one.kind) for one in found] == [
        (3, 60, "exact"),
        (13, 61, "shifted"),
        (23, 62, "mirrored"),
        (33, 63, "altered"),
    ]
    assert found[0].distance == 0
    assert all(one.distance < 0.003 for one in found)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_brightness_is_no_difference(factor: float) -> None:
    images = _images(30) // 2
    brighter = np.rint(images[4:5] * factor).astype(np.uint8)
    found = near_duplicates(np.concatenate([images, brighter]))
    assert [(one.first, one.second, one.kind) for one in found] == [(4, 30, "altered")]


def test_colour_and_large_images_are_compared_in_small() -> None:
    large = np.repeat(np.repeat(_images(20), 4, 1), 4, 2)
    coloured = np.stack([large, large // 2, 255 - large // 3], axis=3)
    both = np.concatenate([coloured, coloured[7:8, :, ::-1]])
    assert [(one.first, one.second, one.kind) for one in near_duplicates(both)] == [
        (7, 20, "mirrored")
    ]
    assert fingerprints([both]).pixels.shape == (21, 28, 28)


def test_nothing_is_seen_in_plain_or_tiny_images() -> None:
    plain = np.arange(40, 44, dtype=np.uint8)[:, None, None] * np.ones((4, 28, 28), np.uint8)
    assert near_duplicates(plain) == []
    tiny = _images(12, 16)[:, 4:12, 4:12]
    assert near_duplicates(tiny) == []
    found = near_duplicates(np.concatenate([tiny, tiny[:1]]))
    assert [(one.first, one.second, one.kind) for one in found] == [(0, 12, "exact")]


def test_few_images_or_none() -> None:
    assert near_duplicates(_images(1)) == []
    assert near_duplicates(np.zeros((0, 28, 28), np.uint8)) == []


def test_images_of_known_digests_are_not_hashed_again() -> None:
    images = _images(12)
    both = np.concatenate([images, images[3:4]])
    known = digests(both)
    assert len(known) == 13 and len(set(known)) == 12 and known[3] == known[12]
    assert fingerprints([both], [b"given"] * 13).digests == (b"given",) * 13
    assert pairs(fingerprints([both], known)) == near_duplicates(both)
    assert [(one.first, one.second) for one in exact(known)] == [(3, 12)]


def test_near_copies_are_found_without_the_exact_ones() -> None:
    images = _images(12)
    both = np.concatenate([images, images[3:4], images[5:6, :, ::-1], images[5:6, :, ::-1]])
    found = nearly(fingerprints([both]))
    assert [(one.first, one.second, one.kind) for one in found] == [(5, 13, "mirrored")]
