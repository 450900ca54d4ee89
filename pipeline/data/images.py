"""Image files as arrays: any mode and orientation in, one shape of uint8 out, or a clear error.

Training and prediction read files through `load`, so both see the same pixels. Files of 16 bits
often hold fewer (12, from a camera or scanner): `peak` finds their highest value, and the highest
of all files says how many bits there are.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.data import DataError, arrays

# Formats with a decoder in Pillow itself. Others run programs (EPS) or are rarely fuzzed.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
MAX_PIXELS = 89_478_485
MAX_SCANS = 100
"""A progressive JPEG has some ten; each goes over all pixels, and 42 bytes are enough for one."""
START_OF_SCAN = b"\xff\xda"
_ORIENTATION = 0x0112
_GREY_MODES = frozenset(("1", "L", "LA", "La", "I"))
# What people have that no decoder here reads: where in the file which bytes tell it, and its name.
_FOREIGN = (
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftypmsf1", "HEIC"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "SVG"),
    (128, b"DICM", "DICOM"),
)


class ImageError(DataError):
    """An image file cannot be used; the message names it and the remedy, `reason` is the cause."""

    def __init__(self, name: str, reason: str) -> None:
        self.reason = reason
        remedy = "Replace it with a whole PNG or JPEG file, or set preprocess.on_bad_image to skip."
        super().__init__(f"{name}: {reason}. {remedy}")


@dataclass(frozen=True)
class Looks:
    """What the header of an image says, after its EXIF rotation; `grey` if it has no colours.

    wide: grey of more than 8 bits. deep: more than 8 bits for each of several channels, of which
    the decoder keeps the upper 8.
    """

    width: int
    height: int
    grey: bool
    wide: bool = False
    deep: bool = False


def inspect(source: Path | BytesIO, name: str) -> Looks:
    """Size and kind of an image, without decoding it.

    Raises:
        ImageError: not an image in a known format, or too large to be safe.
    """
    with _opened(source, name) as image:
        wide = _is_wide(image)
        # Before getexif: it may decode the image, which empties `tile`.
        deep = not wide and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in (5, 6, 7, 8):
            width, height = height, width
        return Looks(width, height, _is_grey(image), wide, deep)


def peak(source: Path | BytesIO, name: str) -> int:
    """The highest value of an image; of a `deep` one, of the upper 8 bits of its channels.

    Raises:
        ImageError: unreadable, or with values below 0.
    """
    with _opened(source, name) as image:
        _check_scans(image, source)
        pixels = np.asarray(image)
        _check_sign(pixels)
        colours = pixels[..., :-1] if image.mode.endswith("A") else pixels
        return int(colours.max())


def load(
    source: Path | BytesIO, name: str, image_shape: tuple[int, int, int], bits: int = 16
) -> arrays.Images:
    """The image as uint8 (height, width, channels) of exactly `image_shape`; channels are 1 or 3.

    EXIF rotation is applied, transparency laid on white, only the first frame of an animation
    used. Of grey values wider than 8 bits the upper 8 of `bits` are kept (`Manifest.bits`). Another
    aspect ratio is cropped around the centre, then resized with antialiasing (bilinear).

    Raises:
        ImageError: unreadable, truncated, of negative or floating-point pixels, or too large to be
            safe.
    """
    with _opened(source, name) as image:
        _check_scans(image, source)
        turned = image.getexif().get(_ORIENTATION, 1) != 1  # to transpose copies upright ones, too
        upright = ImageOps.exif_transpose(image) if turned else image
        return fit(_plain(upright, bits), image_shape)


def fit(image: Image.Image, image_shape: tuple[int, int, int]) -> arrays.Images:
    """An image of mode L or RGB, resized and converted to `image_shape`: uint8 (h, w, c)."""
    height, width, channels = image_shape
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    return np.asarray(_in_mode(image, "L" if channels == 1 else "RGB"), np.uint8).reshape(
        image_shape
    )


def fit_array(image: arrays.Images, image_shape: tuple[int, int, int]) -> arrays.Images:
    """`fit` for an array: uint8 (height, width, 1 or 3)."""
    plain = image[..., 0] if image.shape[-1] == 1 else image
    return fit(Image.fromarray(plain), image_shape)


@contextmanager
def _opened(source: Path | BytesIO, name: str) -> Iterator[Image.Image]:
    if isinstance(source, Path) and not source.is_file() and source.exists():
        raise ImageError(name, "a folder, pipe, socket or device, and no file")
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
    except UnidentifiedImageError:
        raise ImageError(name, f"cannot be read as an image ({_foreign(source)})") from None
    # Decoders of damaged files raise whatever their first wrong byte leads to, MemoryError too.
    except Exception as error:
        first = " ".join(str(error).split()).replace(str(source), "it")[:160]
        raise ImageError(name, f"cannot be read as an image ({first})") from None


def _check_pixels(image: Image.Image) -> None:
    # Pillow's own limit can be lifted by whoever imports it; this one stays.
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


def _check_scans(image: Image.Image, source: Path | BytesIO) -> None:
    if image.info.get("progressive"):
        content = source.getvalue() if isinstance(source, BytesIO) else source.read_bytes()
        if (scans := content.count(START_OF_SCAN)) > MAX_SCANS:
            raise ValueError(f"{scans:,} scans, of which hours could be spent on one image")


def _foreign(source: Path | BytesIO) -> str:
    """What a file is that no decoder knows, and the way out, as far as its first bytes say."""
    if isinstance(source, BytesIO):
        start = source.getvalue()[:160]
    else:
        with source.open("rb") as file:
            start = file.read(160)
    for at, mark, form in _FOREIGN:
        if start[at:].startswith(mark):
            return f"it is {form}, for which there is no decoder here: convert it to PNG or JPEG"
    return "its bytes are none of " + ", ".join(FORMATS)


def _check_sign(pixels: NDArray[Any]) -> None:
    if pixels.dtype.kind == "f":
        raise ValueError("floating-point pixels have no known range; save it with 8 or 16 bits")
    if int(pixels.min()) < 0:
        raise ValueError(f"pixels from {pixels.min()}, below 0; save it with values from 0")


def _is_wide(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def _is_grey(image: Image.Image) -> bool:
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def _plain(image: Image.Image, bits: int) -> Image.Image:
    """The image in mode L or RGB."""
    if _is_wide(image) or image.mode == "F":
        wide = np.asarray(image)
        _check_sign(wide)
        kept = wide.astype(np.int32)
        np.minimum(kept, (1 << bits) - 1, out=kept)  # an image of 88 megapixels fills 2 GB else
        kept >>= bits - 8
        return Image.fromarray(kept.astype(np.uint8))
    grey = _is_grey(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return _in_mode(image, "L" if grey else "RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # which copies equal ones, too
