"""What a Keras training is given, in all the forms that `fit` takes: `held`.

Arrays are taken by index; all else (`tf.data.Dataset`, `PyDataset`, `ImageDataGenerator`, a torch
`DataLoader`, generators with steps) is read through once, and as many images as are scored are
held. The same pass looks at all images: digests for exact copies, and the mean of each channel.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from overfit_atlas.images import near_duplicates
from overfit_atlas.scoring.fits import InvalidFit

Array = NDArray[Any]
CHUNK = 1024
AUGMENTS = (
    "rotation_range", "width_shift_range", "height_shift_range", "shear_range",
    "brightness_range", "channel_shift_range", "horizontal_flip", "vertical_flip",
)  # fmt: skip
WAYS = (
    "give arrays, (x, y), a tf.data.Dataset, a PyDataset, a DataLoader, or a function that makes a "
    "generator"
)


@dataclass(frozen=True)
class Wanted:
    """Which images of a side are held.

    Attributes:
        size: at most so many; None: all. least: what `share` does not lessen `size` below.
        share: at most this share of the side's images.
        bytes: at most so much memory.
        steps: batches that are looked at; None: all there are.
        output: name or place of the labels, where there are several.
        seed: of the choice.
    """

    size: int | None = None
    least: int = 0
    share: float = 1.0
    bytes: int = 2**29
    steps: int | None = None
    output: str | int | None = None
    seed: int = 0

    def count(self, num_images: int, bytes_each: int) -> int:
        """How many of `num_images` are held."""
        size = num_images if self.size is None else min(self.size, num_images)
        size = min(size, max(self.least, int(self.share * num_images)))
        return max(1, min(size, self.bytes // max(bytes_each, 1)))


@dataclass
class Seen:
    """What one pass saw of all images of a side, held or not.

    Attributes:
        digests: of each image; empty for models of several inputs.
        sums: for images `(height, width, channels)` the sums over images of their channels' means,
            and of the squares of these `(2, channels)`.
    """

    digests: list[bytes] = field(default_factory=list)
    sums: NDArray[np.float64] | None = None
    num_images: int = 0

    def look(self, images: Any) -> None:
        """Look at a batch."""
        flat = keras.tree.flatten(images)
        self.num_images += len(flat[0])
        if len(flat) != 1:
            return
        array = np.asarray(flat[0])
        self.digests += near_duplicates.digests(array)
        if array.ndim == 4 and array.dtype.kind in "fiu":
            means = array.mean((1, 2), dtype=np.float64)
            found = np.stack([means.sum(0), np.square(means).sum(0)])
            self.sums = found if self.sums is None else self.sums + found

    def channels(self) -> tuple[Array, Array] | None:
        """Mean of each channel, and its spread over images; None for what is no image."""
        if self.sums is None:
            return None
        mean, square = self.sums / self.num_images
        return mean, np.sqrt(np.maximum(square - mean**2, 0))


@dataclass(frozen=True)
class Held:
    """The images of one side that are scored.

    Attributes:
        images: what the model takes, one entry an image.
        labels: as given, `(n,)` or `(n, columns)`. weights: sample weights, where given; images of
            weight 0 are left out.
        seen: what there was of all images of the side.
    """

    images: Any
    labels: Array
    weights: Array | None
    seen: Seen


def held(data: Any, wanted: Wanted) -> Held:
    """The images of a side that are to be scored, from whatever `fit` takes.

    Raises:
        InvalidFit: it is nothing that `fit` takes, has no labels, is endless without `steps`, or
            is augmented.
    """
    if isinstance(data, tuple | list) and len(data) in (2, 3):
        x, y, weights = (*data, None)[:3]
        return _of_arrays(keras.tree.map_structure(array, x), _labels(y, wanted), weights, wanted)
    _refuse_augmented(data)
    return _of_batches(_batches(data, wanted.steps), wanted)


def array(value: Any) -> Array:
    """An array of an array, a list, or a tensor of any library."""
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
    found = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    if found.dtype == object:
        raise InvalidFit(f"CleanScores: got a {type(value).__name__} of objects; {WAYS}.")
    return found


def _labels(given: Any, wanted: Wanted) -> Array:
    if given is None:
        raise InvalidFit(f"CleanScores: no labels; {WAYS} that has them.")
    chosen = given
    if isinstance(given, dict) or (isinstance(given, tuple | list) and not _is_flat(given)):
        known: dict[Any, Any] = given if isinstance(given, dict) else dict(enumerate(given))
        if wanted.output not in known:
            raise InvalidFit(
                f"CleanScores: labels of several outputs {list(known)}; say which is judged: "
                f"output={next(iter(known))!r}; got {wanted.output!r}."
            )
        chosen = known[wanted.output]
    labels = array(chosen)
    if labels.ndim not in (1, 2) or not len(labels):
        raise InvalidFit(
            f"CleanScores: labels of shape {labels.shape}; expected class numbers (n,), one-hot "
            "or several marks (n, num_classes)."
        )
    _refuse_no_classes(labels)
    return labels


def _refuse_no_classes(labels: Array) -> None:
    """Refuse labels that would be taken for other classes: text, NaN, and 0.9 (for class 0)."""
    try:
        numbers = labels.astype(np.float64)
    except (TypeError, ValueError):
        one = str(labels.flat[0])
        raise InvalidFit(
            f"CleanScores: a label is {one!r}; expected class numbers, counted from 0."
        ) from None
    odd = ~np.isfinite(numbers)
    if labels.ndim == 1 or labels.shape[1] == 1:
        odd |= numbers != np.round(numbers)
    if odd.any():
        raise InvalidFit(
            f"CleanScores: a label is {numbers[odd][0]:g}, which is no class; give the classes, "
            "unsmoothed."
        )


def _weights(given: Any, labels: Array) -> Array | None:
    """A weight an image `(n,)`."""
    if given is None:
        return None
    weights = array(given)
    if not len(weights) or weights.shape[0] != len(labels):
        raise InvalidFit(f"CleanScores: weights {weights.shape} for {len(labels)} labels.")
    found = weights.reshape(len(labels), -1).mean(1)
    if not (np.isfinite(found) & (found >= 0)).all():
        raise InvalidFit("CleanScores: a sample weight is negative or no number; mend the weights.")
    return np.asarray(found)


def _is_flat(given: Sequence[Any]) -> bool:
    return not given or np.ndim(given[0]) == 0 or isinstance(given[0], list)


def _of_arrays(x: Any, labels: Array, weights: Any, wanted: Wanted) -> Held:
    for one in keras.tree.flatten(x):
        if one.ndim < 1 or len(one) != len(labels):
            raise InvalidFit(
                f"CleanScores: inputs of shape {one.shape} for {len(labels)} labels; give arrays "
                "with one entry a label."
            )
    weights = _weights(weights, labels)
    counted = np.arange(len(labels)) if weights is None else np.flatnonzero(weights)
    if not len(counted):
        raise InvalidFit("CleanScores: no image; all sample weights are 0.")
    seen = Seen()
    for start in range(0, len(labels), CHUNK):
        seen.look(_taken(x, slice(start, start + CHUNK)))
    each = sum(one[:1].nbytes for one in keras.tree.flatten(x))
    chosen = counted[stratified(labels[counted], wanted.count(len(counted), each), wanted.seed)]
    return Held(
        _taken(x, chosen), labels[chosen], None if weights is None else weights[chosen], seen
    )


def _taken(x: Any, chosen: Any) -> Any:
    return keras.tree.map_structure(lambda one: one[chosen], x)


def stratified(labels: Array, size: int, seed: int) -> NDArray[np.int64]:
    """Indices of `size` images (all if there are fewer) with the class mix of `labels`."""
    if size >= len(labels):
        return np.arange(len(labels))
    flat = labels.reshape(len(labels), -1)
    order = np.random.default_rng(seed).permutation(len(labels))
    if flat.shape[1] == 1:
        numbers = flat[:, 0]
    elif (flat.sum(1) == 1).all():
        numbers = flat.argmax(1)
    else:  # several marks: the mix of their patterns is kept
        numbers = np.unique(flat, axis=0, return_inverse=True)[1].reshape(-1)
    by_class = order[np.argsort(numbers[order], kind="stable")]
    # Evenly spaced places in a list sorted by class take every class by its share.
    places = np.floor((np.arange(size) + 0.5) * len(labels) / size).astype(np.int64)
    return np.sort(by_class[places])


def _batches(data: Any, steps: int | None) -> Iterator[Any]:
    """The batches of a data set, as many as `steps` says."""
    if isinstance(data, keras.utils.PyDataset):
        count = steps or data.num_batches
        if count is None:
            raise _endless(data)
        return (data[place] for place in range(count))
    if callable(data) and not hasattr(data, "__iter__"):
        return _batches(data(), steps)
    if not hasattr(data, "__iter__"):
        raise InvalidFit(f"CleanScores: got a {type(data).__name__}; {WAYS}.")
    cardinality = getattr(data, "cardinality", None)
    endless = hasattr(data, "__next__") or (cardinality is not None and int(cardinality()) == -1)
    if endless and steps is None:
        raise _endless(data)
    return itertools.islice(iter(data), steps)


def _endless(data: Any) -> InvalidFit:
    return InvalidFit(
        f"CleanScores: a {type(data).__name__} may have no end; say how many batches are an epoch: "
        "train_steps=..., val_steps=...."
    )


def _refuse_augmented(data: Any) -> None:
    made = getattr(data, "image_data_generator", None)
    found = [name for name in AUGMENTS if getattr(made, name, None)]
    if made is not None and list(np.ravel(made.zoom_range)) != [1, 1]:
        found.append("zoom_range")
    if found:
        raise InvalidFit(
            f"CleanScores: this ImageDataGenerator augments ({', '.join(found)}), so its images "
            "are not those that are scored; give a second one of the same images without that."
        )


def _of_batches(batches: Iterator[Any], wanted: Wanted) -> Held:
    """A choice of the images in one pass: each is kept with the same chance (Vitter's R).

    Of those that are kept, as many as are wanted, with their class mix: the first ones kept are
    the first that came, which may all be of one class.
    """
    rng, seen = np.random.default_rng(wanted.seed), Seen()
    kept: list[tuple[Any, Array, float | None]] = []
    num_counted, limit = 0, None
    for batch in batches:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        x, labels = keras.tree.map_structure(array, x), _labels(y, wanted)
        weights = _weights(weights, labels)
        sizes = {len(one) for one in keras.tree.flatten(x)}
        if sizes != {len(labels)}:
            raise InvalidFit(f"CleanScores: a batch of {sizes} inputs has {len(labels)} labels.")
        seen.look(x)
        if limit is None:
            each = sum(one[:1].nbytes for one in keras.tree.flatten(x))
            limit = min(wanted.size or 2**62, max(1, wanted.bytes // max(each, 1)))
        for place in range(len(labels)):
            if weights is not None and not weights[place]:
                continue
            num_counted += 1
            at = num_counted - 1 if num_counted <= limit else int(rng.integers(num_counted))
            if at < limit:
                image = keras.tree.map_structure(np.array, _taken(x, place))
                weight = None if weights is None else float(weights[place])
                kept[at : at + 1] = [(image, np.array(labels[place]), weight)]
    if not kept:
        raise InvalidFit("CleanScores: no image; the data set is empty, or was read to its end.")
    kept_labels = np.stack([one for _, one, _ in kept])
    chosen = stratified(kept_labels, wanted.count(num_counted, 0), wanted.seed)
    return _stacked([kept[place] for place in chosen], seen)


def _stacked(kept: Sequence[tuple[Any, Array, Any]], seen: Seen) -> Held:
    join: Callable[..., Array] = lambda *all_of_it: np.stack(all_of_it)  # noqa: E731
    images = keras.tree.map_structure(join, *(one for one, _, _ in kept))
    weights = None if kept[0][2] is None else np.array([float(one) for _, _, one in kept])
    return Held(images, np.stack([one for _, one, _ in kept]), weights, seen)


def share_of_copies(train: Seen, val: Seen) -> float:
    """The share of validation inputs that are, byte for byte, inputs of train; 0..1."""
    if not train.digests or not val.digests:
        return 0.0
    known = set(train.digests)
    return sum(one in known for one in val.digests) / len(val.digests)


def shifted_channel(train: Seen, val: Seen) -> tuple[float, float] | None:
    """Mean of the channel that differs most between train and val, where that is no chance.

    None where all differ by less than half of the spread between images, or five standard errors.
    """
    one, other = train.channels(), val.channels()
    if one is None or other is None or one[0].shape != other[0].shape:
        return None
    (mean, spread), (val_mean, val_spread) = one, other
    error = np.hypot(spread / train.num_images**0.5, val_spread / val.num_images**0.5)
    least = np.maximum(5 * error, np.maximum(spread, val_spread) / 2)
    excess = np.abs(mean - val_mean) - least
    worst = int(excess.argmax())
    return (float(mean[worst]), float(val_mean[worst])) if excess[worst] > 0 else None
