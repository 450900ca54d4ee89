"""Probabilities from a Keras model, in large batches of `uint8` images, with one compilation."""

from collections.abc import Iterator, Sequence
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


def of_seeds(
    paths: Sequence[Path], images: Sequence[np.ndarray], batch: int = BATCH
) -> list[np.ndarray]:
    """For each array of images the probabilities `(num_models, num_images, num_classes)`.

    Args:
        paths: `.keras` files of one architecture; it is compiled once and only the weights change.
        images: arrays `(num_images, height, width, channels)` of `uint8`.
        batch: images at once; more is faster until the caches are full.
    """
    model = load(paths[0])
    call = compiled(model)
    found: list[list[np.ndarray]] = [[] for _ in images]
    for path in paths:
        if path != paths[0]:
            model.load_weights(path)
        for position, array in enumerate(images):
            found[position].append(run(call, array, batch))
    return [np.stack(seeds) for seeds in found]


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
