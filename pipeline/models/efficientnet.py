"""EfficientNet B0 to B7 (Tan & Le 2019) and Lite0 to Lite2, with random weights or given ones.

And three other networks of Keras, with which all the same can be done: frozen on kept features,
fine-tuned, from scratch.

ImageNet's weights of the Lite ones are installed (`pretrained.lite`), those of the others are
fetched. Of these Keras builds two different graphs: asked for "imagenet" by name, it adds a scaling
by 1/sqrt(std) behind the normalisation, which the published weights need; asked with the path of
the same file, it leaves it out, and the outputs are wrong. Here the graph is always the plain one,
and for the published file that factor is folded into the normalisation's variance. So name and path
agree.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.models import backbone as backbones
from pipeline.models import layers
from pipeline.models.layers import ModelError
from pipeline.models.pretrained import donors, lite
from pipeline.params import EfficientNet

if TYPE_CHECKING:
    import keras

MIN_SIDE = 32
IMAGENET_FOLDER = Path("data/weights")
IMAGENET_ADDRESS = "https://storage.googleapis.com/keras-applications/"
OTHERS_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"


@dataclass(frozen=True)
class Variant:
    """One of the networks of Keras.

    Attributes:
        parameters: weights of the backbone, an EfficientNet's normalisation (7) included.
        features: length of the vector the head sees.
        checksum: of the published ImageNet weights without top (`keras/src/applications`), MD5 or
            SHA-256.
        file: where these lie below `OTHERS_ADDRESS`; None for an EfficientNet.
    """

    parameters: int
    features: int
    checksum: str
    file: str | None = None


VARIANTS = {
    "B0": Variant(4_049_571, 1280, "50bc09e76180e00e4465e1a485ddc09d"),
    "B1": Variant(6_575_239, 1280, "74c4e6b3e1f6a1eea24c589628592432"),
    "B2": Variant(7_768_569, 1408, "111f8e2ac8aa800a7a99e3239f7bfb39"),
    "B3": Variant(10_783_535, 1536, "af6d107764bb5b1abb91932881670226"),
    "B4": Variant(17_673_823, 1792, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    "B5": Variant(28_513_527, 2048, "38879255a25d3c92d5e44e04ae6cec6f"),
    "B6": Variant(40_960_143, 2304, "9ecce42647a20130c1f39a5d4cb75743"),
    "B7": Variant(64_097_687, 2560, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    "MobileNetV3Small": Variant(
        939_120,
        576,
        "d3e8ec802a04aa4fc771ee12a9a9b836",
        "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    ),
    "ResNet50V2": Variant(
        23_564_800,
        2048,
        "fac2f116257151a9d068a22e544a4917",
        "resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ),
    "ConvNeXtTiny": Variant(
        27_820_128,
        768,
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        "convnext/convnext_tiny_notop.h5",
    ),
}


KNOWN = (*VARIANTS, *lite.VARIANTS)


@dataclass(frozen=True)
class WeightsFile:
    """A file to be fetched: its name, where it lies, and the checksum it must have."""

    name: str
    urls: tuple[str, ...]
    checksum: str


def imagenet_weights_file(variant: str) -> WeightsFile:
    """The published ImageNet weights of a key of `VARIANTS`, without the classifier."""
    known = VARIANTS[variant]
    name = f"efficientnet{variant.lower()}_notop.h5"
    address = IMAGENET_ADDRESS + name
    if known.file is not None:
        name, address = Path(known.file).name, OTHERS_ADDRESS + known.file
    return WeightsFile(name, (address,), known.checksum)


def weights_path(section: EfficientNet, folder: Path = IMAGENET_FOLDER) -> Path | None:
    """The file that `weights` stands for, "imagenet" being one in `folder`; None for none.

    Raises:
        ModelError: the file is not there; says how to get it, or go on without.
    """
    if section.weights is None:
        return None
    if section.weights == "imagenet" and section.variant in lite.VARIANTS:
        return lite.imagenet_path(section.variant)
    if section.weights == "imagenet":
        path = folder / imagenet_weights_file(section.variant).name
        remedy = f"Run the download stage with a network, or put that file into {folder}/"
    else:
        path = Path(section.weights)
        remedy = "Give the path of a .keras or .h5 file, or 'imagenet'"
    if not path.is_file():
        raise ModelError(
            f"models.efficientnet.weights={section.weights!r}: there is no file {path}. {remedy};"
            " or go on without and train from scratch: weights: null."
        )
    return path


def check(section: EfficientNet, input_shape: tuple[int, int, int]) -> None:
    """Raises ModelError where settings do not fit the images or each other, or weights are gone."""
    if section.resolution is not None and section.resolution < MIN_SIDE:
        raise ModelError(
            f"models.efficientnet.resolution={section.resolution}: {_network_name(section.variant)}"
            f" halves the image five times and needs at least {MIN_SIDE}. Choose {MIN_SIDE} or"
            " more, or null for the images' own size."
        )
    if section.width != 1.0:
        raise ModelError(
            f"models.efficientnet.width={section.width}: the width of an EfficientNet belongs to"
            f" its variant. Choose models.efficientnet.variant among {', '.join(KNOWN)}."
        )
    if input_shape[2] not in (1, 3):
        raise ModelError(f"got {input_shape[2]} channels, expected 1 (grey) or 3 (colour).")
    if section.freeze_ratio > 0 and section.weights is None:
        raise ModelError(
            f"models.efficientnet.freeze_ratio={section.freeze_ratio} would freeze random weights."
            " Set weights to 'imagenet' or a path, or freeze_ratio to 0."
        )
    path = weights_path(section)
    if path is not None and section.weights != "imagenet":
        donors.check(path, section.variant, _backbone_parameters(section.variant))


def build(
    section: EfficientNet, input_shape: tuple[int, int, int], num_classes: int
) -> keras.Model:
    """An EfficientNet of the section's variant, for images of any size, grey or colour.

    Images smaller than 32 pixels are enlarged to 32 inside; grey ones are repeated three times.

    Raises:
        ModelError: the section's weights do not fit this network.
    """
    check(section, input_shape)
    inputs = _images(input_shape)
    model = _headed(inputs, _features(section, inputs), section, num_classes)
    _load(backbones.find(model), section)
    backbones.freeze(model, section.freeze_ratio, section.keep_batch_norm)
    return model


def extractor(section: EfficientNet, input_shape: tuple[int, int, int]) -> keras.Model:
    """The same network without its head: `uint8` images in, `num_features` numbers out.

    Raises:
        ModelError: the section's weights do not fit this network.
    """
    import keras

    check(section, input_shape)
    inputs = _images(input_shape)
    network = keras.Model(inputs, _features(section, inputs), name="extractor")
    _load(backbones.find(network), section)
    return network


def head(section: EfficientNet, num_classes: int) -> keras.Model:
    """The same network's head alone: float16 features in, probabilities out."""
    import keras

    inputs = keras.Input((num_features(section),), dtype="float16", name=layers.FEATURES)
    features = keras.layers.Rescaling(1.0, name="as_float")(inputs)
    return _headed(inputs, features, section, num_classes)


def origin(section: EfficientNet) -> str:
    """What decides the features of an image: network, size and weights, these by their content."""
    path = weights_path(section)
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path else None
    return f"{section.variant} {section.resolution} {digest}"


def num_parameters(
    section: EfficientNet, input_shape: tuple[int, int, int], num_classes: int
) -> int:
    """The parameter count `build` would reach: the backbone's, and the head's."""
    sizes = [num_features(section), *filter(None, [section.head_units]), num_classes]
    head = sum(layers.affine_parameters(a, b, False) for a, b in pairwise(sizes))
    return _backbone_parameters(section.variant) + head


def num_features(section: EfficientNet) -> int:
    """The length of the vector that the head sees."""
    if section.variant in lite.VARIANTS:
        return lite.TOP
    return VARIANTS[section.variant].features


def with_width(section: EfficientNet, width: int) -> EfficientNet:
    """The same section with variant number `width`: 0 to 7, of the Lite ones 0 to 2.

    Raises:
        ModelError: there is no such number, or the network has but one size.
    """
    if getattr(VARIANTS.get(section.variant), "file", None):
        raise ModelError(
            f"got {width=} for {section.variant}, which has but one size: choose"
            " models.efficientnet.variant among B0 to B7 or Lite0 to Lite2."
        )
    family = "Lite" if section.variant in lite.VARIANTS else "B"
    if f"{family}{width}" not in KNOWN:
        highest = sum(name.startswith(family) for name in KNOWN) - 1
        raise ModelError(
            f"got {width=} for efficientnet {section.variant}, expected a variant's number, 0 to"
            f" {highest}."
        )
    return section.model_copy(update={"variant": f"{family}{width}"})


def _backbone_parameters(variant: str) -> int:
    if variant in lite.VARIANTS:
        return lite.num_parameters(variant)
    return VARIANTS[variant].parameters


def _images(input_shape: tuple[int, int, int]) -> Any:
    import keras

    return keras.Input(input_shape, dtype="uint8", name=layers.INPUT)


def _features(section: EfficientNet, inputs: Any) -> Any:
    import keras

    images = _coloured(_resized(inputs, *_size(section, inputs.shape[1:])))
    if section.variant == "ResNet50V2":  # the others scale inside
        images = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(images)
    backbone = _penalised(_backbone(section.variant, images.shape[1:]), section)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = section.batch_norm_momentum
    return backbone(images)


def _load(backbone: Any, section: EfficientNet) -> None:
    """The section's weights, once the head has been made: a donor draws seeds of its own."""
    path = weights_path(section)
    if section.weights == "imagenet" and section.variant in lite.VARIANTS:
        lite.load(backbone, lite.imagenet(section.variant))
    elif path is not None:
        donors.load(backbone, path)


def _headed(inputs: Any, features: Any, section: EfficientNet, num_classes: int) -> keras.Model:
    import keras

    if section.head_units:
        penalty = layers.penalty(section)
        hidden = keras.layers.Dense(
            section.head_units, "relu", kernel_regularizer=penalty, name=layers.HEAD
        )
        features = hidden(features)
    features = layers.dropped(features, section, "dropout")
    return layers.finished(inputs, features, num_classes, section, "efficientnet")


def _size(section: EfficientNet, input_shape: tuple[int, int, int]) -> tuple[int, int]:
    if section.resolution is not None:
        return section.resolution, section.resolution
    return max(MIN_SIDE, input_shape[0]), max(MIN_SIDE, input_shape[1])


def _resized(images: Any, height: int, width: int) -> Any:
    import keras

    images = keras.layers.Rescaling(1.0, name="as_float")(images)
    if tuple(images.shape[1:3]) == (height, width):
        return images
    # Its own default is training=True, which Keras hands on to all layers behind it where a model
    # is called without saying which.
    return keras.layers.Resizing(height, width, name="resize")(images, training=False)


def _coloured(images: Any) -> Any:
    import keras

    if images.shape[-1] == 3:
        return images
    return keras.layers.Concatenate(name="grey_to_colour")([images] * 3)


def _backbone(variant: str, shape: tuple[int, int, int]) -> keras.Model:
    import keras

    if variant in lite.VARIANTS:
        return lite.network(variant, shape)
    network = getattr(keras.applications, _network_name(variant))
    made = network(
        include_top=False, weights=None, input_shape=shape, pooling="avg", name=backbones.BACKBONE
    )
    return made


def _network_name(variant: str) -> str:
    """What Keras calls it."""
    other = variant in VARIANTS and VARIANTS[variant].file
    return variant if other else f"EfficientNet{variant}"


def _penalised(backbone: keras.Model, section: EfficientNet) -> keras.Model:
    """The same network with the section's penalty on all kernels, set where Keras keeps it."""
    import keras

    penalty = layers.penalty(section)
    if penalty is None:
        return backbone
    config = backbone.get_config()
    for layer in config["layers"]:
        for key in ("kernel_regularizer", "depthwise_regularizer"):
            if layer["config"].get("kernel_size") and key in layer["config"]:
                layer["config"][key] = keras.regularizers.serialize(penalty)
    return type(backbone).from_config(config)
