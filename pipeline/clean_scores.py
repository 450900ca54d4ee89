"""A Keras callback that says, for any `model.fit`, whether and when the model overfits.

    clean = CleanScores(x_train, y_train, x_val, y_val)
    model.fit(x_train, y_train, epochs=30, callbacks=[clean])
    print(clean.report())

It scores a fixed subset of the training images and the validation images after every epoch, with
the weights of that moment and without dropout, augmentation or penalties, and keeps the loss of
each image, which the paired test for the onset needs. It uses nothing but Keras' own interface, so
the backend may be TensorFlow, JAX or PyTorch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from overfit_atlas.scoring import scores
from overfit_atlas.scoring.fits import Fit, InvalidFit, PerImage
from pipeline.diagnosis import words
from pipeline.diagnosis.diagnose import diagnose
from pipeline.diagnosis.record import Diagnosis
from pipeline.diagnosis.verdict import Reference
from pipeline.params import Evaluate

Array = NDArray[Any]
LARGEST_HALF = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Options:
    """What may be set; the defaults suit a classifier compiled with any cross-entropy.

    Attributes:
        from_logits: whether the model gives logits; None: as its compiled loss says, else seen
            from the outputs (probabilities are in 0..1 and add up to 1).
        batch_size: images scored at a time.
        probe_size: training images scored after each epoch; None: as many as validation images.
        seed: of the choice of these images.
        settings: thresholds of the diagnosis; `target_accuracy` says what the model should reach
            on training images, without which underfitting cannot be told.
    """

    from_logits: bool | None = None
    batch_size: int = 256
    probe_size: int | None = None
    seed: int = 0
    settings: Evaluate = field(default_factory=Evaluate)


class CleanScores(keras.callbacks.Callback):  # type: ignore[misc]
    """Clean scores after every epoch, and the diagnosis after the fit.

    Args:
        x_train, x_val: what the model takes: an array, or a list or dict of arrays.
        y_train, y_val: class numbers `(n,)` or `(n, 1)`, or one-hot `(n, num_classes)`.
        options: see `Options`.
        log_to_mlflow: log curves, gap, onset and verdict to the MLflow run that is active when
            the fit begins.

    Raises:
        InvalidFit: inputs and labels differ in number, or are not arrays.
    """

    def __init__(
        self,
        x_train: Any,
        y_train: Any,
        x_val: Any,
        y_val: Any,
        *,
        options: Options | None = None,
        log_to_mlflow: bool = False,
    ) -> None:
        super().__init__()
        self.options = options or Options()
        self._log_to_mlflow = log_to_mlflow
        train_labels, val_labels = _labels(y_train), _labels(y_val)
        size = self.options.probe_size or len(val_labels)
        chosen = _stratified(train_labels, size, self.options.seed)
        self._labels = {"probe": train_labels[chosen], "val": val_labels}
        probe, val = _taken(x_train, len(train_labels), chosen), _taken(x_val, len(val_labels))
        self._images = keras.tree.map_structure(lambda *two: np.concatenate(two), probe, val)
        self._rows: list[dict[str, Any]] = []
        self._per_image: dict[str, list[Array]] = {}
        self._num_classes = 0

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Forget an earlier fit."""
        self._rows, self._per_image = [], {}
        if self._log_to_mlflow:
            from pipeline.tracking import active

            active.require_run()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Score probe and validation images with the weights of this moment."""
        losses, probabilities = self._scored(self._outputs())
        self._num_classes = probabilities.shape[1]
        row = {"epoch": epoch + 1, "split": "running", **_running(self.model, logs or {})}
        self._rows.append(row)
        cut = len(self._labels["probe"])
        for split, part in (("probe", slice(cut)), ("val", slice(cut, None))):
            self._keep(epoch + 1, split, losses[part], probabilities[part])

    def _outputs(self) -> Array:
        """What the model says of all images, in inference mode.

        Batch by batch, because `predict` costs some 70 ms a call before it does anything.
        """
        size = self.options.batch_size
        num_images = sum(len(labels) for labels in self._labels.values())
        batches = [
            keras.tree.map_structure(lambda array: array[start : start + size], self._images)  # noqa: B023
            for start in range(0, num_images, size)
        ]
        outputs = [keras.ops.convert_to_numpy(self.model.predict_on_batch(one)) for one in batches]
        return np.concatenate(outputs).astype(np.float64)

    def _scored(self, outputs: Array) -> tuple[Array, Array]:
        """Losses `(n,)` and probabilities `(n, num_classes)` of all images."""
        outputs = outputs.reshape(len(outputs), -1)
        labels = np.concatenate([self._labels["probe"], self._labels["val"]])
        given = self.options.from_logits
        if _gives_logits(self.model, outputs) if given is None else given:
            logits = _two_columns(outputs, 0.0)
            return scores.cross_entropy_of_logits(logits, labels), scores.softmax(logits)
        probabilities = _two_columns(outputs, 1.0)
        return scores.cross_entropy(probabilities, labels), probabilities

    def _keep(self, epoch: int, split: str, loss: Array, probabilities: Array) -> None:
        labels = self._labels[split]
        confidence, correct = probabilities.max(-1), probabilities.argmax(-1) == labels
        brier = scores.brier(probabilities, labels)
        row = {"epoch": epoch, "split": split, "loss": loss.mean(), "accuracy": correct.mean()}
        if np.isfinite(confidence).all():
            row |= {"ece": scores.ece(confidence, correct), "brier": brier.mean()}
        self._rows.append(row)
        arrays = {"loss": loss, "confidence": confidence, "brier": brier}
        for name, values in arrays.items():
            half = np.clip(values, -LARGEST_HALF, LARGEST_HALF).astype(np.float16)
            self._per_image.setdefault(f"{split}_{name}", []).append(half)
        self._per_image.setdefault(f"{split}_correct", []).append(correct)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Log to MLflow, where asked for."""
        if self._log_to_mlflow and self._rows:
            from pipeline.tracking import active

            found = self.diagnose()
            active.log_to_active_run(self.curves, found.metrics(), found.tags())

    @property
    def curves(self) -> pd.DataFrame:
        """One row an epoch and split (running, probe, val): loss, accuracy, ece, brier, ..."""
        table = pd.DataFrame(self._rows)
        table.insert(0, "seed", 0)
        return table

    @property
    def history(self) -> Fit:
        """Curves and per-image scores; several of them, one a fit, can be diagnosed together.

        Raises:
            InvalidFit: no epoch has ended yet.
        """
        if not self._rows:
            raise InvalidFit("CleanScores: no epoch yet; pass it to fit(callbacks=[...]).")
        arrays: Any = {name: np.stack(epochs) for name, epochs in self._per_image.items()}
        return Fit(self.curves, PerImage(**arrays))

    def diagnose(self, name: str = "", reference: Reference | None = None) -> Diagnosis:
        """Verdict, why, onsets, gaps; `.as_json()` has all of it.

        Args:
            reference: the training accuracy another model reached on the same data.
        """
        name = name or str(getattr(self.model, "name", "model"))
        settings = self.options.settings
        return diagnose(name, [self.history], settings, reference, self._num_classes)

    def report(self, language: str = "en") -> str:
        """The diagnosis in words, English ("en") or Japanese ("ja")."""
        return words.report(self.diagnose(), language)


def _labels(given: Any) -> NDArray[np.int64]:
    labels = np.asarray(given)
    if labels.ndim == 2 and labels.shape[1] > 1:
        return np.asarray(labels.argmax(-1), dtype=np.int64)
    if labels.ndim not in (1, 2) or not len(labels):
        raise InvalidFit(
            f"CleanScores: labels of shape {labels.shape}; give arrays of class numbers (n,) or "
            "one-hot (n, num_classes), not a data set."
        )
    return labels.reshape(-1).astype(np.int64)


def _taken(images: Any, num_labels: int, chosen: Array | None = None) -> Any:
    """The chosen images, in whatever structure of arrays the model takes."""

    def one(values: Any) -> Array:
        array = np.asarray(values)
        if array.ndim < 1 or len(array) != num_labels:
            raise InvalidFit(
                f"CleanScores: inputs of shape {array.shape} for {num_labels} labels; give arrays "
                "with one entry a label."
            )
        return array if chosen is None else array[chosen]

    return keras.tree.map_structure(one, images)


def _stratified(labels: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Indices of `size` images (all if there are fewer) with the class mix of `labels`."""
    if size >= len(labels):
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    # Evenly spaced places in a list sorted by class take every class by its share.
    places = np.floor((np.arange(size) + 0.5) * len(labels) / size).astype(np.int64)
    return np.sort(by_class[places])


def _gives_logits(model: Any, outputs: Array) -> bool:
    declared = getattr(getattr(model, "loss", None), "from_logits", None)
    if declared is not None:
        return bool(declared)
    if not np.isfinite(outputs).all():
        return False
    inside = bool((outputs >= 0).all() and (outputs <= 1 + 1e-3).all())
    if outputs.shape[1] == 1:
        return not inside
    return not (inside and np.allclose(outputs.sum(-1), 1, atol=1e-2))


def _two_columns(outputs: Array, total: float) -> Array:
    """A single column, as of a sigmoid, with the other class before it."""
    if outputs.shape[1] > 1:
        return outputs
    return np.concatenate([total - outputs if total else np.zeros_like(outputs), outputs], axis=1)


def _running(model: Any, logs: Mapping[str, float]) -> dict[str, float]:
    """What Keras shows of this epoch: running loss and accuracy, the penalty, the rate."""
    shown = {name: value for name, value in logs.items() if not name.startswith("val_")}
    accuracy = next((value for name, value in shown.items() if "acc" in name), float("nan"))
    optimizer = getattr(model, "optimizer", None)
    rate = float("nan")
    if optimizer is not None:
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    return {
        "loss": float(shown.get("loss", float("nan"))),
        "accuracy": float(accuracy),
        "penalty": _penalty(model),
        "learning_rate": rate,
    }


def _penalty(model: Any) -> float:
    """The L1 and L2 penalty of the present weights, which is in every loss that Keras shows."""
    terms = [
        variable.regularizer(variable)
        for variable in model.trainable_variables
        if getattr(variable, "regularizer", None) is not None
    ]
    return float(sum(float(keras.ops.convert_to_numpy(term)) for term in terms))
