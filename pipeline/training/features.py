"""Features in the place of images: where a backbone is frozen, each image passes it only once.

What the backbone makes of an image is the same in every epoch, seed and trial, so it is computed
once, in inference mode, and kept in float16; fits then train the head on it. Pieces of so many
images lie in a folder beside the data, named by all that decides them. Whoever needs them takes a
piece that nobody is at, so workers share the work, and what a killed one finished stays. The
folder may be deleted at any time; it is made anew.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from filelock import FileLock, Timeout
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from pipeline import models
from pipeline.data import prepared
from pipeline.data.prepared import Manifest, Prepared, Split
from pipeline.files import replacing
from pipeline.models.layers import HEAD, LOGITS
from pipeline.training import augmentation, export, schedules
from pipeline.training.checkpoints import State
from pipeline.training.program import Resident
from pipeline.training.task import Computed, FitResult, FitTask, code_hash

PIECE = 256  # images
BATCH = 64
CLEAN = "clean"

Told = Callable[[Computed], None]
Compute = Callable[[np.ndarray, int | None], np.ndarray]


def key(task: FitTask) -> str:
    """A hash of all that decides the features of the task's images, augmentation apart."""
    data_hash = prepared.read_manifest(task.data).content_hash
    text = f"{data_hash} {task.model} {models.origin(task.model, task.section)} {code_hash()}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def passes(task: FitTask) -> tuple[str, int]:
    """The augmentation of the task, and how many versions of every image are kept of it."""
    names, strength = "+".join(task.train.augmentation), task.train.augmentation_strength
    count: int = task.section.augmented_passes if names else 0  # type: ignore[attr-defined]
    return (names if strength == 1 else f"{names} x{strength:g}"), count


def resident(task: FitTask, varied: Prepared, told: Told | None = None) -> Resident:
    """`varied`, the data of `task`, with features for images; what is missing is computed first.

    With augmentation there are `augmented_passes` versions of every training image, one an epoch
    in turn. Clean scores are those of the images as they are.
    """
    whole = prepared.read(task.data)
    folder = task.data.with_name(f"{task.data.name}.features") / key(task)
    # Where folds turn, images of either part are trained on.
    trained_on = [whole.train, whole.val] if task.vary.fold else [whole.train]
    kinds: list[tuple[list[Split], int | None]] = [([whole.train, whole.val], None)]
    kinds += [(trained_on, number) for number in range(passes(task)[1])]
    pieces = [
        [piece for split in splits for piece in _pieces(task, folder, split, number)]
        for splits, number in kinds
    ]
    extractor = _Extractor(task, whole.manifest.image_shape)
    flat = sorted(
        (piece for kind in pieces for piece in kind), key=lambda one: one.split.name != "val"
    )
    _complete(flat, extractor, told, task.model)
    clean, *augmented = (np.concatenate([_load(piece) for piece in kind]) for kind in pieces)
    ids = np.concatenate([whole.train.ids, whole.val.ids])
    return _of(varied, ids, clean, augmented or [clean])


def delivered(task: FitTask, result: FitResult, manifest: Manifest) -> FitResult:
    """`result` of the head alone, as that of the whole network: its size, and its models."""
    shape, num_classes = manifest.image_shape, manifest.num_classes
    size = models.num_parameters(task.model, task.section, shape, num_classes)
    result = replace(result, num_parameters=size)
    if result.best is None or result.last is None:
        return result
    whole = models.build(task.model, task.section, shape, num_classes, task.seed)
    last = float(result.history.series("val", "temperature")[-1])
    return replace(
        result,
        best=_joined(whole, result.best, result.temperature),
        last=_joined(whole, result.last, last),
    )


def burnt_in(task: FitTask, state: State, head: list[np.ndarray], manifest: Manifest) -> State:
    """`state` of the head alone, with the weights `head`, as that of the whole network.

    It has no variables of an optimizer: the whole network's begins anew.
    """
    shape, num_classes = manifest.image_shape, manifest.num_classes
    whole = models.build(task.model, task.section, shape, num_classes, task.seed)

    def joined(weights: list[np.ndarray]) -> list[np.ndarray]:
        for layer in _head(whole):
            count = len(layer.weights)
            layer.set_weights(weights[:count])
            weights = weights[count:]
        return whole.get_weights()  # type: ignore[no-any-return]

    for row in state.rows:
        if row["split"] == "running":
            row |= schedules.phase(task.train.schedule, task.train.epochs, row["epoch"])
    return replace(state, best=joined(state.best), variables=joined(head), slots=[])


@dataclass(frozen=True)
class _Piece:
    """Some images of one split, and the file that holds or will hold their features.

    Attributes:
        number: of the augmented pass; None for the images as they are.
    """

    split: Split
    number: int | None
    start: int
    path: Path

    @property
    def images(self) -> np.ndarray:
        return np.asarray(self.split.images[self.start : self.start + PIECE])

    @property
    def size(self) -> int:
        return min(PIECE, len(self.split) - self.start)


def _pieces(task: FitTask, folder: Path, split: Split, number: int | None) -> Iterator[_Piece]:
    kind = CLEAN if number is None else f"{passes(task)[0]}-{number}"
    for start in range(0, len(split), PIECE):
        yield _Piece(split, number, start, folder / f"{split.name}-{kind}-{start:08d}.npy")


def _complete(pieces: list[_Piece], compute: Compute, told: Told | None, model: str) -> None:
    """Compute what is missing, others' pieces being left to them as long as they live."""
    total = sum(piece.size for piece in pieces)
    missing = [piece for piece in pieces if not piece.path.exists()]
    for wait in (False, True):
        for piece in missing:
            if _filled(piece, compute, wait) and told:
                done = sum(one.size for one in pieces if one.path.exists())
                told(Computed(model, done, total))


def _filled(piece: _Piece, compute: Compute, wait: bool) -> bool:
    """Whether this process computed the piece; no, where it is there or another one is at it."""
    if piece.path.exists():
        return False
    piece.path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{piece.path}.lock", timeout=-1 if wait else 0)
    try:
        with lock:
            if piece.path.exists():
                return False
            found = compute(piece.images, None if piece.number is None else _salt(piece))
            with replacing(piece.path) as temporary, temporary.open("wb") as file:
                np.save(file, found.astype(np.float16), allow_pickle=False)
    except Timeout:
        return False
    Path(lock.lock_file).unlink(missing_ok=True)
    return True


def _salt(piece: _Piece) -> int:
    """What seeds the piece's augmentation: the same in every process and order."""
    digest = hashlib.sha256(f"{piece.number} {piece.start}".encode()).digest()
    return int.from_bytes(digest[:4], "little") >> 2


def _load(piece: _Piece) -> np.ndarray:
    features: np.ndarray = np.load(piece.path, allow_pickle=False)
    return features


class _Extractor:
    """The backbone as one graph with its weights as constants, so that batch norms are folded.

    Built when the first piece is computed: where all are there, it costs nothing.
    """

    def __init__(self, task: FitTask, shape: tuple[int, int, int]) -> None:
        self._task = task
        self._shape = shape
        self._graph: Any = None
        train = task.train
        self._augment = augmentation.augment(
            train.augmentation, shape, strength=train.augmentation_strength
        )

    def __call__(self, images: np.ndarray, salt: int | None) -> np.ndarray:
        """Features `(num_images, num_features)`; augmented images' where there is a salt."""
        if self._graph is None:
            self._graph = self._frozen()
        batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        if salt is not None:
            batches = [self._augmented(batch, salt + i) for i, batch in enumerate(batches)]
        return np.concatenate([self._graph(tf.constant(batch))[0].numpy() for batch in batches])

    def _augmented(self, images: np.ndarray, salt: int) -> Any:
        labels = tf.zeros((len(images), 1))  # nothing that changes labels gets here
        changed, _ = self._augment(tf.cast(images, tf.float32), labels, tf.constant(salt))
        return tf.cast(changed, tf.uint8)

    def _frozen(self) -> Any:
        network = models.extractor(self._task.model, self._task.section, self._shape)
        signature = [tf.TensorSpec((None, *self._shape), tf.uint8)]
        call = tf.function(
            lambda images: network(images, training=False),
            input_signature=signature,
            autograph=False,
        )
        return convert_variables_to_constants_v2(call.get_concrete_function())


def _of(
    varied: Prepared, ids: np.ndarray, clean: np.ndarray, versions: list[np.ndarray]
) -> Resident:
    """The features of `varied`, found by the ids of its images among `ids`, those of `clean`.

    Args:
        versions: rows like those of `clean`, as far as images are trained on.
    """
    position = {int(one): row for row, one in enumerate(ids)}

    def of(split: Split) -> np.ndarray:
        return np.array([position[int(one)] for one in split.ids])

    rows = of(varied.train)
    data = replace(
        varied,
        train=replace(varied.train, images=clean[rows]),
        val=replace(varied.val, images=clean[of(varied.val)]),
        probe=replace(varied.probe, images=clean[of(varied.probe)]),
    )
    return replace(
        Resident.of(data),
        images=tf.convert_to_tensor(np.concatenate([features[rows] for features in versions])),
        labels=tf.convert_to_tensor(np.tile(varied.train.labels, len(versions))),
        num_passes=len(versions),
    )


def _head(whole: Any) -> list[Any]:
    """The layers behind the backbone that have weights, in their order."""
    return [layer for layer in whole.layers if layer.name in (HEAD, LOGITS)]


def _joined(whole: Any, head: bytes, temperature: float) -> bytes:
    """The `.keras` file of `whole` with the weights of the head in the file `head`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head.keras"
        path.write_bytes(head)
        trained = keras.models.load_model(path, compile=False, safe_mode=True)
    for layer in _head(whole):
        layer.set_weights(trained.get_layer(layer.name).get_weights())
    return export.keras_bytes(export.delivered(whole, temperature))
