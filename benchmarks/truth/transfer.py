"""Settings unlike those that rules are tuned on, and their images: the part "transfer".

Five families in turn, by number: small CNNs on colour images, heads on features of a frozen
network, two classes, a hundred classes, and classes of which the largest has ten times the images
of the smallest. Nothing is ever tuned on them.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth import images
from benchmarks.truth.images import Images
from benchmarks.truth.settings import FAMILIES, Kind, Setting, log_uniform
from pipeline import quiet

VEHICLES = (0, 1, 8, 9)
"""Classes of CIFAR-10 that are no animals."""
RATIO = 10
SIDE, POOLED, KERNEL = 32, 2, 3
"""Images of CIFAR are made smaller by means over squares; a CNN sees each square of 3 by 3."""
NUM_FEATURES, RESOLUTION, BATCH = 256, 64, 128
NUM_TRUTH = 3500
TRAIN: dict[Kind, tuple[int, int]] = {
    "cnn": (300, 1000),
    "features": (200, 1000),
    "two classes": (300, 1200),
    "hundred classes": (1000, 2500),
    "imbalance": (300, 1500),
}
EPOCHS = {"cnn": (12, 25)}


def setting(number: int) -> Setting:
    """The setting of that number."""
    family = FAMILIES[number % len(FAMILIES)]
    generator = np.random.default_rng([2, number])
    hundred, cnn = family == "hundred classes", family == "cnn"
    low, high = EPOCHS.get(family, (15, 40))
    width = round(log_uniform(16, 160, generator))
    hidden = (width,) * int(generator.integers(1, 3))
    units = (int(generator.integers(6, 17)), width) if cnn else hidden
    noise = float(generator.choice([0.0, 0.0, 0.0, 0.1, 0.2]))
    adam = bool(generator.random() < 0.7)
    rate = log_uniform(*((1e-3, 6e-3) if adam else (1e-2, 8e-2)), generator)
    return Setting(
        part="transfer",
        number=number,
        kind=family,
        dataset={"imbalance": "fashion_mnist"}.get(family, "cifar100" if hundred else "cifar10"),
        units=units,
        activation="relu",
        dropout=0.0 if generator.random() < 0.6 else round(float(generator.uniform(0.1, 0.6)), 3),
        optimizer="adam" if adam else "sgd",
        learning_rate=rate,
        momentum=0.0 if adam else 0.9,
        l2=0.0,
        label_noise=noise,
        num_train=round(log_uniform(*TRAIN[family], generator)),
        num_val=int(generator.choice([400, 600, 1000] if hundred else [150, 250, 400, 600])),
        epochs=int(generator.integers(low, high + 1)),
        pooling=1,
        num_truth=6000 if hundred or family == "imbalance" else NUM_TRUTH,
    )


@lru_cache(maxsize=2)
def images_of(family: Kind, source: Path) -> Images:
    """The images of a family, as its nets take them.

    Args:
        source: a folder with `cifar10.npz` and `cifar100.npz` in Keras' convention, and the
            catalog's archives of Fashion-MNIST.

    Raises:
        DataError: they cannot be had.
    """
    if family == "imbalance":
        return _imbalanced(images.read("fashion_mnist", source))
    name = "cifar100" if family == "hundred classes" else "cifar10"
    whole = images.read(name, source / f"{name}.npz")
    colours = whole.pixels.reshape(-1, SIDE, SIDE, 3)
    if family in ("features", "hundred classes"):
        return Images(_features(colours), whole.labels, whole.num_train_part)
    small = _smaller(colours)
    if family == "cnn":
        return Images(_patches(small), whole.labels, whole.num_train_part)
    labels = np.isin(whole.labels, VEHICLES).astype(np.int64)
    return Images(small.reshape(len(small), -1), labels, whole.num_train_part, even=False)


def _smaller(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means over squares of `POOLED` pixels a side, as whole numbers."""
    side = SIDE // POOLED
    squares = colours.reshape(-1, side, POOLED, side, POOLED, 3)
    return np.asarray(squares.mean((2, 4)).round().astype(np.uint8))


def _patches(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every square of `KERNEL` by `KERNEL` of each image, one after the other (num_images, ...)."""
    found = np.lib.stride_tricks.sliding_window_view(pixels, (KERNEL, KERNEL), axis=(1, 2))
    # (num_images, rows, columns, channels, 3, 3): as Keras' kernels, channels last.
    return np.ascontiguousarray(found.transpose(0, 1, 2, 4, 5, 3)).reshape(len(pixels), -1)


def _imbalanced(whole: Images) -> Images:
    """Classes of which the first has `RATIO` times the images of the last, falling evenly."""
    num_classes, kept = whole.num_classes, np.zeros(len(whole.labels), dtype=bool)
    in_train = np.arange(len(kept)) < whole.num_train_part
    for label in range(num_classes):
        for side in (in_train, ~in_train):
            own = np.flatnonzero((whole.labels == label) & side)
            kept[own[: round(len(own) * RATIO ** (-label / (num_classes - 1)))]] = True
    pixels = whole.pixels[kept].reshape(-1, 14, 2, 14, 2).mean((2, 4)).round().astype(np.uint8)
    num_train_part = int(kept[: whole.num_train_part].sum())
    return Images(pixels.reshape(-1, 196), whole.labels[kept], num_train_part, even=False)


def _features(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Features of EfficientNet-Lite0 with ImageNet's weights, in 256 steps (num_images, 256).

    Every fifth of its 1,280 features, from images made larger to `RESOLUTION` pixels a side.
    """
    quiet.tensorflow(threads=1)
    import keras

    from pipeline.models.pretrained import lite

    network = lite.network("Lite0", (RESOLUTION, RESOLUTION, 3))
    lite.load(network, lite.imagenet("Lite0"))
    larger = keras.layers.Resizing(RESOLUTION, RESOLUTION)
    found = [
        np.asarray(network(larger(colours[start : start + BATCH].astype(np.float32))))
        for start in range(0, len(colours), BATCH)
    ]
    values = np.concatenate(found)[:, :: lite.TOP // NUM_FEATURES]
    return np.asarray(np.clip(values / values.max() * 2 * 255, 0, 255).round().astype(np.uint8))
