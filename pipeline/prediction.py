"""Probabilities from a Keras model, in large batches of `uint8` images, with one compilation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import quiet
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

    Args:
        paths: `.keras` files of one architecture; it is compiled once and only the weights change.
        images: arrays `(num_images, height, width, channels)` of `uint8`.
        batch: images at once; more is faster until the caches are full.
    """
    from pipeline.models.temperature import temperature_of

    model = load(paths[0])
    call = compiled(_without_softmax(model))
    found: list[list[np.ndarray]] = [[] for _ in images]
    temperatures = []
    for path in paths:
        if path != paths[0]:
            model.load_weights(path)
        temperatures.append(temperature_of(model))
        for position, array in enumerate(images):
            found[position].append(run(call, array, batch))
    return [Predicted(np.stack(seeds), np.array(temperatures)) for seeds in found]


def _without_softmax(model: Any) -> Any:
    import keras

    from pipeline.models.layers import LOGITS

    return keras.Model(model.input, model.get_layer(LOGITS).output)


def compiled(model: Any) -> Any:
    """`model` in inference mode as one graph for batches of any size."""
    import tensorflow as tf

    from pipeline import tiny_images

    def call(images: Any) -> Any:
        with tiny_images.rewritten(model):
            return model(images, training=False)

    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)]
    return tf.function(call, input_signature=signature, autograph=False)


def run(call: Any, images: np.ndarray, batch: int = BATCH) -> np.ndarray:
    """Probabilities `(num_images, num_classes)` from a `compiled` model."""
    return np.concatenate(list(_batches(call, images, batch)))


def _batches(call: Any, images: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    for start in range(0, len(images), batch):
        yield call(np.ascontiguousarray(images[start : start + batch])).numpy()
