"""Where a convolutional model looks: Grad-CAM (Selvaraju et al. 2017), for any Keras model.

Works on flat, nested and sequential models, fresh or loaded: it runs the model eagerly and listens
to one layer, so it needs no path through the graph. A map explains the class score given to it; it
does not prove that the model is right for a good reason.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from overfit_atlas.errors import AtlasError
from pipeline import models

Maps = npt.NDArray[np.float32]
LOGITS = "logits"
COARSEST = 4  # pixels a side that a default map should have
CONVOLUTIONS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")
FEATURES = (
    *CONVOLUTIONS, "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "BatchNormalization", "Add",
    "Concatenate",
)  # fmt: skip


class ExplainError(AtlasError):
    """This model, or this layer of it, gives no map; says which would."""


@dataclass(frozen=True)
class MapLayer:
    """A layer whose output is a grid of features, `height` x `width` pixels of them."""

    name: str
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.name} ({self.height}x{self.width})"


def layers(model: Any, image_shape: tuple[int, ...] | None = None) -> list[MapLayer]:
    """The layers Grad-CAM can explain, in the order the image passes them: maps of > 1 pixel.

    These are convolutions and what follows them pixel by pixel (activation, normalisation, sum).
    Layers of the same name in several members of an ensemble count once. `image_shape` is
    (height, width, channels); by default that of the model's input.
    """
    return _usable(_map_layers(model, image_shape))


def default_layer(model: Any, image_shape: tuple[int, ...] | None = None) -> MapLayer:
    """The last usable layer with maps of at least 4x4 pixels, else the last with more than one.

    Late layers know the class, early ones the place; below 4x4 a map says little about places.

    Raises:
        ExplainError: the model has no such layer, as a fully connected one.
    """
    return _default(model, _map_layers(model, image_shape))


def _default(model: Any, found: Sequence[MapLayer]) -> MapLayer:
    usable = _usable(found)
    if not found:
        raise ExplainError(
            f"model {model.name!r} has no convolution, so there are no places Grad-CAM could show."
            " Choose a model with convolutions, such as cnn or efficientnet."
        )
    if not usable:
        raise ExplainError(
            f"model {model.name!r}: all its maps are a single pixel ({_listed(found)}). Give it"
            " larger images (preprocess.image_size)."
        )
    fine = [layer for layer in usable if min(layer.height, layer.width) >= COARSEST]
    return (fine or usable)[-1]


def _usable(found: Sequence[MapLayer]) -> list[MapLayer]:
    return [layer for layer in found if layer.height * layer.width > 1]


def grad_cam(
    model: Any,
    images: npt.ArrayLike,
    classes: npt.ArrayLike | None = None,
    layer: str | None = None,
    batch_size: int = 32,
) -> Maps:
    """How much each place speaks for a class: (num_images, height, width) in 0..1, 1 the strongest.

    The sizes are those of the layer's maps (see `upscaled`). An image in which nothing speaks for
    the class has a map of zeros. In an ensemble, maps of the same layer are averaged over members.

    Where the model has a layer "logits", the score that is explained is the class' logit above the
    mean of all logits. Not the probability: where the model is sure, that hardly moves (its
    gradient is p(1 - p)). Not the bare logit: softmax leaves open what all logits have in common,
    and on small nets that end in Flatten this arbitrary part turned most maps to zero.

    Args:
        images: (num_images, height, width, channels), as the model takes them.
        classes: a class number for each image; the predicted ones by default.
        layer: the name of one of `layers`; `default_layer` by default.

    Raises:
        ExplainError: the model has no layer of that name, or its maps are a single pixel.
    """
    pictures = np.asarray(images)
    chosen = _checked(model, layer, pictures.shape[1:])
    given = None if classes is None else np.asarray(classes, dtype=np.int64)
    if not len(pictures):
        return np.zeros((0, chosen.height, chosen.width), dtype=np.float32)
    parts = []
    for start in range(0, len(pictures), batch_size):
        rows = slice(start, start + batch_size)
        wanted = None if given is None else given[rows]
        parts.append(_maps(model, pictures[rows], wanted, chosen.name))
    return np.concatenate(parts)


def upscaled(maps: npt.ArrayLike, height: int, width: int) -> Maps:
    """`maps` (num_images, h, w) enlarged to (num_images, height, width), bilinear, still 0..1."""
    small = np.asarray(maps, dtype=np.float32)
    rows, columns = _weights(small.shape[1], height), _weights(small.shape[2], width)
    large = np.einsum("yh,nhw,xw->nyx", rows, small, columns)
    return np.asarray(np.clip(large, 0, 1), dtype=np.float32)


def _weights(short: int, long: int) -> npt.NDArray[np.float64]:
    """Row i says of which of `short` pixels the i-th of `long` is made; pixel centres at .5."""
    place = np.clip((np.arange(long) + 0.5) * short / long - 0.5, 0, short - 1)
    left = np.minimum(place.astype(int), max(short - 2, 0))
    weights = np.zeros((long, short))
    weights[np.arange(long), left] = 1 - (place - left)
    weights[np.arange(long), np.minimum(left + 1, short - 1)] += place - left
    return weights


def _checked(model: Any, name: str | None, image_shape: tuple[int, ...]) -> MapLayer:
    listed = _map_layers(model, image_shape)
    default, usable = _default(model, listed), _usable(listed)
    if name is None:
        return default
    found = {layer.name: layer for layer in listed}
    if name not in found:
        raise ExplainError(
            f"model {model.name!r} has no layer {name!r} with maps. Choose among {_listed(usable)}."
        )
    if found[name] not in usable:
        raise ExplainError(
            f"layer {name!r} of {model.name!r} has maps of a single pixel: there is no place in"
            f" them to show. Choose among {_listed(usable)}."
        )
    return found[name]


def _listed(found: Sequence[MapLayer]) -> str:
    """The last eight by name and size; a deep model has hundreds."""
    more = "..., " if len(found) > 8 else ""
    return more + ", ".join(str(layer) for layer in found[-8:])


def _map_layers(model: Any, image_shape: tuple[int, ...] | None) -> list[MapLayer]:
    """Every layer with a grid of features, single pixels included, in the order of the pass."""
    import tensorflow as tf

    candidates = [layer for layer in models.every_layer(model) if type(layer).__name__ in FEATURES]
    if not any(type(layer).__name__ in CONVOLUTIONS for layer in candidates):
        return []
    shape = image_shape or tuple(model.inputs[0].shape[1:])
    blank = tf.zeros((1, *shape), dtype=_input_type(model))
    with _listening(candidates) as heard:
        model(blank, training=False)
    kinds = [type(layer).__name__ in CONVOLUTIONS for layer, _ in heard]
    after = heard[kinds.index(True) :] if True in kinds else []
    found = {
        layer.name: MapLayer(layer.name, int(output.shape[1]), int(output.shape[2]))
        for layer, output in after
        if len(output.shape) == 4
    }
    return list(found.values())


def _input_type(model: Any) -> str:
    inputs = getattr(model, "inputs", None)
    return str(inputs[0].dtype) if inputs else "float32"


@contextmanager
def _listening(chosen: Sequence[Any], tape: Any = None) -> Iterator[list[tuple[Any, Any]]]:
    """While inside, each output of the chosen layers is noted, and watched by `tape` if given.

    A pass through the model fills the list; that works for every kind of model.
    """
    heard: list[tuple[Any, Any]] = []
    with models.other_calls({one: _noting(one, one.call, heard, tape) for one in chosen}):
        yield heard


def _noting(layer: Any, original: Any, heard: list[tuple[Any, Any]], tape: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        output = original(*args, **kwargs)
        if tape is not None:
            tape.watch(output)
        heard.append((layer, output))
        return output

    return call


def _maps(
    model: Any, images: npt.NDArray[Any], classes: npt.NDArray[np.int64] | None, name: str
) -> Maps:
    import tensorflow as tf

    explained = [layer for layer in models.every_layer(model) if layer.name == name]
    logits = [layer for layer in model.layers if layer.name == LOGITS]
    with tf.GradientTape() as tape:
        with _listening([*explained, *logits], tape) as heard:
            scores = model(tf.cast(images, _input_type(model)), training=False)
        predicted = tf.argmax(scores, axis=-1)
        wanted = predicted if classes is None else tf.constant(classes)
        for layer, output in heard:
            if layer in logits:
                scores = output - tf.reduce_mean(output, axis=-1, keepdims=True)
        score = tf.gather(scores, wanted, batch_dims=1)
    features = [output for layer, output in heard if layer in explained]
    gradients = tape.gradient(score, features)
    pairs = zip(features, gradients, strict=True)
    maps = [_map(feature, gradient) for feature, gradient in pairs if gradient is not None]
    return np.asarray(np.mean(maps, axis=0), dtype=np.float32)


def _map(features: Any, gradient: Any) -> Any:
    """One map an image: features weighted by their mean gradient, what speaks against cut off."""
    import tensorflow as tf

    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    spoken = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))
    highest = tf.reduce_max(spoken, axis=(1, 2), keepdims=True)
    return tf.math.divide_no_nan(spoken, highest).numpy()
