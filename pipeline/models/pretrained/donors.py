"""Files from which a backbone takes its weights: looked into before any work, and read.

They are `.keras` and `.weights.h5` files of this project, from any data set and number of classes,
of which only the backbone counts; or `.h5` files of the old format, which are taken for the
published ImageNet ones.
"""

from __future__ import annotations

import io
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.models import backbone as backbones
from pipeline.models.layers import ModelError

if TYPE_CHECKING:
    import keras

IMAGENET_STD = (0.229, 0.224, 0.225)
WEIGHTS_IN_MODEL = "model.weights.h5"  # the member of a `.keras` archive
NOT_COUNTED = ("seed_generator", "optimizer", "top_level_model_weights")
UNREADABLE = (ValueError, OSError, KeyError, TypeError, UserWarning, zipfile.BadZipFile)


def check(path: Path, variant: str, num_parameters: int) -> None:
    """Raises ModelError where `path` cannot be the weights of a backbone of so many parameters.

    It needs no TensorFlow and reads no weight: names and shapes say it.
    """
    try:
        with _stored(path) as stored:
            found = sum(size for name, size in _sizes(stored))
    except UNREADABLE as error:
        raise _refused(path, error) from None
    if found != num_parameters:
        raise _refused(
            path, f"its backbone has {found:,} weights, that of {variant} {num_parameters:,}"
        )


def load(backbone: keras.Model, path: Path) -> None:
    """Give `backbone` the weights in `path`.

    Raises:
        ModelError: the file is unreadable, or of another network.
    """
    try:
        if path.suffix == ".keras":
            _copy_from_model(backbone, path)
        elif path.name.endswith(".weights.h5"):
            _copy_from_weights(backbone, path)
        else:
            _copy_from_imagenet(backbone, path)
    except UNREADABLE as error:
        raise _refused(path, error) from None


def _refused(path: Path, why: object) -> ModelError:
    reason = " ".join(str(why).split())[:200]
    return ModelError(
        f"models.efficientnet.weights: {path} does not fit this network ({reason}). Give"
        " weights of the same variant, or weights: null."
    )


@contextmanager
def _stored(path: Path) -> Iterator[Any]:
    """The part of the file that holds the backbone, as an open group of HDF5."""
    import h5py

    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            content: Any = io.BytesIO(archive.read(WEIGHTS_IN_MODEL))
    else:
        content = path
    with h5py.File(content) as file:
        published = path.suffix != ".keras" and not path.name.endswith(".weights.h5")
        yield file if published else _nested(file)


def _nested(file: Any) -> Any:
    """The one nested model in a file of Keras 3."""
    nested = [layer for layer in file["layers"].values() if "layers" in layer]
    if len(nested) != 1:
        raise ValueError("it has no backbone")
    return nested[0]


def _sizes(group: Any) -> list[tuple[str, int]]:
    """Every array in the group by its path, and how many numbers it holds."""
    import h5py

    found: list[tuple[str, int]] = []

    def visit(name: str, one: Any) -> None:
        if isinstance(one, h5py.Dataset) and not any(part in name for part in NOT_COUNTED):
            found.append((name, one.size))

    group.visititems(visit)
    return found


def _copy_from_model(backbone: Any, path: Path) -> None:

    donor = backbones.find(backbones.read(path))
    if donor is None:
        raise ValueError("it has no backbone")
    backbone.set_weights(donor.get_weights())
    _finalise(backbone)


def _copy_from_weights(backbone: Any, path: Path) -> None:
    """The weights of the one nested model in the file, which may have another head and input."""
    import h5py

    with _stored(path) as nested, tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "backbone.weights.h5"
        with h5py.File(alone, "w") as copied:
            for key in nested:
                nested.copy(key, copied)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras only warns of layers left out
            backbone.load_weights(alone)


def _copy_from_imagenet(backbone: Any, path: Path) -> None:
    """The published weights, with the factor 1/sqrt(std) that belongs to them.

    (x - mean) / sqrt(variance) / sqrt(std) = (x - mean) / sqrt(variance * std).
    """
    backbone.load_weights(path)
    for normalisation in _normalisations(backbone):
        variance = normalisation.adapt_variance
        variance.assign(variance.numpy() * IMAGENET_STD)
    _finalise(backbone)


def _finalise(backbone: Any) -> None:
    """Have the normalisation take up statistics that were set from outside."""
    for normalisation in _normalisations(backbone):
        normalisation.finalize_state()


def _normalisations(backbone: Any) -> list[Any]:
    """The layers that scale the images by statistics among the weights; only EfficientNets do."""
    import keras

    found = [layer for layer in backbone.layers if isinstance(layer, keras.layers.Normalization)]
    return [layer for layer in found if layer.input_mean is None]
