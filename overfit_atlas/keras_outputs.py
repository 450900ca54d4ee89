"""From what a Keras model says to scores of single images, for every kind of head: `Head`.

Softmax and logits of classes, one sigmoid for two classes, and several sigmoids, of which any
number may be right at once (multi-label).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from overfit_atlas.facts import Facts
from overfit_atlas.scoring import calibration, scores
from overfit_atlas.scoring.fits import InvalidFit

Array = NDArray[Any]
TINY_HALF = 2.0**-24


@dataclass(frozen=True)
class Scored:
    """Scores of `n` images.

    Attributes:
        loss: cross-entropy (nats); of several marks the mean over them, as Keras shows it.
        correct: the class, or every mark, is right. confidence: that this is so, by the model.
        brier: squared probability error; of several marks the mean over them.
        logits, truth: rows for the temperature: one an image `(n, num_classes)`, or one a mark
            `(n * num_marks, 2)`.
        predicted: the class that is said; None for several marks.
        calibrated: loss after the one temperature, as `loss`.
    """

    loss: Array
    correct: Array
    confidence: Array
    brier: Array
    logits: Array
    truth: Array
    predicted: Array | None = None
    calibrated: Array | None = None

    def means(self) -> dict[str, float]:
        """The scores of all images by name; those that need finite outputs only where they are."""
        found = {"loss": self.loss.mean(), "accuracy": self.correct.mean()}
        if np.isfinite(self.confidence).all():
            found["ece"] = scores.ece(self.confidence, self.correct)
            found["brier"] = self.brier.mean()
            if self.calibrated is not None:
                found["calibrated_loss"] = self.calibrated.mean()
        return {name: float(one) for name, one in found.items()}

    def arrays(self) -> dict[str, Array]:
        """The scores of single images that are kept, in half precision."""
        found = {
            name: getattr(self, name) for name in ("loss", "confidence", "brier", "calibrated")
        }
        kept = {name: scores.half(one) for name, one in found.items()} | {"correct": self.correct}
        return kept if self.predicted is None else kept | {"predicted": self.predicted}


@dataclass(frozen=True)
class Head:
    """How outputs and labels of a model are read.

    Attributes:
        marks: whether each output column is a question of its own (multi-label).
        from_logits: whether outputs are logits.
        tiny: the least probability that is told from zero in the precision of the outputs.
    """

    marks: bool
    from_logits: bool
    tiny: float = scores.TINY

    @classmethod
    def of(cls, model: Any, outputs: Array, labels: Sequence[Array], options: "Reading") -> "Head":
        """The head of a model from its compiled loss, and where that does not say it, by values."""
        loss = compiled_loss(model, options.output)
        columns = outputs.shape[1]
        hot = [one for one in labels if one.ndim == 2 and one.shape[1] > 1]
        several = any(not np.allclose(one.sum(1), 1, atol=1e-3) for one in hot)
        marks = bool(hot) and (several or "binary" in loss_name(loss))
        if marks and {one.shape[1:] for one in labels} != {(columns,)}:
            shapes = [one.shape for one in labels]
            raise InvalidFit(f"CleanScores: {columns} output columns for marks of shape {shapes}.")
        given = options.from_logits
        if given is None:
            given = gives_logits(loss, outputs, marks or columns == 1)
        tiny = TINY_HALF if outputs.dtype == np.float16 else scores.TINY
        return cls(marks, bool(given), tiny)

    def score(self, outputs: Array, labels: Array) -> Scored:
        """Scores of images `(n,)` from outputs `(n, columns)` and labels as given."""
        values = outputs.astype(np.float64)
        if self.marks:
            return self._of_marks(values, labels)
        numbers, num_classes = class_numbers(labels), max(values.shape[1], 2)
        if numbers.max() >= num_classes or numbers.min() < 0:
            raise InvalidFit(
                f"CleanScores: labels from {numbers.min()} to {numbers.max()}, but the model has "
                f"{num_classes} classes; they are counted from 0."
            )
        if self.from_logits:
            logits = two_columns(values, 0.0)
            loss = scores.cross_entropy_of_logits(logits, numbers)
        else:
            probabilities = two_columns(values, 1.0)
            logits = np.log(np.maximum(probabilities, self.tiny))
            loss = scores.cross_entropy(np.maximum(probabilities, self.tiny), numbers)
        sure = scores.softmax(logits)
        predicted, brier = sure.argmax(-1), scores.brier(sure, numbers)
        small = predicted.astype(np.min_scalar_type(num_classes - 1))
        return Scored(loss, predicted == numbers, sure.max(-1), brier, logits, numbers, small)

    def _of_marks(self, values: Array, labels: Array) -> Scored:
        truth = (labels > 0.5).astype(np.int64)
        if not self.from_logits:
            inside = np.clip(values, self.tiny, 1 - 2.0**-24)
            values = np.log(inside) - np.log1p(-inside)
        rows = np.stack([np.zeros_like(values), values], -1).reshape(-1, 2)
        flat, shape = truth.reshape(-1), truth.shape
        sure = scores.softmax(rows)
        if (truth.sum(1) == 1).all():  # classes, if by sigmoids: the likeliest is said
            chosen = values.argmax(1)
            correct = truth[np.arange(len(truth)), chosen] == 1
            confidence = sure[:, 1].reshape(shape).max(1)
        else:
            correct = ((values > 0) == (truth == 1)).all(1)
            confidence = sure.max(-1).reshape(shape).prod(1)
        return Scored(
            scores.cross_entropy_of_logits(rows, flat).reshape(shape).mean(1),
            correct,
            confidence,
            scores.brier(sure, flat).reshape(shape).mean(1),
            rows,
            flat,
        )

    def facts(self, labels: Array, num_classes: int) -> Facts:
        """What validation labels say of the data."""
        if not self.marks:
            return Facts.of_labels(class_numbers(labels), max(num_classes, 2))
        marked = labels > 0.5
        share = np.clip(marked.mean(0), 1e-12, 1 - 1e-12)
        entropy = -(share * np.log(share) + (1 - share) * np.log1p(-share)).mean()
        _, counts = np.unique(marked, axis=0, return_counts=True)
        guess = float(entropy), float(counts.max() / len(marked))
        return Facts(num_images=len(marked), guess=guess)


def calibrated(found: Mapping[str, Scored], start: float) -> tuple[dict[str, Scored], float]:
    """Probe and val with their losses after the one temperature, and that temperature.

    Args:
        start: a temperature that may be near, such as that of the epoch before.
    """
    logits = {name: one.logits for name, one in found.items()}
    truth = {name: one.truth for name, one in found.items()}
    rows = len(found["val"].truth) // len(found["val"].loss)
    losses, temperature = calibration.of_splits(logits, truth, start, rows)
    return {
        name: replace(one, calibrated=losses[name].reshape(len(one.loss), rows).mean(1))
        for name, one in found.items()
    }, temperature


@dataclass(frozen=True)
class Reading:
    """What the user says of the outputs: which one is judged, and whether it gives logits."""

    output: str | int | None = None
    from_logits: bool | None = None


def chosen(model: Any, outputs: Any, output: str | int | None) -> Array:
    """The outputs of the head that is judged `(n, columns)`, in their own precision.

    Raises:
        InvalidFit: there are several, and none or none of them is named.
    """
    if isinstance(outputs, Mapping):
        named = dict(outputs)
    elif isinstance(outputs, list | tuple):
        names = getattr(model, "output_names", None) or range(len(outputs))
        named = dict(zip(names, outputs, strict=False)) | dict(enumerate(outputs))
    else:
        named = {output: outputs}
    if output not in named:
        known = list(named)[: len(outputs)]
        raise InvalidFit(
            f"CleanScores: the model has the outputs {known}; say which is judged: "
            f"output={known[0]!r}; got {output!r}."
        )
    found = np.asarray(keras.ops.convert_to_numpy(named[output]))
    return found.reshape(len(found), -1)


def compiled_loss(model: Any, output: str | int | None) -> Any:
    """The loss that the model, or this output of it, was compiled with; None where unknown."""
    loss = getattr(model, "loss", None)
    if isinstance(loss, list | tuple):
        names = list(getattr(model, "output_names", range(len(loss))))
        place = names.index(output) if output in names else output
        return loss[place] if isinstance(place, int) and place < len(loss) else None
    return loss.get(output) if isinstance(loss, dict) else loss


def loss_name(loss: Any) -> str:
    """The name of a loss given as text, function or object, in lower case."""
    if isinstance(loss, str):
        return loss.lower()
    named = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    return f"{named} {type(loss).__name__}".lower()


def class_numbers(labels: Array) -> NDArray[np.int64]:
    """Labels as class numbers `(n,)`, from those, from `(n, 1)` or from one-hot."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        return np.asarray(labels.argmax(-1), dtype=np.int64)
    return labels.reshape(-1).astype(np.int64)


def gives_logits(loss: Any, outputs: Array, alone: bool) -> bool:
    """Whether outputs are logits: by the loss, else by their values.

    Args:
        alone: columns are probabilities each of its own, which need not add up to 1.
    """
    declared = getattr(loss, "from_logits", None)
    if declared is not None:
        return bool(declared)
    if not np.isfinite(outputs).all():
        return False
    inside = bool((outputs >= 0).all() and (outputs <= 1 + 1e-2).all())
    if alone:
        return not inside
    sums = outputs.astype(np.float64).sum(-1)
    return not (inside and np.allclose(sums, 1, atol=1e-2))


def two_columns(outputs: Array, total: float) -> Array:
    """A single column, as of a sigmoid, with the other class before it."""
    if outputs.shape[1] > 1:
        return outputs
    return np.concatenate([total - outputs if total else np.zeros_like(outputs), outputs], axis=1)


def running(model: Any, logs: Mapping[str, float], output: str | int | None) -> dict[str, float]:
    """What Keras shows of this epoch: running loss and accuracy, the penalty, the rate."""
    names = accuracies(logs, output)
    optimizer = getattr(model, "optimizer", None)
    rate = float("nan")
    if optimizer is not None:
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    return {
        "loss": float(logs.get(f"{output}_loss", logs.get("loss", float("nan")))),
        "accuracy": float(logs[names[0]]) if names else float("nan"),
        "penalty": _penalty(model),
        "learning_rate": rate,
    }


def accuracies(logs: Mapping[str, float], output: str | int | None) -> list[str]:
    """The names of the running accuracies, of the output that is judged where there are several."""
    names = [
        one for one in logs if not one.startswith("val_") and "acc" in one and "top" not in one
    ]
    own = [one for one in names if one.startswith(f"{output}_")]
    return own if isinstance(output, str) else names


def validation_logs(
    logs: Mapping[str, float], output: str | int | None, loss: float, accuracy: float
) -> dict[str, float]:
    """What a validation pass would have added to `logs`: `val_loss`, and each accuracy by name."""
    found = {"val_loss": loss, "val_accuracy": accuracy}
    found |= {f"val_{name}": accuracy for name in accuracies(logs, output)}
    if isinstance(output, str):
        found[f"val_{output}_loss"] = loss
    return found


def _penalty(model: Any) -> float:
    """The L1 and L2 penalty of the present weights, which is in every loss that Keras shows."""
    terms = [
        variable.regularizer(variable)
        for variable in model.trainable_variables
        if getattr(variable, "regularizer", None) is not None
    ]
    return float(sum(float(keras.ops.convert_to_numpy(term)) for term in terms))


def how_made(model: Any) -> str:
    """How a model is made and compiled, as text: what is equal but for names and seeds is equal.

    Of a model of a class of its own that Keras cannot describe: that class and its weights' shapes.
    """
    described: dict[str, Any] = {"weights": [list(weight.shape) for weight in model.weights]}
    for name, one in (("model", model), ("optimizer", getattr(model, "optimizer", None))):
        try:
            described[name] = [type(one).__qualname__, one and one.get_config()]
        except (NotImplementedError, TypeError, ValueError):
            described[name] = [type(one).__qualname__]
    text = json.dumps(_nameless(described), sort_keys=True, default=lambda one: type(one).__name__)
    return re.sub(r'_\d+"', '"', text)  # Keras numbers its layers on from net to net


def _nameless(described: Any) -> Any:
    if isinstance(described, Mapping):
        kept = {key: one for key, one in described.items() if key not in ("name", "seed")}
        return {str(key): _nameless(one) for key, one in kept.items()}
    if isinstance(described, list | tuple):
        return [_nameless(one) for one in described]
    return described
