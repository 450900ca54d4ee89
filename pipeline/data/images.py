"""Image files as arrays: any mode and orientation in, one shape of uint8 out, or a clear error.

Training and prediction read files through `load`, so both see the same pixels.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.data import DataError, arrays

# Formats with a decoder in Pillow itself. Others run programs (EPS) or are rarely fuzzed.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
MAX_PIXELS = 89_478_485
_ORIENTATION = 0x0112
_GREY_MODES = frozenset(("1", "L", "LA", "La", "I"))


class ImageError(DataError):
    """An image file cannot be used; the message names it and the remedy, `reason` is the cause."""

    def __init__(self, name: str, reason: str) -> None:
        self.reason = reason
        remedy = "Replace it with a whole PNG or JPEG file, or set preprocess.on_bad_image to skip."
        super().__init__(f"{name}: {reason}. {remedy}")


@dataclass(frozen=True)
class Looks:
    """What the header of an image says, after its EXIF rotation; `grey` if it has no colours."""

    width: int
    height: int
    grey: bool


def inspect(source: Path | BytesIO, name: str) -> Looks:
    """Size and kind of an image, without decoding it.

    Raises:
        ImageError: not an image in a known format, or too large to be safe.
    """
    with _opened(source, name) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in (5, 6, 7, 8):
            width, height = height, width
        return Looks(width, height, _is_grey(image))


def load(source: Path | BytesIO, name: str, image_shape: tuple[int, int, int]) -> arrays.Images:
    """The image as uint8 (height, width, channels) of exactly `image_shape`; channels are 1 or 3.

    EXIF rotation is applied, transparency laid on white, 16 bits cut to 8, only the first frame
    of an animation used. Another aspect ratio is cropped around the centre, then resized with
    antialiasing (bilinear).

    Raises:
        ImageError: unreadable, truncated, of floating-point pixels, or too large to be safe.
    """
    with _opened(source, name) as image:
        return fit(_plain(ImageOps.exif_transpose(image)), image_shape)


def fit(image: Image.Image, image_shape: tuple[int, int, int]) -> arrays.Images:
    """An image of mode L or RGB, resized and converted to `image_shape`: uint8 (h, w, c)."""
    height, width, channels = image_shape
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    mode = "L" if channels == 1 else "RGB"
    return np.asarray(image.convert(mode), np.uint8).reshape(image_shape)


def fit_array(image: arrays.Images, image_shape: tuple[int, int, int]) -> arrays.Images:
    """`fit` for an array: uint8 (height, width, 1 or 3)."""
    plain = image[..., 0] if image.shape[-1] == 1 else image
    return fit(Image.fromarray(plain), image_shape)


@contextmanager
def _opened(source: Path | BytesIO, name: str) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=FORMATS) as image:
                _check_pixels(image)
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        reason = f"more than {MAX_PIXELS:,} pixels, as in a decompression bomb"
        raise ImageError(name, reason) from None
    except FileNotFoundError:
        raise ImageError(name, "not found") from None
    # Decoders of damaged files raise whatever their first wrong byte leads to, MemoryError too.
    except Exception as error:
        first = " ".join(str(error).split()).replace(str(source), "it")[:160]
        raise ImageError(name, f"cannot be read as an image ({first})") from None


def _check_pixels(image: Image.Image) -> None:
    # Pillow's own limit can be lifted by whoever imports it; this one stays.
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


def _is_grey(image: Image.Image) -> bool:
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def _plain(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB."""
    if image.mode == "I" or image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.int64)
        return Image.fromarray((wide.clip(0, 65535) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range; save it with 8 or 16 bits")
    grey = _is_grey(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("L" if grey else "RGB")
