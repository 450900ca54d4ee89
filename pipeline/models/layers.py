"""What the models share: raw images in, one kind of penalty, the same two layers at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from overfit_atlas.errors import AtlasError
from pipeline.params import Regularised

if TYPE_CHECKING:
    import keras

INPUT = "images"
FEATURES = "features"
HEAD = "head"
LOGITS = "logits"
PROBABILITIES = "probabilities"


class ModelError(AtlasError):
    """This model cannot be built from these settings; names the key, and what would do."""


def scaled_input(input_shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """The model's input of `uint8` images, and the same images as float32 between 0 and 1."""
    import keras

    inputs = keras.Input(input_shape, dtype="uint8", name=INPUT)
    return inputs, keras.layers.Rescaling(1 / 255, name="scale")(inputs)


def penalty(section: Regularised) -> Any:
    """The elastic net `l1 * sum |w| + l2 * sum w^2` as a Keras regulariser; None where both are 0.

    Goes on every kernel, the last one included, and on no bias.
    """
    import keras

    if section.l1 == 0 and section.l2 == 0:
        return None
    return keras.regularizers.L1L2(l1=section.l1, l2=section.l2)


def activated(outputs: Any, section: Any, name: str) -> Any:
    """Batch norm where the section asks for it, then the activation, in that order.

    The layer before needs no bias under batch norm, which has its own.
    """
    import keras

    if section.batch_norm:
        outputs = keras.layers.BatchNormalization(name=f"{name}_norm")(outputs)
    return keras.layers.Activation(section.activation, name=f"{name}_{section.activation}")(outputs)


def hidden(features: Any, units: int, section: Any, name: str) -> Any:
    """One fully connected layer of `units`: affine map, batch norm, activation, dropout."""
    import keras

    features = keras.layers.Dense(
        units,
        use_bias=not section.batch_norm,
        kernel_initializer=section.initialiser,
        kernel_regularizer=penalty(section),
        name=name,
    )(features)
    return dropped(activated(features, section, name), section, f"{name}_dropout")


def dropped(features: Any, section: Regularised, name: str) -> Any:
    """`features` under dropout, where the section asks for any."""
    import keras

    if not section.dropout:
        return features
    return keras.layers.Dropout(section.dropout, name=name)(features)


def finished(
    inputs: Any, features: Any, num_classes: int, section: Regularised, name: str
) -> keras.Model:
    """The whole model: `features` through the layers "logits" (linear) and "probabilities".

    The logits start from Glorot's uniform whatever the section's initialiser: He's derivation is
    for layers under a relu.
    """
    import keras

    logits = keras.layers.Dense(num_classes, kernel_regularizer=penalty(section), name=LOGITS)
    probabilities = keras.layers.Softmax(name=PROBABILITIES)(logits(features))
    return keras.Model(inputs, probabilities, name=name)


def widened(count: int, width: float) -> int:
    """`count` units or filters times the width multiplier, rounded, and never fewer than one."""
    return max(1, round(count * width))


def affine_parameters(num_inputs: int, num_outputs: int, batch_norm: bool) -> int:
    """Weights of an affine map, with a bias or, under batch norm, its four vectors instead.

    Counted as Keras counts them: gamma, beta, moving mean and moving variance, trained or not.
    """
    return num_inputs * num_outputs + num_outputs * (4 if batch_norm else 1)
