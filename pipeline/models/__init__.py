"""The models by name: each is one file here, one key of `models` in params.yaml.

A new model is a file `NAME.py` with `build(section, input_shape, num_classes)`, and a record with
its keys, `NAME: Record = Record()`, in `pipeline.params.Models`. Where it makes sense it may also
have `check(section, input_shape)`, `with_width(section, width)` and
`num_parameters(section, input_shape, num_classes)`. One with a backbone that can be frozen has
`head(section, num_classes)`, `extractor(section, input_shape)` and `origin(section)`.

Every model takes raw `uint8` images `(num_images, height, width, channels)` and gives
probabilities `(num_images, num_classes)`. Its last two layers are "logits" and "probabilities".
It is made of Keras' own layers only, Lambda excepted, so its file loads anywhere, without this
package.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline.models.backbone import every_layer as every_layer
from pipeline.models.backbone import freeze as freeze
from pipeline.models.backbone import frozen as frozen_backbone
from pipeline.models.backbone import other_calls as other_calls
from pipeline.models.backbone import trainable_variables as trainable_variables
from pipeline.models.backbone import unfreeze as unfreeze
from pipeline.models.backbone import variables as backbone_variables
from pipeline.models.layers import ModelError as ModelError
from pipeline.params import Record

if TYPE_CHECKING:
    import keras

Shape = tuple[int, int, int]
Features = tuple[int]

OWN = ":"  # between a file of anybody's and the function in it
NARROWEST, WIDEST = 1e-4, 1e4
NAME_COUNTS = "object_name_uids"  # where Keras counts the layers it has named

__all__ = [
    "ModelError",
    "backbone_variables",
    "build",
    "check",
    "equal_cost_width",
    "every_layer",
    "extractor",
    "freeze",
    "frozen_backbone",
    "names",
    "num_parameters",
    "origin",
    "other_calls",
    "own_section",
    "trainable_variables",
    "unfreeze",
    "with_width",
]


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The models there are: every file of this folder that has a `build`."""
    files = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(name for name in files if hasattr(_imported(name), "build"))


def build(
    name: str, section: Record, input_shape: Shape | Features, num_classes: int, seed: int
) -> keras.Model:
    """A fresh model with the initial weights that belong to `seed`.

    The same seed gives the same weights bit by bit. Python's and numpy's random state is left as it
    was, and TensorFlow's is not touched: setting it would throw away every compiled graph.

    Args:
        name: a file of this folder, see `names`; or `path/to/file.py:build_model`, see `own`.
        section: the model's own section of params.yaml.
        input_shape: height, width, channels (1 or 3) of the images; or the number of features
            that `extractor` makes of one, for the head alone.

    Raises:
        ModelError: an unknown name, or settings that do not fit the images.
    """
    module = _module(name)
    if num_classes < 2:
        raise ModelError(f"got {num_classes=}, expected at least 2 classes to tell apart.")
    if len(input_shape) == 1:
        with _seeded(seed):
            return module.head(section, num_classes)
    check(name, section, input_shape)
    with _seeded(seed):
        return module.build(section, input_shape, num_classes)


def extractor(name: str, section: Record, input_shape: Shape) -> keras.Model:
    """The model's backbone with all that comes before it: images in, features out.

    Raises:
        ModelError: settings that do not fit the images, or weights that do not fit the network.
    """
    with _seeded(0):
        return _module(name).extractor(section, input_shape)


def origin(name: str, section: Record) -> str:
    """All of the section that decides the features of an image; equal for equal features."""
    return str(_module(name).origin(section))


def check(name: str, section: Record, input_shape: Shape) -> None:
    """Raises ModelError where `build` would, without building; needs no TensorFlow."""
    module = _module(name)
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ModelError(f"got {input_shape=}, expected (height, width, channels).")
    if hasattr(module, "check"):
        module.check(section, input_shape)


def num_parameters(name: str, section: Record, input_shape: Shape, num_classes: int) -> int:
    """How many weights that model has, as Keras counts them (moving statistics included)."""
    module = _module(name)
    if hasattr(module, "num_parameters"):
        return int(module.num_parameters(section, input_shape, num_classes))
    return int(build(name, section, input_shape, num_classes, seed=0).count_params())


def with_width(name: str, section: Any, width: int) -> Any:
    """The same section at another size: units a hidden layer, first filters, number of variant.

    Raises:
        ModelError: this model has no such size.
    """
    module = _module(name)
    if not hasattr(module, "with_width"):
        raise ModelError(f"model {name!r} has no width: its file defines no with_width.")
    return module.with_width(section, width)


def equal_cost_width(
    name: str, section: Any, input_shape: Shape, num_classes: int, parameters: int
) -> float:
    """The width multiplier at which one net has as nearly `parameters` weights as it can.

    What an ensemble of small nets is fairly compared with: one net of the same cost. Found by
    bisection on the logarithm of the width, for the count never falls as the width grows.

    Raises:
        ModelError: the model has no `width`.
    """
    if "width" not in type(section).model_fields or name == "efficientnet":
        raise ModelError(f"model {name!r} has no width multiplier to match {parameters=} with.")

    def count(width: float) -> int:
        sized = section.model_copy(update={"width": width})
        return num_parameters(name, sized, input_shape, num_classes)

    low, high = NARROWEST, WIDEST
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if count(middle) < parameters else (low, middle)
    return min((low, high), key=lambda width: abs(count(width) - parameters))


def own_section(name: str) -> Record | None:
    """What stands for a section of `path/to/file.py:build_model`; None for the models here.

    Raises:
        ModelError: there is no such file.
    """
    section: Record | None = _module(name).section() if OWN in name else None
    return section


def _module(name: str) -> Any:
    if OWN in name:
        return _imported("own").Net(name)
    if name not in names():
        raise ModelError(f"unknown model {name!r}: choose among {', '.join(names())}.")
    return _imported(name)


def _imported(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Keras draws the seeds of initialisers and random layers from a generator of this build alone.

    Otherwise it takes Python's global one, from which other threads of a worker draw as well. The
    numbers in names that it makes up begin anew too, so the same net has the same names.
    """
    from keras.src import backend
    from keras.src.backend.common import global_state
    from keras.src.random import seed_generator

    own = random.Random(seed)
    sources = (seed_generator, backend.random)
    drawn = [source.make_default_seed for source in sources]
    for source in sources:
        source.make_default_seed = lambda: own.randint(1, int(1e9))
    counted = global_state.get_global_attribute(NAME_COUNTS)
    global_state.set_global_attribute(NAME_COUNTS, defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(NAME_COUNTS, counted)
        for source, before in zip(sources, drawn, strict=True):
            source.make_default_seed = before
