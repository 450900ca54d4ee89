"""What a finished training leaves behind to be judged: curves over epochs, and per-image scores.

Tables in, records out; reads no file. `Fit` is one seed of one model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.errors import AtlasError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
METRICS = (
    "loss", "calibrated_loss", "accuracy", "ece", "brier", "temperature", "true_accuracy",
)  # fmt: skip
COLUMNS = ("seed", "epoch", "split", *METRICS, "penalty", "learning_rate", "seconds")


class InvalidFit(AtlasError):
    """A training cannot be read as one: columns, lengths or values do not fit."""


@dataclass(frozen=True)
class PerImage:
    """Clean scores of each image after each epoch, epoch-major.

    Attributes:
        val_loss: cross-entropy in nats `(num_epochs, num_val)`; float16 is precise enough.
        val_correct: predicted class equals label.
        val_confidence: probability of the predicted class, 0..1.
        probe_loss, probe_correct, probe_confidence: the same on the probe.
        val_brier, probe_brier: squared probability error, 0..2, where it was kept.
        val_calibrated, probe_calibrated: loss after one temperature (`scoring.calibration`), for
            val cross-fitted, where it is known.
        val_predicted, probe_predicted: the predicted class, where it was kept.
    """

    val_loss: NDArray[np.floating]
    val_correct: NDArray[np.bool_]
    val_confidence: NDArray[np.floating]
    probe_loss: NDArray[np.floating]
    probe_correct: NDArray[np.bool_]
    probe_confidence: NDArray[np.floating]
    val_brier: NDArray[np.floating] | None = None
    probe_brier: NDArray[np.floating] | None = None
    val_calibrated: NDArray[np.floating] | None = None
    probe_calibrated: NDArray[np.floating] | None = None
    val_predicted: NDArray[np.unsignedinteger] | None = None
    probe_predicted: NDArray[np.unsignedinteger] | None = None

    def head(self, num_epochs: int) -> "PerImage":
        """The same without the epochs after the first `num_epochs`."""
        arrays = {
            name: array[:num_epochs] for name, array in vars(self).items() if array is not None
        }
        return replace(self, **arrays)

    def epoch(self, split: str, score: str, index: int) -> Floats:
        """One epoch's scores `(num_images,)`: `score` is loss, correct, ...

        `index` counts from 0.
        """
        return np.asarray(getattr(self, f"{split}_{score}")[index], dtype=np.float64)


@dataclass(frozen=True)
class Fit:
    """One fit: `curves` has one row an epoch and split (columns `COLUMNS`; missing is NaN).

    Splits are `running` (what Keras shows while it trains), `probe` and `val` (clean scores).
    `per_image` is None where only curves are known.
    """

    curves: "pd.DataFrame"
    per_image: PerImage | None = None
    seed: int = 0

    @cached_property
    def num_epochs(self) -> int:
        """How many epochs were recorded, failed ones included."""
        return int(self.curves["epoch"].nunique())

    @cached_property
    def epochs(self) -> NDArray[np.int64]:
        """The numbers of the epochs, rising `(num_epochs,)`."""
        return np.sort(self.curves["epoch"].unique()).astype(np.int64)

    @cached_property
    def first_epoch(self) -> int:
        """The number of the first epoch: 1, or later for a history that begins later."""
        return int(self.epochs[0])

    @cached_property
    def num_finite(self) -> int:
        """How many epochs passed before the validation or probe loss was not finite."""
        finite = np.isfinite(self.series("val", "loss"))
        if self.has_probe:
            finite &= np.isfinite(self.series("probe", "loss"))
        return int(np.argmin(finite)) if not finite.all() else len(finite)

    @property
    def failed(self) -> str | None:
        """Why the fit is not one to judge ("epoch 7: the loss is not finite"), or None."""
        if self.num_finite == self.num_epochs:
            return None
        return f"epoch {self.first_epoch + self.num_finite}: the loss is not finite"

    @cached_property
    def has_probe(self) -> bool:
        """Whether clean scores of training images are there, not only Keras' running ones."""
        rows = self.curves[self.curves["split"] == "probe"]
        return bool(len(rows)) and bool(np.isfinite(rows["loss"].to_numpy(dtype=float)).any())

    @property
    def fitted(self) -> str:
        """The split that says how well the training images are fitted: probe, else running."""
        return "probe" if self.has_probe else "running"

    def series(self, split: str, metric: str) -> Floats:
        """One curve `(num_epochs,)` in order of epochs; NaN where nothing was recorded."""
        curves = self._curves.get(split, {})
        return curves.get(metric, np.full(self.num_epochs, np.nan)).copy()

    @cached_property
    def _curves(self) -> dict[str, dict[str, Floats]]:
        columns = self.curves.select_dtypes("number").columns.difference(["seed", "epoch"])
        values = self.curves[columns].to_numpy(dtype=np.float64)
        places = np.searchsorted(self.epochs, self.curves["epoch"].to_numpy())
        splits = self.curves["split"].to_numpy()
        found: dict[str, dict[str, Floats]] = {}
        for split in dict.fromkeys(splits):
            rows = splits == split
            table = np.full((len(columns), self.num_epochs), np.nan)
            table[:, places[rows]] = values[rows].T
            found[str(split)] = dict(zip(columns, table, strict=True))
        return found


def smoothed(curve: NDArray[np.floating], window: int) -> Floats:
    """The mean over the last `window` epochs at each epoch, over the last axis; causal."""
    totals = np.cumsum(curve, axis=-1, dtype=np.float64)
    before = np.zeros_like(totals)
    before[..., window:] = totals[..., :-window] if window < totals.shape[-1] else 0
    counts = np.minimum(np.arange(1, totals.shape[-1] + 1), window)
    means: Floats = (totals - before) / counts
    return means


def from_table(
    curves: "pd.DataFrame", per_image: Mapping[int, PerImage] | None = None
) -> list[Fit]:
    """One history a seed from a long table, such as `results/curves/MODEL.csv`.

    Raises:
        InvalidFit: a column is missing, or a seed has the same epoch and split twice.
    """
    missing = {"epoch", "split", "loss"} - set(curves.columns)
    if missing:
        raise InvalidFit(f"curves table: no column {sorted(missing)}; got {list(curves.columns)}.")
    if "seed" not in curves:
        curves = curves.assign(seed=0)
    if curves.duplicated(["seed", "epoch", "split"]).any():
        raise InvalidFit("curves table: a seed has the same epoch and split more than once.")
    if not (curves["split"] == "val").any():
        raise InvalidFit(f"curves table: no split 'val'; got {sorted(set(curves['split']))}.")
    given = per_image or {}
    found = [
        Fit(rows.reset_index(drop=True), given.get(_seed(seed)), _seed(seed))
        for seed, rows in curves.groupby("seed")
    ]
    for one in found:
        if one.per_image is not None and len(one.per_image.val_loss) != one.num_epochs:
            raise InvalidFit(
                f"seed {one.seed}: {one.num_epochs} epochs in the curves, but per-image scores of "
                f"{len(one.per_image.val_loss)}; give those of the same fit."
            )
    return found


def _seed(value: object) -> int:
    return int(str(value))
