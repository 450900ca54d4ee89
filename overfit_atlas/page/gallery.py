"""The images of the page: a sprite each of val and train, and what was said of each image."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.estimates import Json
from overfit_atlas.scoring.fits import Fit, PerImage

MOST_IMAGES, MOST_MARKED, LARGEST_SIDE, QUALITY = 400, 120, 64, 80
"""Images of val; train images of each mark; pixels a side; of the WebP sprite."""


@dataclass(frozen=True)
class Pictures:
    """Validation images with their classes.

    Attributes:
        images: uint8 `(num_images, height, width, channels)`, channels 1 or 3.
        labels: class numbers `(num_images,)`.
        marks: rows that are worth a filter of their own, by its name (memorised, suspicious, ...).
        maps: by model, rows and where the net looked in them, uint8 `(num_rows, h, w)`.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    class_names: Sequence[str]
    marks: Mapping[str, Sequence[int]] = field(default_factory=dict)
    maps: Mapping[str, tuple[NDArray[np.integer], NDArray[np.uint8]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Marked:
    """Train images that were singled out: memorised, suspicious labels, copies.

    Attributes:
        images: uint8 `(num_images, height, width, channels)`, channels 1 or 3; all of train.
        labels: class numbers `(num_images,)`.
        marks: by name, rows in the order in which they are shown.
        facts: by row, what is known of the image, for the page's script to say.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.integer]
    marks: Mapping[str, Sequence[int]]
    facts: Mapping[int, Json]


def gallery(
    pictures: Pictures, fits: Mapping[str, Sequence[Fit]], marked: Marked | None = None
) -> Json | None:
    """The images and the answers of `fits` by model; None where no model's answers were kept.

    Of more than `MOST_IMAGES` images those with the most wrong answers are taken. By model and,
    epoch-major, by image, as base64 of bytes: `wrong`, how many seeds are wrong; `said`, the class
    said most; `sure`, the mean confidence, 255 for 1. `train` holds the images of `marked`.
    """
    kept = {name: found for name, seeds in fits.items() if (found := _kept(seeds))}
    if not kept or len(pictures.class_names) > 256:
        return None
    rows = _chosen(kept)
    place = {int(row): index for index, row in enumerate(rows)}
    return {
        **_sheet(pictures.images, pictures.labels, rows),
        "of": len(pictures.labels),
        "classes": list(pictures.class_names),
        "marks": {
            name: [place[int(row)] for row in marked if int(row) in place]
            for name, marked in pictures.marks.items()
        },
        "models": {
            name: {"seeds": len(found), **_answers(found, rows)} for name, found in kept.items()
        },
        "maps": {name: _maps(*of_model, place) for name, of_model in pictures.maps.items()},
        "train": _marked(marked) if marked and any(marked.marks.values()) else None,
    }


def _sheet(images: NDArray[np.uint8], labels: NDArray[np.integer], rows: NDArray[np.intp]) -> Json:
    """The sprite of these rows, how it is laid out, and their classes."""
    tiles = thumbnails(np.asarray(images[rows]))
    return {
        "sprite": sprite(tiles),
        "columns": _columns(len(tiles)),
        "height": tiles.shape[1],
        "width": tiles.shape[2],
        "true": [int(one) for one in labels[rows]],
    }


def _marked(marked: Marked) -> Json:
    """Of each mark at most `MOST_MARKED` images, and `total`, how many there are."""
    first = {name: [int(row) for row in rows[:MOST_MARKED]] for name, rows in marked.marks.items()}
    rows = sorted({row for of_mark in first.values() for row in of_mark})
    place = {row: index for index, row in enumerate(rows)}
    return {
        **_sheet(marked.images, marked.labels, np.array(rows, np.intp)),
        "marks": {name: [place[row] for row in of_mark] for name, of_mark in first.items()},
        "total": {name: len(of_mark) for name, of_mark in marked.marks.items()},
        "facts": [marked.facts.get(row, {}) for row in rows],
    }


def _kept(fits: Sequence[Fit]) -> list[PerImage]:
    """The scores of single images of the seeds of which the class said was kept."""
    found = [fit.per_image for fit in fits if fit.failed is None and fit.per_image is not None]
    return [one for one in found if one.val_predicted is not None]


def _answers(kept: Sequence[PerImage], rows: NDArray[np.intp]) -> Json:
    """Of one model, `(num_epochs, num_rows)` each, as text: wrong, said, sure."""
    epochs = min(len(one.val_loss) for one in kept)
    said = np.stack([np.asarray(one.val_predicted)[:epochs, rows] for one in kept])
    wrong = np.stack([~one.val_correct[:epochs, rows] for one in kept]).sum(0)
    sure = np.stack([one.val_confidence[:epochs, rows].astype(np.float32) for one in kept]).mean(0)
    votes = np.stack([(said == one).sum(0, dtype=np.uint8) for one in range(int(said.max()) + 1)])
    found = {"wrong": wrong, "said": votes.argmax(0), "sure": np.round(255 * sure)}
    return {name: _base64(values.astype(np.uint8)) for name, values in found.items()}


def _chosen(kept: Mapping[str, Sequence[PerImage]]) -> NDArray[np.intp]:
    """Rows of the images that are shown, ascending."""
    totals = sum((~one.val_correct).sum(0) for seeds in kept.values() for one in seeds)
    order = np.argsort(-np.asarray(totals, dtype=int), kind="stable")[:MOST_IMAGES]
    return np.sort(order)


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The images, none larger than `LARGEST_SIDE` pixels a side; every n-th pixel is kept."""
    step = -(-max(images.shape[1:3]) // LARGEST_SIDE)
    return images[:, ::step, ::step]


def _columns(count: int) -> int:
    return max(1, int(np.ceil(np.sqrt(count))))


def sprite(tiles: NDArray[np.uint8]) -> str:
    """All images side by side in one WebP picture, as a data address."""
    from PIL import Image

    count, height, width, channels = tiles.shape
    columns = _columns(count)
    sheet = np.zeros((-(-count // columns) * height, columns * width, channels), np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + height, left : left + width] = tile
    buffer = io.BytesIO()
    picture = Image.fromarray(sheet[..., 0] if channels == 1 else sheet[..., :3])
    picture.save(buffer, "webp", quality=QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _maps(rows: NDArray[np.integer], maps: NDArray[np.uint8], place: Mapping[int, int]) -> Json:
    kept = [index for index, row in enumerate(rows) if int(row) in place]
    return {
        "rows": [place[int(rows[index])] for index in kept],
        "height": int(maps.shape[1]),
        "width": int(maps.shape[2]),
        "maps": _base64(maps[kept]),
    }


def _base64(values: NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
