"""Random changes to a batch of training images, by name, inside the compiled epoch.

All are Keras' own layers. A Keras layer draws from a counter it keeps, so that its output depends
on how often it was called before. Here each draws from the seed handed in instead: same seed, same
output, in whatever process and order.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from overfit_atlas.errors import AtlasError

NAMES = (
    "flip",
    "shift",
    "rotate",
    "zoom",
    "cutout",
    "random_colour",
    "randaugment",
    "mixup",
    "cutmix",
    "random_erasing",
)
MIXING = ("mixup", "cutmix")

SHIFT = 0.1  # of the side, each way
ROTATION = 0.05  # of a full turn, each way: 18 degrees
ZOOM = 0.15  # in or out
CUTOUT_SIDE = 0.25  # of the image's side; the square is black
COLOUR = 0.2  # of brightness and contrast, each way
SATURATION = 0.1  # each way
HUE = 0.1
MIXUP_ALPHA = 0.2  # Zhang et al. 2018
CUTMIX_ALPHA = 1.0  # Yun et al. 2019
ERASED = (0.02, 0.33)  # of the area, noise in its place, in half of all images (Zhong et al. 2020)
RANDAUGMENT_OPERATIONS = 2  # Cubuk et al. 2020
RANDAUGMENT_STRENGTH = 0.2
RANDAUGMENT_ROTATION = 1 / 12  # of a full turn: 30 degrees
RANDAUGMENT_BITS = 4
CHANGED_AT_ONCE, SALTS = 500, 10_000  # images; batches that have seeds of their own
MOST_DRAWS = 16  # more than any one layer makes

Augment = Callable[[Any, Any, Any], tuple[Any, Any]]
Operation = Callable[[Any, Any], tuple[Any, Any]]


class AugmentationError(AtlasError):
    """An unknown augmentation, or one given twice."""


def check(names: Sequence[str]) -> None:
    """Raises AugmentationError for a name that is not in `NAMES`, or that stands there twice."""
    for name in names:
        if name not in NAMES:
            raise AugmentationError(
                f"train.augmentation: unknown {name!r}; choose among {', '.join(NAMES)}."
            )
    if len(set(names)) < len(names):
        raise AugmentationError(f"train.augmentation: a name stands twice in {list(names)}.")


def augment(
    names: Sequence[str],
    image_shape: tuple[int, int, int],
    class_chances: np.ndarray | None = None,
    strength: float = 1.0,
) -> Augment:
    """A function `(images, labels, seed) -> (images, labels)` that applies `names` in their order.

    Images are float32 `(batch, height, width, channels)` from 0 to 255, and come back as whole
    numbers in that range, so that a cast to `uint8` loses nothing. Labels are one-hot float32
    `(batch, classes)`; MixUp and CutMix mix them. The seed is a scalar int32 tensor.

    Args:
        names: some of `NAMES`.
        image_shape: height, width, channels.
        class_chances: with which chance an image of each class is changed at all, `(classes,)`;
            None for always. See `chances_by_rarity`.
        strength: factor on all ranges above, more than 0 and at most 3.

    Raises:
        AugmentationError: an unknown name, or chances by class together with MixUp or CutMix.
    """
    check(names)
    mixing = [name for name in names if name in MIXING]
    if class_chances is not None and mixing:
        raise AugmentationError(
            "train.balance 'augmentation' changes images by class, and cannot go with"
            f" {' and '.join(mixing)}, which mix classes: take them out of train.augmentation."
        )
    draws = _draws()
    operations = [_operation(name, image_shape[2], draws, strength) for name in names]

    def augmented(images: Any, labels: Any, seed: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        draws.start(seed)
        before = images
        for operation in operations:
            images, labels = operation(images, labels)
        images = tf.round(tf.clip_by_value(images, 0.0, 255.0))
        if class_chances is not None:
            images = _by_chance(before, images, labels, class_chances, draws.next())
        return images, labels

    return augmented


def changed(images: np.ndarray, names: Sequence[str], seed: int) -> np.ndarray:
    """`uint8` images `(num_images, height, width, channels)`, each changed at random once.

    Args:
        names: of changes that mix no images.
        seed: equal seeds give equal images.
    """
    from pipeline import quiet

    quiet.tensorflow()
    import tensorflow as tf

    change = augment(names, images.shape[1:])
    found = []
    for start in range(0, len(images), CHANGED_AT_ONCE):
        batch = tf.cast(np.ascontiguousarray(images[start : start + CHANGED_AT_ONCE]), tf.float32)
        salt = tf.constant(seed * SALTS + start // CHANGED_AT_ONCE)
        of_batch, _ = change(batch, tf.zeros((len(batch), 1)), salt)
        found.append(tf.cast(of_batch, tf.uint8).numpy())
    return np.concatenate(found)


def chances_by_rarity(counts: np.ndarray) -> np.ndarray:
    """How often to change an image of each class: 1 - n_class / n_largest, so the largest never.

    Rare classes, whose few images are seen again and again, are varied most.
    """
    chances: np.ndarray = 1.0 - counts / max(int(np.max(counts)), 1)
    return chances.astype(np.float32)


def _by_chance(before: Any, after: Any, labels: Any, chances: np.ndarray, seed: Any) -> Any:
    import tensorflow as tf

    chance = tf.linalg.matvec(labels, tf.constant(chances, tf.float32))
    drawn = tf.random.stateless_uniform(tf.shape(chance), seed)
    return tf.where((drawn < chance)[:, None, None, None], after, before)


def _operation(name: str, channels: int, draws: Any, strength: float) -> Operation:
    if name == "randaugment":
        return _randaugment(channels, draws, strength)
    layer = _adopted(_layer(name, channels, strength), draws)
    if name in MIXING:
        return lambda images, labels: _mixed(layer, images, labels)
    return lambda images, labels: (layer(images, training=True), labels)


def _mixed(layer: Any, images: Any, labels: Any) -> tuple[Any, Any]:
    mixed = layer({"images": images, "labels": labels}, training=True)
    return mixed["images"], mixed["labels"]


def _layer(name: str, channels: int, by: float) -> Any:
    from keras import layers

    if name == "random_colour":
        saturation = (0.5 - by * SATURATION, 0.5 + by * SATURATION)  # 0.5 leaves an image as it is
        tint = {"saturation_factor": saturation, "hue_factor": by * HUE} if channels == 3 else {}
        light = by * COLOUR
        return layers.RandomColorJitter(brightness_factor=light, contrast_factor=light, **tint)
    side, (least, most) = by * CUTOUT_SIDE, ERASED
    makers: dict[str, Callable[[], Any]] = {
        "flip": lambda: layers.RandomFlip("horizontal"),
        "shift": lambda: layers.RandomTranslation(by * SHIFT, by * SHIFT),
        "rotate": lambda: layers.RandomRotation(by * ROTATION),
        "zoom": lambda: layers.RandomZoom(by * ZOOM),
        "cutout": lambda: layers.RandomErasing(
            factor=(1.0, 1.0), scale=(side**2, side**2), fill_value=0.0
        ),
        "random_erasing": lambda: layers.RandomErasing(factor=(0.0, 1.0), scale=(least, by * most)),
        "mixup": lambda: layers.MixUp(alpha=by * MIXUP_ALPHA),
        "cutmix": lambda: layers.CutMix(factor=(by * CUTMIX_ALPHA, by * CUTMIX_ALPHA)),
    }
    return makers[name]()


def _randaugment(channels: int, draws: Any, strength: float) -> Operation:
    """Two operations a batch, drawn anew for each, applied to its images at strengths of their own.

    Keras' own RandAugment computes every operation each time and throws all but one away.
    """
    import tensorflow as tf

    choices = [_adopted(layer, draws) for layer in _randaugment_layers(channels, strength)]

    def operation(images: Any, labels: Any) -> tuple[Any, Any]:
        for _ in range(RANDAUGMENT_OPERATIONS):
            index = tf.random.stateless_uniform((), draws.next(), 0, len(choices), tf.int32)
            first = draws.count
            branches = [_branch(layer, images, draws, first) for layer in choices]
            images = tf.switch_case(index, branches)
            draws.count = first + MOST_DRAWS
        return images, labels

    return operation


def _branch(layer: Any, images: Any, draws: Any, first: int) -> Callable[[], Any]:
    """One choice; all draw the same seeds, for in a graph all are traced, and eagerly only one."""
    import tensorflow as tf

    def branch() -> Any:
        draws.count = first
        return tf.ensure_shape(layer(images, training=True), images.shape)

    return branch


def _randaugment_layers(channels: int, by: float) -> list[Any]:
    from keras import layers

    strength = by * RANDAUGMENT_STRENGTH
    found = [
        layers.AutoContrast(),
        layers.Equalization(),
        layers.RandomRotation(by * RANDAUGMENT_ROTATION),
        layers.RandomShear(strength, strength),
        layers.RandomTranslation(strength, strength),
        layers.RandomBrightness(strength),
        layers.RandomContrast(strength),
        layers.RandomSharpness(strength),
        layers.RandomPosterization(RANDAUGMENT_BITS),
        layers.Solarization(addition_factor=strength, threshold_factor=strength),
    ]
    return [*found, layers.RandomColorDegeneration(strength)] if channels == 3 else found


def _adopted(layer: Any, draws: Any) -> Any:
    """`layer`, drawing from `draws`, and its inner layers too."""
    for inner in layer._flatten_layers():
        if hasattr(inner, "generator"):
            inner.generator = draws
    return layer


def _draws() -> Any:
    """A Keras seed generator without a state: the seeds (s, 1), (s, 2), ... of a given s."""
    import tensorflow as tf
    from keras.random import SeedGenerator

    class Draws(SeedGenerator):  # type: ignore[misc]
        def start(self, seed: Any) -> None:
            self._seed = tf.cast(seed, tf.int32)
            self.count = 0

        def next(self, ordered: bool = True) -> Any:
            self.count += 1
            return tf.stack([self._seed, self.count])

    return Draws(seed=0)
