"""What one fit is asked for and what it gives back; plain records that travel between processes."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from overfit_atlas.errors import AtlasError
from overfit_atlas.scoring.fits import Fit
from pipeline import models
from pipeline.params import Regularised, Schedule, Train

DECISIVE_PACKAGES = ("tensorflow", "keras", "numpy")


class FitError(AtlasError):
    """A fit cannot start, or went wrong while it ran; the message names the epoch or the key."""


Corrections = tuple[tuple[int, int], ...]
"""Of single train images: the id, and the label to learn, or -1 to leave the image out."""


@dataclass(frozen=True)
class Vary:
    """How a fit's data differ from the prepared ones; the defaults change nothing.

    See `pipeline.data.folds.varied`: `turned` for `fold`, and `spoil.vary` for the others.
    """

    train_fraction: float = 1.0
    label_noise: float | None = None
    imbalance: float = 1.0
    seed: int = 0
    fold: int = 0
    corrections: Corrections = ()


@dataclass(frozen=True)
class FitTask:
    """One model, one seed, one data set.

    Attributes:
        data: the folder of prepared arrays.
        data_hash: their content hash, part of the checkpoint's name.
        smoothing: trailing window, in epochs, of the validation score that chooses the best epoch.
        keep_weights: whether the result carries the best and last model as `.keras` files.
        checkpoints: where the state after each epoch is kept, or None for no resuming.
        share: of the train images that the fit learns from, drawn from its seed. Below 1 it is a
            fit of a study of subsets, and its result has `of_train` in place of curves.
    """

    model: str
    section: Regularised
    train: Train
    seed: int
    data: Path
    data_hash: str = ""
    vary: Vary = field(default_factory=Vary)
    smoothing: int = 3
    keep_weights: bool = False
    checkpoints: Path | None = None
    share: float = 1.0

    def key(self) -> str:
        """A hash of all that decides the numbers: the task, its data, the code and its packages.

        Weights to begin with count by their content.
        """
        decisive = replace(self, data=Path(), checkpoints=None)
        given = getattr(self.section, "weights", None) is not None
        weights = models.origin(self.model, self.section) if given else ""
        text = f"{decisive!r} {weights} {code_hash()} {packages()}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def checkpoint(self) -> Path | None:
        """The file in `checkpoints` that is this task's own."""
        return self.checkpoints / f"{self.key()}.npz" if self.checkpoints else None

    @property
    def on_features(self) -> bool:
        """Whether the backbone is frozen, so that the head alone is trained, on kept features.

        Not where augmentation mixes images or goes by class: labels would have to be kept too.
        """
        mixing = {"mixup", "cutmix"} & set(self.train.augmentation)
        by_class = self.train.balance == "augmentation"
        return getattr(self.section, "freeze_ratio", 0.0) == 1.0 and not (mixing or by_class)

    @property
    def head_alone(self) -> "FitTask | None":
        """The fit of the head alone, on kept features, that this one is or begins with; or None.

        It begins with one where the schedule has a burn-in, in which a backbone with given weights
        is frozen. The optimizer of the epochs after it begins anew.
        """
        if self.on_features:
            return self
        schedule = self.train.schedule
        if not schedule.burn_in_epochs or getattr(self.section, "weights", None) is None:
            return None
        constant = {"learning_rate": schedule.burn_in_rate, "epochs": schedule.burn_in_epochs}
        train = {**constant, "schedule": Schedule(), "early_stopping": None}
        head = replace(
            self,
            section=self.section.model_copy(update={"freeze_ratio": 1.0}),
            train=self.train.model_copy(update=train),
            keep_weights=False,
            checkpoints=None,
        )
        return head if head.on_features else None


@dataclass(frozen=True)
class OfTrain:
    """What a fit that learnt from a part of train says, at its end, of all of train and of val.

    Attributes:
        inside: whether it learnt from the image (num_train,).
        probabilities: float16 (num_train, num_classes); val_probabilities the same of val.
        loss: cross-entropy of each train image, nats, float32 (num_train,).
    """

    inside: np.ndarray
    probabilities: np.ndarray
    loss: np.ndarray
    val_probabilities: np.ndarray


@dataclass(frozen=True)
class FitResult:
    """One finished fit.

    Attributes:
        history: clean and running scores of every epoch, and the per-image scores behind them.
        best_epoch: 1-based; the best of the smoothed clean validation score that
            `train.best_by` names.
        temperature: fitted on val at that epoch; the delivered model divides its logits by it.
        seconds: wall time of the fit, scoring included, compilation included.
        failed: why the fit stopped early ("epoch 7: the training loss is nan"), or None.
        probabilities: of the validation images at the best epoch `(num_val, num_classes)`.
        best, last: the model of that epoch as the bytes of a `.keras` file, where asked for.
        num_traces: how often the training epoch was traced for this fit (0 when reused).
        of_train: of a fit with a `share` of train alone; its history is the last epoch.
    """

    seed: int
    history: Fit
    best_epoch: int
    seconds: float
    num_parameters: int
    probabilities: np.ndarray
    temperature: float = 1.0
    failed: str | None = None
    best: bytes | None = None
    last: bytes | None = None
    num_traces: int = 0
    of_train: OfTrain | None = None


@dataclass(frozen=True)
class Progress:
    """What one finished epoch says to who watches; `rows` are those of its curves."""

    model: str
    seed: int
    epoch: int
    epochs: int
    running_loss: float
    probe_loss: float
    val_loss: float
    val_accuracy: float
    rows: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Computed:
    """How many images have their features, while these are computed."""

    model: str
    done: int
    total: int


@cache
def packages() -> dict[str, str]:
    """The versions of the packages that decide numbers."""
    return {name: version(name) for name in DECISIVE_PACKAGES}


@cache
def code_hash() -> str:
    """A hash of the code that trains and predicts, so that what other code left is never used."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    ours = [package / name for name in ("data", "models", "tiny_images", "training")]
    for folder in (*ours, package.parent / "overfit_atlas" / "scoring"):
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.name.encode() + source.read_bytes())
    digest.update((package / "prediction.py").read_bytes())
    return digest.hexdigest()
