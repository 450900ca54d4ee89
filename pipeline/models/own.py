"""A net of anybody's, named `path/to/file.py:build_model`: a function that gives a Keras model.

The function may take `input_shape` (height, width, channels) and `num_classes`, by these names or
not at all. Its model is Sequential or functional, takes pixel values from 0 to 255, and ends in
`num_classes` probabilities (softmax) or logits. Its loss and optimizer are not used.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import lru_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.models.layers import INPUT, LOGITS, PROBABILITIES, ModelError
from pipeline.params import Regularised

if TYPE_CHECKING:
    import keras

Shape = tuple[int, int, int]


class Own(Regularised):
    """In place of a section of params.yaml.

    Attributes:
        code: a hash of the file, so that no fit of an older version is taken for one of this.
    """

    code: str


class Net:
    """What a file of this folder offers, of the function with this name."""

    def __init__(self, name: str) -> None:
        path, _, self._function = name.rpartition(":")
        self._path, self._name = Path(path), name

    def section(self) -> Own:
        """Raises ModelError where the file cannot be read."""
        try:
            return Own(code=hashlib.sha256(self._path.read_bytes()).hexdigest())
        except OSError as error:
            raise ModelError(
                f"{self._name}: cannot be read ({error.strerror}). Name a file and a function in "
                "it, such as nets/mine.py:build_model."
            ) from None

    def build(self, section: Own, input_shape: Shape, num_classes: int) -> keras.Model:
        """The function's model under the layers all models share.

        Raises:
            ModelError: there is no such function, or its model does not fit.
        """
        function = _loaded(self._path, self._function, section.code)
        made = _called(function, self._name, input_shape, num_classes)
        _check(made, self._name, input_shape, num_classes)
        return _finished(made, self._name, input_shape)


@lru_cache(maxsize=4)
def _loaded(path: Path, function: str, _code: str) -> Callable[..., Any]:
    name = f"{path}:{function}"
    spec = spec_from_file_location(f"own_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{name}: is no Python file.")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ModelError(f"{name}: the file fails: {type(error).__name__}: {error}.") from error
    found = getattr(module, function, None)
    if not callable(found):
        others = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise ModelError(
            f"{name}: there is no function {function!r} in the file. It has: "
            f"{', '.join(others) or 'none'}."
        )
    return found  # type: ignore[no-any-return]


def _called(function: Callable[..., Any], name: str, shape: Shape, num_classes: int) -> Any:
    offered = {"input_shape": shape, "num_classes": num_classes}
    wanted = inspect.signature(function).parameters
    given = {key: value for key, value in offered.items() if key in wanted}
    needed = [
        key
        for key, one in wanted.items()
        if key not in given and one.default is one.empty and one.kind.name[:3] != "VAR"
    ]
    if needed:
        raise ModelError(
            f"{name}: needs {', '.join(needed)}, expected a function of input_shape and "
            "num_classes, or of nothing: give what else it takes a default."
        )
    try:
        return function(**given)
    except Exception as error:
        raise ModelError(f"{name}: the function fails: {type(error).__name__}: {error}.") from error


def _check(made: Any, name: str, shape: Shape, num_classes: int) -> None:
    import keras

    if not isinstance(made, (keras.Sequential, keras.src.models.functional.Functional)):
        raise ModelError(
            f"{name}: got a {type(made).__name__}, expected a keras.Sequential or keras.Model("
            "inputs, outputs)."
        )
    if not made.built:
        made.build((None, *shape))
    if len(made.inputs) != 1 or len(made.outputs) != 1:
        raise ModelError(f"{name}: expected a model with one input and one output.")
    taken, given = tuple(made.inputs[0].shape[1:]), tuple(made.outputs[0].shape[1:])
    fits = len(taken) == 3 and all(a in (None, b) for a, b in zip(taken, shape, strict=True))
    if not fits or given != (num_classes,):
        raise ModelError(
            f"{name}: got a model from {taken} to {given}, expected from {shape} to "
            f"{(num_classes,)}: let the function take input_shape and num_classes."
        )


def _finished(made: Any, name: str, shape: Shape) -> keras.Model:
    """`made` with its softmax, where it has one, as a layer of its own behind the logits."""
    import keras

    inputs = keras.Input(shape, dtype="uint8", name=INPUT)
    whole = made.inputs[0].dtype == "uint8"
    pixels = inputs if whole else keras.layers.Rescaling(1.0, name="pixels")(inputs)
    last = made.outputs[0]._keras_history.operation
    if isinstance(last, keras.layers.Softmax):
        made = keras.Model(made.inputs, last.input)
    activation = getattr(last, "activation", None)
    if activation is keras.activations.softmax:
        last.activation = keras.activations.linear
    elif activation not in (None, keras.activations.linear):
        raise ModelError(
            f"{name}: its last layer has the activation {activation.__name__!r}, expected softmax "
            "or none."
        )
    logits = keras.layers.Activation("linear", name=LOGITS)(made(pixels))
    return keras.Model(inputs, keras.layers.Softmax(name=PROBABILITIES)(logits), name="own")
