"""Pixels as people save them (any range, channels first, with alpha) as bytes, channels last.

`Axes` is read off a shape, `Scale` off the least and greatest value of all images; both are said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data import DataError
from pipeline.data.arrays import Images

Turn = Literal["last", "first", "none", "square", "planes"]
_FULL = 128


@dataclass(frozen=True)
class Axes:
    """Where the channels are: last, first, none (grey), or in flat rows (square, planes)."""

    turn: Turn
    height: int
    width: int
    channels: int

    def last(self, block: NDArray[Any]) -> NDArray[Any]:
        """Rows of such an array as (n, height, width, channels)."""
        if self.turn in ("first", "planes"):
            planes = block.reshape(-1, self.channels, self.height, self.width)
            return planes.transpose(0, 2, 3, 1)
        return block.reshape(-1, self.height, self.width, self.channels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape of an image once it is bytes: alpha is gone."""
        return self.height, self.width, 1 if self.channels < 3 else 3

    def said(self) -> Iterator[str]:
        """What was done, in sentences."""
        if self.turn == "first":
            yield "channels turned last"
        if self.turn in ("square", "planes"):
            layout = "3 planes, as in CIFAR" if self.turn == "planes" else "rows"
            yield f"flat images read as {self.width} x {self.height} pixels ({layout})"
        if self.channels in (2, 4):
            yield "the last channel read as alpha and laid on white"


def axes(shape: tuple[int, ...], is_cifar: bool, name: str) -> Axes:
    """How an array of `shape` holds its images; is_cifar: it bears the name CIFAR gives its rows.

    Raises:
        DataError: no shape that images have, or one with two readings.
    """
    channels = (1, 2, 3, 4)
    if len(shape) == 3:
        return Axes("none", shape[1], shape[2], 1)
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] in (2, 4):
        raise DataError(
            f"{name}: got the shape {shape}: {shape[1]} channels first, or {shape[3]} channels "
            "last. Say which with x.transpose(0, 2, 3, 1), or x[..., :-1] without alpha."
        )
    if len(shape) == 4 and shape[3] in channels:
        return Axes("last", shape[1], shape[2], shape[3])
    if len(shape) == 4 and shape[1] in channels:
        return Axes("first", shape[2], shape[3], shape[1])
    if len(shape) == 2 and is_cifar and shape[1] == 3072:
        return Axes("planes", 32, 32, 3)
    if len(shape) == 2 and shape[1] > 1 and isqrt(shape[1]) ** 2 == shape[1]:
        return Axes("square", isqrt(shape[1]), isqrt(shape[1]), 1)
    raise DataError(
        f"{name}: got the shape {shape}, expected (images, height, width), (images, height, width, "
        f"channels) or (images, channels, height, width), of 1 to 4 channels. {_hint(shape)}"
    )


def _hint(shape: tuple[int, ...]) -> str:
    side = isqrt(shape[-1] // 3) if len(shape) == 2 else 0
    if side and 3 * side * side == shape[-1]:
        return (
            f"Flat rows of {shape[-1]} numbers can be x.reshape(-1, {side}, {side}, 3) or "
            f"x.reshape(-1, 3, {side}, {side}): do the one that shows sound images."
        )
    if len(shape) == 5 or (len(shape) == 4 and shape[3] > 4):
        return "Volumes are not read: save slices of them, such as x[:, x.shape[1] // 2]."
    return "Reshape it."


@dataclass(frozen=True)
class Scale:
    """How values become bytes: round((value - low) * factor), or the upper 8 of `bits`."""

    low: float = 0.0
    factor: float = 1.0
    bits: int = 8
    said: str = ""

    def to_bytes(self, block: NDArray[Any]) -> Images:
        """`block` of any type as uint8."""
        if self.bits > 8:
            return (block >> (self.bits - 8)).astype(np.uint8)
        if block.dtype.kind in "iub" and self.factor == 1:
            return block.astype(np.uint8)
        return np.round((block.astype(np.float64) - self.low) * self.factor).astype(np.uint8)


@dataclass(frozen=True)
class Range:
    """The least and the greatest value of one array."""

    name: str
    dtype: np.dtype[Any]
    low: float
    high: float


def range_of(blocks: Iterator[NDArray[Any]], name: str) -> Range:
    """The range of an array.

    Raises:
        DataError: a value is not finite, or the array is empty.
    """
    low, high, dtype = np.inf, -np.inf, np.dtype(np.uint8)
    for block in blocks:
        dtype = block.dtype
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        if not (np.isfinite(low) and np.isfinite(high)):
            raise DataError(f"{name}: got NaN or infinite pixels. Leave those images out.")
    return Range(name, dtype, low, high)


def scale(ranges: Sequence[Range]) -> Scale:
    """How the values of all images of a data set become bytes, from the range of each array.

    Raises:
        DataError: the range has two readings, or none.
    """
    low = min(one.low for one in ranges)
    high = max(one.high for one in ranges)
    kinds = {one.dtype.kind for one in ranges}
    if kinds == {"f"}:
        for one in ranges:
            if one.high <= 1 < high:
                raise DataError(
                    f"{one.name} goes up to {one.high:g}, another part up to {high:g}: they are "
                    "scaled in different ways. Scale all parts alike."
                )
        return _of_floats(low, high, ranges[0].name)
    if "f" in kinds:
        raise DataError(
            f"{ranges[0].name} is {ranges[0].dtype}, {ranges[-1].name} {ranges[-1].dtype}: save "
            "all parts with one type and one scale."
        )
    return _of_integers(int(low), int(high), ranges[0].name)


def _of_floats(low: float, high: float, name: str) -> Scale:
    said = f"values from {low:g} to {high:g} read as "
    if low >= 0 and high <= 1:
        return Scale(0, 255, said=f"{said}0 to 1")
    if low >= 0 and _FULL <= high <= 255:
        return Scale(said=f"{said}0 to 255")
    if -1 <= low <= -0.9 and 0.9 <= high <= 1:
        return Scale(-1, 127.5, said=f"{said}-1 to 1")
    if low >= 0:
        readings = f"0 to 255 (then nearly black) or 0 to {high:g}" if high < 255 else "16 bits"
    elif low >= -1 and high <= 1:
        readings = "-1 to 1, -0.5 to 0.5, or 0 to 1 with something subtracted"
    else:
        readings = "standardised (mean subtracted) or scaled in another way"
    raise DataError(
        f"{name}: floats from {low:g} to {high:g} can be {readings}. Save the bytes of the images: "
        "np.clip((x - low) / (high - low) * 255, 0, 255).astype('uint8'), with low and high the "
        "values of black and white."
    )


def _of_integers(low: int, high: int, name: str) -> Scale:
    if low < 0:
        raise DataError(
            f"{name}: whole numbers from {low} to {high}; {low} can be black, or a sign of a byte "
            f"read as int8. Shift them so that black is 0: (x - ({low})).astype('uint16')."
        )
    if high <= 1:
        return Scale(0, 255, said="values 0 and 1 read as black and white")
    if high <= 255:
        return Scale(said="whole numbers up to 255 read as bytes")
    bits = high.bit_length()
    return Scale(bits=bits, said=f"whole numbers up to {high} read as {bits}-bit data")


def blended(block: Images) -> Images:
    """Bytes (n, height, width, channels) without alpha: 2 or 4 channels are laid on white."""
    if block.shape[-1] in (1, 3):
        return block
    colours, alpha = block[..., :-1].astype(np.uint32), block[..., -1:].astype(np.uint32)
    return ((colours * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
