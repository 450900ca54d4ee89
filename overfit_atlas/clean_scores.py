"""A Keras callback that says, for any `model.fit`, whether and when the model overfits.

    clean = CleanScores(x_train, y_train, x_val, y_val)
    model.fit(x_train, y_train, epochs=30, callbacks=[clean])
    print(clean.report())

It scores a fixed part of the training images and the validation images after every epoch, with the
weights of that moment and without dropout, augmentation or penalties, and keeps the loss of each
image, on which the verdict rests. `fit` needs no `validation_data`: put CleanScores first among the
callbacks, and `val_loss` and `val_accuracy` are in the logs of all others. Every further fit with
the same callback is kept too: fits of equal nets are seeds of one model, other nets are the
siblings it is compared with. It uses nothing but Keras' own interface, whatever the backend.
"""

import itertools
import weakref
from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from overfit_atlas import clean_shown, judgement, live
from overfit_atlas.clean_options import Options
from overfit_atlas.draws import Draws
from overfit_atlas.facts import Facts
from overfit_atlas.held_out import ACCURACY, OF_FIT, lower_is_better
from overfit_atlas.keras_inputs import held, share_of_copies, shifted_channel
from overfit_atlas.keras_outputs import (
    Head,
    Reading,
    Scored,
    calibrated,
    chosen,
    class_numbers,
    how_made,
    running,
    validation_logs,
)
from overfit_atlas.record import Judgement
from overfit_atlas.scoring.fits import Fit, InvalidFit, PerImage
from overfit_atlas.words import sentences

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]


class CleanScores(keras.callbacks.Callback):  # type: ignore[misc]
    """Clean scores after every epoch, and the judgement after the fit.

    `CleanScores(train, val)` takes each side as `fit` would: `(x, y)`, `(x, y, sample_weight)`, a
    `tf.data.Dataset`, a `PyDataset`, a torch `DataLoader`, an iterator (with `train_steps` and
    `val_steps`), or a function that makes one. Give the training images without augmentation.
    `CleanScores(x_train, y_train, x_val, y_val)` takes arrays, or lists or dicts of arrays.
    Labels are class numbers `(n,)` or `(n, 1)`, one-hot, or several marks `(n, num_marks)`.

    Attributes:
        fits: the fits so far by the name of their model, one a seed.
        stopped: that and why the latest fit was ended, or None.

    Args:
        options: by name, those of `Options`: `stop_when="loss"`, `output="digit"`, ...

    Raises:
        InvalidFit: the data are nothing that `fit` takes, or inputs and labels do not fit together.
    """

    def __init__(
        self,
        x_train: Any,
        y_train: Any,
        x_val: Any = None,
        y_val: Any = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.options = Options.named(options)
        if (x_val is None) != (y_val is None):
            raise InvalidFit("CleanScores: give train and val, or x_train, y_train, x_val, y_val.")
        train, val = (x_train, y_train) if x_val is None else ((x_train, y_train), (x_val, y_val))
        of_val = held(val, self.options.wanted())
        of_train = held(train, self.options.wanted(len(of_val.labels)))
        join = keras.tree.map_structure(
            lambda *two: np.concatenate(two), of_train.images, of_val.images
        )
        self._images, self._weights = join, of_val.weights
        self._labels = {"probe": of_train.labels, "val": of_val.labels}
        self._known = Facts(
            copies=share_of_copies(of_train.seen, of_val.seen),
            shifted=shifted_channel(of_train.seen, of_val.seen),
        )
        stop, at, rules = self.options.stop_when, self.options.stop_at, self.options.rules
        self._watch = live.Watch(stop, at, rules) if stop else None
        self._begin("")
        self._fitted: weakref.WeakSet[Any] = weakref.WeakSet()
        self._made: dict[str, str] = {}
        self.fits: dict[str, list[Fit]] = {}
        self._drawn: dict[tuple[str, int], Draws] = {}

    def _begin(self, name: str) -> None:
        """Forget the latest fit."""
        self._name, self._temperature = name, 1.0
        self._head: Head | None = None
        self._rows: list[dict[str, Any]] = []
        self._per_image: dict[str, list[Array]] = {}
        self._curves: dict[str, list[float]] = {"loss": [], ACCURACY: []}
        self._num_classes, self._line = 0, ""
        self._best: tuple[int, list[Array]] = 0, []
        self.stopped: live.Stopped | None = None

    def on_train_begin(self, logs: MutableMapping[str, float] | None = None) -> None:
        """Begin a new fit; what was fitted before is kept in `fits`."""
        if self.options.log_to_mlflow:
            from overfit_atlas import active_run

            active_run.require_run()
        self._begin(self._named())
        self.fits.setdefault(self._name, [])

    def _named(self) -> str:
        """The model's name; new nets that are made and compiled alike are seeds of one model.

        A net that was fitted before goes on, which is no seed.
        """
        name = str(getattr(self.model, "name", "model"))
        if self.model in self._fitted:
            return self._free(f"{name}, continued")
        self._fitted.add(self.model)
        made = how_made(self.model)
        for known, other in self._made.items():
            if other == made:
                return known
        name = self._free(name)
        self._made[name] = made
        return name

    def _free(self, name: str) -> str:
        """`name`, or the same with the first number that no model has."""
        numbered = (name if number == 1 else f"{name} {number}" for number in itertools.count(1))
        return next(one for one in numbered if one not in self.fits)

    def on_epoch_begin(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Print what the epoch before came to: only now has Keras ended its own line."""
        if self._line:
            print(self._line, flush=True)
            self._line = ""

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, float] | None = None) -> None:
        """Score probe and validation images with the weights of this moment."""
        logs = {} if logs is None else logs
        output = self.options.output
        found = self._scored(self._outputs())
        row = {"epoch": epoch + 1, "split": "running", **running(self.model, logs, output)}
        self._rows.append(row)
        for split, one in found.items():
            means = one.means()
            if "calibrated_loss" in means:
                means["temperature"] = self._temperature
            self._rows.append({"epoch": epoch + 1, "split": split, **means})
            for name, values in one.arrays().items():
                self._per_image.setdefault(f"{split}_{name}", []).append(values)
        loss = float(np.average(found["val"].loss, weights=self._weights))
        accuracy = float(np.average(found["val"].correct, weights=self._weights))
        self._curves["loss"].append(loss)
        self._curves[ACCURACY].append(accuracy)
        if "val_loss" not in logs:  # `fit` had no validation of its own
            logs.update(validation_logs(logs, output, loss, accuracy))
        if self._watch is not None:
            self._watched(self._watch, epoch + 1)
        if self._is_live() and len(self._curves["loss"]) >= live.LIVE_FROM:
            window, language = self.options.rules.smoothing, self.options.language
            self._line = live.line(self._curves["loss"], self._curves[ACCURACY], window, language)

    def _is_live(self) -> bool:
        if self.options.live is None:
            return bool((self.params or {}).get("verbose", 0))
        return self.options.live

    def _outputs(self) -> Array:
        """What the model says of all images, in inference mode.

        Batch by batch, because `predict` costs some 70 ms a call before it does anything.
        """
        size = self.options.batch_size
        num_images = sum(len(labels) for labels in self._labels.values())
        said = []
        for start in range(0, num_images, size):
            batch = keras.tree.map_structure(lambda one: one[start : start + size], self._images)  # noqa: B023
            count = min(size, num_images - start)
            found = chosen(self.model, self.model.predict_on_batch(batch), self.options.output)
            said.append(found[:count])  # of several replicas, each has said all of it
        return np.concatenate(said)

    def _scored(self, outputs: Array) -> dict[str, Scored]:
        """Scores of probe and val."""
        cut = len(self._labels["probe"])
        parts = {"probe": outputs[:cut], "val": outputs[cut:]}
        if self._head is None:
            labels = list(self._labels.values())
            options = Reading(self.options.output, self.options.from_logits)
            self._head = Head.of(self.model, outputs, labels, options)
        head = self._head
        found = {name: head.score(part, self._labels[name]) for name, part in parts.items()}
        self._num_classes = found["val"].logits.shape[1]
        found, temperature = calibrated(found, self._temperature)
        if np.isfinite(temperature):
            self._temperature = temperature
        return found

    def _watched(self, watch: live.Watch, epoch: int) -> None:
        """Keep the best weights so far, and end the fit where going on has done damage."""
        known = np.stack(self._per_image[f"val_{OF_FIT[watch.score]}"])
        values = lower_is_better(watch.score, known)
        if not np.isfinite(values).all():
            return
        damaged = watch.damage(values)
        if damaged.best == len(values) - 1:
            self._best = epoch, self.model.get_weights()
        if watch.stops(damaged, len(values)):
            paid = "loss" if watch.score == ACCURACY else ACCURACY
            curve = np.array(self._curves[paid]) * (1 if paid == "loss" else -1)
            given_up = live.price(curve, damaged.best, watch.rules.smoothing)
            self.stopped = live.Stopped(watch.score, epoch, self._best[0], damaged, given_up)
            self.model.stop_training = True

    def on_train_end(self, logs: MutableMapping[str, float] | None = None) -> None:
        """Keep the fit, give back the best weights, and log to MLflow, where asked for."""
        if not self._rows:
            return
        self.on_epoch_begin(0)
        if self._best[1]:
            self.model.set_weights(self._best[1])
            self._best = self._best[0], []
        if self.stopped is not None:
            print(self.stopped.message().text(self.options.language), flush=True)
        fits = self.fits[self._name]
        fits.append(replace(self.fit, seed=len(fits)))
        if self.options.log_to_mlflow:
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
            for name, fits in self.fits.items()
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
        """What the validation labels and the images say of the data."""
        head = self._head or Head(marks=False, from_logits=False)
        found = head.facts(self._labels["val"], self._num_classes)
        return replace(found, copies=self._known.copies, shifted=self._known.shifted)

    def judge(self, name: str = "") -> Judgement:
        """The judgement of one model, the latest by default; all others are its siblings.

        Raises:
            InvalidFit: no epoch has ended yet, or there is no model of that name.
        """
        name = name or self._name
        fits, rules, facts = self._fits(name), self.options.rules, self.facts
        siblings = {
            other: self._draws(other, whole)
            for other, known in self.fits.items()
            if other != name and (whole := [fit for fit in known if fit.failed is None])
        }
        return judgement.judge(name, fits, rules, facts, siblings)

    def _draws(self, name: str, whole: Sequence[Fit]) -> Draws:
        """The draws of a model, made once for so many fits of it."""
        key = name, len(whole)
        if key not in self._drawn:
            self._drawn[key] = judgement.drawn(whole, self.options.rules, self.facts)
        return self._drawn[key]

    def judge_all(self) -> list[Judgement]:
        """The judgements of all models, each beside the others as its siblings.

        Raises:
            InvalidFit: no epoch has ended yet.
        """
        return [self.judge(name) for name, fits in self.fits.items() if fits] or [self.judge()]

    def _fits(self, name: str) -> Sequence[Fit]:
        if self.fits.get(name):
            return self.fits[name]
        if name != self._name:
            known = ", ".join(self.fits) or "none yet"
            raise InvalidFit(f"CleanScores: no model {name!r}; there are: {known}.")
        return [self.fit]

    def report(self, language: str = "") -> str:
        """The judgement of the latest model in words, English ("en") or Japanese ("ja")."""
        return sentences.report(self.judge(), language or self.options.language)

    def plot(self, language: str = "") -> Any:
        """The curves of every model as a matplotlib figure; see `clean_shown.figure`.

        Raises:
            NoPlot: matplotlib is not installed.
        """
        return clean_shown.figure(self.judge_all(), language or self.options.language)

    def save_page(self, path: str | Path, language: str = "") -> None:
        """Write the interactive page of all models so far to `path` (needs the extra `page`).

        Images are on it where the model takes arrays of them, `(n, height, width, 1 or 3)`.
        """
        from overfit_atlas.page import saved

        language = language or self.options.language
        marks = self._head is not None and self._head.marks
        val = None if marks else class_numbers(self._labels["val"])
        pictures = None
        if val is not None:
            probe = class_numbers(self._labels["probe"])
            pictures = saved.pictures_of(self._images, probe, val)
        saved.write(Path(path), saved.of_judgements(self.judge_all(), language, pictures, val))

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdicts of all models, and their curves."""
        if not self._rows:
            return "<p>CleanScores: no epoch yet.</p>"
        return clean_shown.html(self.judge_all(), self.options.language)
