"""Several trained models as one: an ordinary Keras model that saves, loads and serves."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING, Any, Literal

from pipeline.models.layers import INPUT, LOGITS, PROBABILITIES, ModelError
from pipeline.models.temperature import divided_logits

if TYPE_CHECKING:
    import keras


def combine(
    members: Sequence[keras.Model], average: Literal["probabilities", "logits"] = "probabilities"
) -> keras.Model:
    """One model that gives the members' mean probabilities, or the softmax of their mean logits.

    The members are copied with their weights, each a layer "member_1", "member_2", ... They may
    be of different kinds, but of one input and the same classes. The result keeps the models'
    contract: its layer "logits" holds log(mean probability) or the mean logits.

    Raises:
        ModelError: no members, or members that do not fit each other.
    """
    import keras

    _check(members)
    inputs = keras.Input(members[0].input_shape[1:], dtype="uint8", name=INPUT)
    each = [_member(model, number)(inputs) for number, model in enumerate(members, start=1)]
    logits = _log_mean(each) if average == "probabilities" else _mean(each)
    return keras.Model(inputs, keras.layers.Softmax(name=PROBABILITIES)(logits), name="ensemble")


def _check(members: Sequence[Any]) -> None:
    if not members:
        raise ModelError("models.ensemble: no members to average; name at least one.")
    shapes = {(*model.input_shape[1:], *model.output_shape[1:]) for model in members}
    if len(shapes) > 1:
        found = ", ".join(str(shape) for shape in sorted(shapes))
        raise ModelError(
            "models.ensemble: members must share their images and classes, but (height, width,"
            f" channels, classes) are {found}."
        )


def _member(model: Any, number: int) -> Any:
    """A copy of the model up to its logits over its temperature, under a name of its own."""
    import keras

    whole = type(model).from_config(model.get_config())
    whole.set_weights(model.get_weights())
    return keras.Model(whole.input, divided_logits(whole), name=f"member_{number}")


def _mean(logits: list[Any]) -> Any:
    import keras

    summed = keras.layers.Add(name="sum")(logits) if len(logits) > 1 else logits[0]
    return keras.layers.Rescaling(1 / len(logits), name=LOGITS)(summed)


def _log_mean(logits: list[Any]) -> Any:
    """log(mean of softmax), which stays finite where a probability is too small for a float32."""
    import keras

    each = [
        keras.layers.Activation("log_softmax", name=f"log_probabilities_{number}")(values)
        for number, values in enumerate(logits, start=1)
    ]
    stacked = keras.ops.stack(each, axis=1)
    summed = keras.ops.logsumexp(stacked, axis=1)
    return keras.layers.Rescaling(1.0, offset=-log(len(each)), name=LOGITS)(summed)
