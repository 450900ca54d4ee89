"""A Keras callback that says, for any `model.fit`, whether and when the model overfits.

    clean = CleanScores(x_train, y_train, x_val, y_val)
    model.fit(x_train, y_train, epochs=30, callbacks=[clean])
    print(clean.report())

It scores a fixed subset of the training images and the validation images after every epoch, with
the weights of that moment and without dropout, augmentation or penalties, and keeps the loss of
each image, on which the verdict rests. Every further fit with the same callback is kept too: fits
of equal nets are seeds of one model, other nets are the siblings it is compared with. It uses
nothing but Keras' own interface, so the backend may be TensorFlow, JAX or PyTorch.
"""

import itertools
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from overfit_atlas import judgement
from overfit_atlas.facts import Facts
from overfit_atlas.keras_inputs import (
    class_numbers,
    gives_logits,
    running,
    share_of_copies,
    stratified,
    taken,
    two_columns,
)
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.scoring import calibration, scores
from overfit_atlas.scoring.fits import Fit, InvalidFit, PerImage
from overfit_atlas.words import sentences

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
LIVE_FROM = 10
"""From which epoch on a line after each epoch says how validation goes."""


@dataclass(frozen=True)
class Options:
    """What may be set; the defaults suit a classifier compiled with any cross-entropy.

    Attributes:
        from_logits: whether the model gives logits; None: as its compiled loss says, else seen
            from the outputs (probabilities are in 0..1 and add up to 1).
        batch_size: images scored at a time.
        probe_size: training images scored after each epoch; None: as many as validation images.
        seed: of the choice of these images.
        rules: thresholds of the verdict; `target_accuracy` says what the task is known to allow.
        live: whether a line is printed after each epoch from the tenth on.
    """

    from_logits: bool | None = None
    batch_size: int = 256
    probe_size: int | None = None
    seed: int = 0
    rules: Rules = field(default_factory=Rules)
    live: bool = False


class CleanScores(keras.callbacks.Callback):  # type: ignore[misc]
    """Clean scores after every epoch, and the judgement after the fit.

    Args:
        x_train, x_val: what the model takes: an array, or a list or dict of arrays.
        y_train, y_val: class numbers `(n,)` or `(n, 1)`, or one-hot `(n, num_classes)`.
        options: see `Options`.
        log_to_mlflow: log curves, gap, best epochs and verdict to the MLflow run that is active
            when the fit begins.

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
        train_labels, val_labels = class_numbers(y_train), class_numbers(y_val)
        size = self.options.probe_size or len(val_labels)
        chosen = stratified(train_labels, size, self.options.seed)
        self._labels = {"probe": train_labels[chosen], "val": val_labels}
        probe, val = taken(x_train, len(train_labels), chosen), taken(x_val, len(val_labels))
        self._images = keras.tree.map_structure(lambda *two: np.concatenate(two), probe, val)
        self._copies = share_of_copies(x_train, x_val)
        self._rows: list[dict[str, Any]] = []
        self._per_image: dict[str, list[Array]] = {}
        self._temperature = 1.0
        self._num_classes = 0
        self._name = ""
        self._fitted: weakref.WeakSet[Any] = weakref.WeakSet()
        self._shapes: dict[str, tuple[tuple[int, ...], ...]] = {}
        self.models: dict[str, list[Fit]] = {}

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Begin a new fit; what was fitted before is kept in `models`."""
        if self._log_to_mlflow:
            from overfit_atlas import active_run

            active_run.require_run()
        self._rows, self._per_image, self._temperature = [], {}, 1.0
        self._name = self._named()
        self.models.setdefault(self._name, [])

    def _named(self) -> str:
        """The model's name; new nets with weights of the same shapes are seeds of one model.

        A net that was fitted before goes on, which is no seed.
        """
        name = str(getattr(self.model, "name", "model"))
        if self.model in self._fitted:
            return self._free(f"{name}, continued")
        self._fitted.add(self.model)
        shapes = tuple(tuple(weight.shape) for weight in self.model.weights)
        for known, others in self._shapes.items():
            if shapes and others == shapes:
                return known
        name = self._free(name)
        self._shapes[name] = shapes
        return name

    def _free(self, name: str) -> str:
        """`name`, or the same with the first number that no model has."""
        numbered = (name if number == 1 else f"{name} {number}" for number in itertools.count(1))
        return next(one for one in numbered if one not in self.models)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Score probe and validation images with the weights of this moment."""
        losses, logits = self._scored(self._outputs())
        self._num_classes = logits.shape[1]
        row = {"epoch": epoch + 1, "split": "running", **running(self.model, logs or {})}
        self._rows.append(row)
        cut = len(self._labels["probe"])
        parts = {"probe": slice(cut), "val": slice(cut, None)}
        by_split = {name: logits[part] for name, part in parts.items()}
        calibrated, temperature = calibration.of_splits(by_split, self._labels, self._temperature)
        if np.isfinite(temperature):
            self._temperature = temperature
        for split, part in parts.items():
            own = losses[part], logits[part], calibrated[split]
            self._keep(epoch + 1, split, own)
        if self.options.live and epoch + 1 >= LIVE_FROM:
            print(live(self.curves), flush=True)

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
        """Losses `(n,)` and logits `(n, num_classes)` of all images."""
        outputs = outputs.reshape(len(outputs), -1)
        labels = np.concatenate([self._labels["probe"], self._labels["val"]])
        given = self.options.from_logits
        if gives_logits(self.model, outputs) if given is None else given:
            logits = two_columns(outputs, 0.0)
            return scores.cross_entropy_of_logits(logits, labels), logits
        probabilities = two_columns(outputs, 1.0)
        logits = np.log(np.maximum(probabilities, scores.TINY))
        return scores.cross_entropy(probabilities, labels), logits

    def _keep(self, epoch: int, split: str, scored: tuple[Array, Array, Array]) -> None:
        loss, logits, calibrated = scored
        labels, probabilities = self._labels[split], scores.softmax(logits)
        confidence, predicted = probabilities.max(-1), probabilities.argmax(-1)
        correct = predicted == labels
        brier = scores.brier(probabilities, labels)
        row = {"epoch": epoch, "split": split, "loss": loss.mean(), "accuracy": correct.mean()}
        if np.isfinite(confidence).all():
            row |= {"ece": scores.ece(confidence, correct), "brier": brier.mean()}
            row |= {"calibrated_loss": calibrated.mean(), "temperature": self._temperature}
        self._rows.append(row)
        arrays = {"loss": loss, "confidence": confidence, "brier": brier, "calibrated": calibrated}
        for name, values in arrays.items():
            self._per_image.setdefault(f"{split}_{name}", []).append(scores.half(values))
        small = predicted.astype(np.min_scalar_type(logits.shape[1] - 1))
        self._per_image.setdefault(f"{split}_correct", []).append(correct)
        self._per_image.setdefault(f"{split}_predicted", []).append(small)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """Keep the fit, and log it to MLflow where asked for."""
        if not self._rows:
            return
        fits = self.models[self._name]
        fits.append(replace(self.fit, seed=len(fits)))
        if self._log_to_mlflow:
            from overfit_atlas import active_run

            made = self.judge()
            active_run.log_to_active_run(self.curves, made.metrics(), made.tags())

    @property
    def curves(self) -> "pd.DataFrame":
        """One row an epoch and split (running, probe, val): loss, accuracy, ece, brier, ..."""
        import pandas as pd

        table = pd.DataFrame(self._rows)
        table.insert(0, "seed", 0)
        return table

    def to_frame(self) -> "pd.DataFrame":
        """The curves of every fit so far, with the columns model and seed in front."""
        import pandas as pd

        tables = [
            fit.curves.assign(model=name, seed=fit.seed)
            for name, fits in self.models.items()
            for fit in fits
        ]
        table = pd.concat(tables or [self.curves.assign(model=self._name)], ignore_index=True)
        return table[["model", "seed", *table.columns.drop(["model", "seed"])]]

    @property
    def fit(self) -> Fit:
        """Curves and per-image scores of the latest fit.

        Raises:
            InvalidFit: no epoch has ended yet.
        """
        if not self._rows:
            raise InvalidFit("CleanScores: no epoch yet; pass it to fit(callbacks=[...]).")
        arrays: Any = {name: np.stack(epochs) for name, epochs in self._per_image.items()}
        return Fit(self.curves, PerImage(**arrays))

    @property
    def facts(self) -> Facts:
        """What the validation labels and the arrays say of the data."""
        found = Facts.of_labels(self._labels["val"], max(self._num_classes, 2))
        return replace(found, copies=self._copies)

    def judge(self, name: str = "") -> Judgement:
        """The judgement of one model, the latest by default; all others are its siblings.

        Raises:
            InvalidFit: no epoch has ended yet, or there is no model of that name.
        """
        fits = self._fits(name or self._name)
        rules, facts = self.options.rules, self.facts
        siblings = {
            other: judgement.drawn(whole, rules, facts)
            for other, known in self.models.items()
            if other != (name or self._name)
            and (whole := [fit for fit in known if fit.failed is None])
        }
        return judgement.judge(name or self._name, fits, rules, facts, siblings)

    def _fits(self, name: str) -> Sequence[Fit]:
        if self.models.get(name):
            return self.models[name]
        if name != self._name:
            known = ", ".join(self.models) or "none yet"
            raise InvalidFit(f"CleanScores: no model {name!r}; there are: {known}.")
        return [self.fit]

    def report(self, language: str = "en") -> str:
        """The judgement of the latest model in words, English ("en") or Japanese ("ja")."""
        return sentences.report(self.judge(), language)

    def save_page(self, path: str | Path, language: str = "en") -> None:
        """Write the interactive page of all models so far to `path` (needs the extra `page`).

        Images are on it where the model takes arrays of them, `(n, height, width, 1 or 3)`.
        """
        from overfit_atlas.page import saved

        judged = [self.judge(name) for name in self.models] or [self.judge()]
        val = self._labels["val"]
        pictures = saved.pictures_of(self._images, self._labels["probe"], val)
        saved.write(Path(path), saved.of_judgements(judged, language, pictures, val))

    def _repr_html_(self) -> str:
        """What a notebook shows: verdicts of all models in a small table."""
        if not self._rows:
            return "<p>CleanScores: no epoch yet.</p>"
        rows = []
        for name in self.models:
            made = self.judge(name)
            why = made.why().text("en")
            rows.append(f"<tr><th>{name}</th><td>{made.title('en')}</td><td>{why}</td></tr>")
        return f"<table>{''.join(rows)}</table>"


def live(curves: "pd.DataFrame", window: int = 3) -> str:
    """How validation goes, in one line, from the curves alone: no verdict, and no probability."""
    from overfit_atlas.scoring.fits import smoothed

    val = curves[curves["split"] == "val"]
    loss = smoothed(val["loss"].to_numpy(float), window)
    error = smoothed(1 - val["accuracy"].to_numpy(float), window)
    said = []
    for name, curve, worse in (("val loss", loss, "rising"), ("val accuracy", error, "falling")):
        best = int(np.argmin(curve))
        better = "falling" if name == "val loss" else "rising"
        still = len(curve) - 1 - best < window
        said.append(f"{name} still {better}" if still else f"{name} {worse} since epoch {best + 1}")
    return f"epoch {len(val)}: {', '.join(said)}"
