"""Probabilities from a Keras model, in large batches of `uint8` images, with one compilation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import quiet
from pipeline.data import prepared
from pipeline.models import backbone

BATCH = 500


def load(path: Path) -> Any:
    """The Keras model in a `.keras` file; code hidden in the file is refused, not run."""
    quiet.tensorflow()
    return backbone.read(path)


@dataclass(frozen=True)
class Predicted:
    """What models, one a seed, say of some images.

    Attributes:
        logits: raw `(num_models, num_images, num_classes)` float32.
        temperatures: what each delivered model divides its logits by `(num_models,)`.
    """

    logits: np.ndarray
    temperatures: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Of the delivered models, their temperature in them, float32."""
        from overfit_atlas.scoring.scores import softmax

        divided = self.logits / self.temperatures[:, None, None].astype(np.float32)
        return np.asarray(softmax(divided))


def of_seeds(
    paths: Sequence[Path], images: Sequence[np.ndarray], batch: int = BATCH
) -> list[Predicted]:
    """For each array of images what the models say of it.

    What all models share, such as a frozen backbone, sees each image once.

    Args:
        paths: `.keras` files of one architecture; it is compiled once and only the weights change.
        images: arrays `(num_images, height, width, channels)` of `uint8`.
        batch: images at once; more is faster until the caches are full.
    """
    from pipeline.models.layers import LOGITS
    from pipeline.models.temperature import temperature_of

    model = load(paths[0])
    weights = _weights(model, paths)
    first_own = next((place for place, its in enumerate(weights) if len(its) > 1), 0)
    *shared, last = map(compiled, _cut(model, model.get_layer(LOGITS).output, first_own))
    for call in shared:
        images = [run(call, array, batch) for array in images]
    found: list[list[np.ndarray]] = [[] for _ in images]
    temperatures = []
    for number in range(len(paths)):
        for layer, its in zip(model.layers, weights, strict=True):
            if len(its) > 1:
                layer.set_weights(its[number])
        temperatures.append(temperature_of(model))
        for position, array in enumerate(images):
            found[position].append(run(last, array, batch))
    return [Predicted(np.stack(seeds), np.array(temperatures)) for seeds in found]


def of_splits(paths: Sequence[Path], folder: Path, names: Sequence[str]) -> dict[str, Predicted]:
    """`of_seeds` for the splits `names` of the prepared images in `folder`."""
    data = prepared.read(folder)
    made = of_seeds(paths, [data.split(name).images for name in names])
    return dict(zip(names, made, strict=True))


def _weights(model: Any, paths: Sequence[Path]) -> list[list[list[np.ndarray]]]:
    """For each layer its weights in every file, or once, where they are the same in all."""
    files = [[layer.get_weights() for layer in model.layers]]
    for path in paths[1:]:
        model.load_weights(path)
        files.append([layer.get_weights() for layer in model.layers])
    return [
        list(its) if any(not all(map(np.array_equal, one, its[0])) for one in its) else [its[0]]
        for its in zip(*files, strict=True)
    ]


def _cut(model: Any, output: Any, place: int) -> list[Any]:
    """`model` up to `output`, cut before the layer at `place`, if there is something to share.

    There is where layers before it have weights, and no path leads around it.
    """
    import keras

    if any(layer.weights for layer in model.layers[:place]):
        cut = model.layers[place].input
        try:
            return [keras.Model(model.input, cut), keras.Model(cut, output)]
        except ValueError:  # another path leads around it
            pass
    return [keras.Model(model.input, output)]


def compiled(model: Any) -> Any:
    """`model` in inference mode as one graph for batches of any size."""
    import tensorflow as tf

    from pipeline import tiny_images

    def call(images: Any) -> Any:
        with tiny_images.rewritten(model):
            return model(images, training=False)

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)]
    return tf.function(call, input_signature=signature, autograph=False)


def run(call: Any, images: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """Probabilities `(num_images, num_classes)` from a `compiled` model."""
    return np.concatenate(list(_batches(call, images, batch)))


def _batches(call: Any, images: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    for start in range(0, len(images), batch):
        yield call(np.ascontiguousarray(images[start : start + batch])).numpy()
