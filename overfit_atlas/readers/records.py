"""What a reader hands on: the fits of a log, and what there is to say of the reading."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.readers.said import said

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Note:
    """One thing to be said of a reading, by key (`said.NOTES` holds the sentences)."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedFit:
    """The curves of one fit, each of shape (num_epochs,), NaN where an epoch has no value.

    Accuracies are in 0..1, `epochs` are numbered as the log numbers them. Where the loss is not
    finite from some epoch to the end, the curves stop before it (`not_finite_from`), while
    `num_logged` and `last` still tell of the log as a whole.
    """

    name: str
    model: str
    phase: str | None
    seed: int | None
    epochs: Ints
    loss: Floats | None
    accuracy: Floats | None
    val_loss: Floats | None
    val_accuracy: Floats | None
    columns: Mapping[str, str]  # role -> its name in the log
    num_val_images: int | None = None
    num_classes: int | None = None
    running_train: bool = True  # training scores are running means of the epoch, as in most loops
    penalty_in_loss: bool = False
    val_loss_comparable: bool = True  # False: the difference of the losses is no gap
    not_finite_from: int | None = None
    num_logged: int = 0  # epochs in the log, those without a finite loss included
    last: Mapping[str, float] = field(default_factory=dict)  # role -> last finite value in the log

    def as_json(self) -> dict[str, object]:
        """What the record of a judgement says of this fit."""
        return {
            "name": self.name,
            "model": self.model,
            "phase": self.phase,
            "seed": self.seed,
            "epochs": self.num_logged,
            "first_epoch": int(self.epochs[0]),
            "columns": dict(self.columns),
            "last": dict(self.last),
        }


@dataclass(frozen=True)
class Read:
    """What was read of one or more sources."""

    format: str  # a name of `formats()`, or "several"
    fits: tuple[LoggedFit, ...]
    not_used: tuple[str, ...]  # columns and files passed over
    notes: tuple[Note, ...]

    def said(self, language: str = "en") -> str:
        """One line on what was read, in `language` ("en" or "ja")."""
        return said(self, language)

    def as_json(self) -> dict[str, object]:
        """The entry `read` of a judgement's record."""
        return {
            "format": self.format,
            "fits": [fit.as_json() for fit in self.fits],
            "not_used": list(self.not_used),
            "notes": [{"key": note.key, **note.values} for note in self.notes],
        }
