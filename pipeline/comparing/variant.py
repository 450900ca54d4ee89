"""One variant of a comparison: its settings, and the fits it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from pipeline.params import Augmentation, Params, Record, Regularised, Train
from pipeline.training.task import Corrections, FitTask, Vary

SPOILING = ("train_fraction", "label_noise", "imbalance")


@dataclass(frozen=True)
class Where:
    """The prepared data, and how its fits are kept.

    Attributes:
        data: the folder of prepared arrays; `data_hash` their content hash.
        smoothing: epochs of the trailing window that chooses the best epoch.
        checkpoints: where unfinished fits are kept, or None.
    """

    data: Path
    data_hash: str = ""
    smoothing: int = 3
    checkpoints: Path | None = None


class Views(Record):
    """Test-time augmentation: predictions of several versions of an image, averaged."""

    number: Annotated[int, Field(ge=2, le=100)]
    of: Annotated[tuple[Augmentation, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Variant:
    """A name, a model and all of its settings.

    Attributes:
        members: how many of this variant's seeds are averaged, or None for single fits.
        views: how many versions of an image are predicted and averaged, the image itself among
            them, and what changes the others (see `training.augmentation`); None: the image alone.
        temperature: whether the logits of the fits are divided by one number fitted on val.
        changes: what it overrides of the baseline, as written.
        own_draws: whether each seed draws its own part of the training images, or all the same.
        lists: `drop` or `relabel`, and the CSV that names the images; `corrections` what it says,
            once it is read.
    """

    name: str
    model: str
    settings: Params
    members: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    own_draws: bool = False
    temperature: bool = False
    views: Views | None = None
    lists: tuple[tuple[str, str], ...] = ()
    corrections: Corrections = ()

    @property
    def section(self) -> Regularised:
        """The settings of the network."""
        section: Regularised = getattr(self.settings.models, self.model)
        return section

    @property
    def train(self) -> Train:
        """The settings of the training."""
        return self.settings.train

    def same_fits(self, other: "Variant") -> bool:
        """Whether this variant's fits are those of `other`, so that none has to run twice."""
        mine = self.model, self.section, self.train, self.lists, self.vary(0)
        return mine == (other.model, other.section, other.train, other.lists, other.vary(0))

    def vary(self, seed: int) -> Vary:
        """What is left out of, or spoiled in, the training images of `seed`."""
        asked = self.settings.preprocess
        spoil = Vary(
            asked.train_fraction,
            asked.label_noise or None,
            asked.imbalance,
            corrections=self.corrections,
        )
        return replace(spoil, seed=seed) if self.own_draws and spoil != Vary() else spoil

    def task(self, seed: int, where: Where, keep_weights: bool = False) -> FitTask:
        """The fit of one seed."""
        return FitTask(
            model=self.model,
            section=self.section,
            train=self.train,
            seed=seed,
            data=where.data,
            data_hash=where.data_hash,
            vary=self.vary(seed),
            smoothing=where.smoothing,
            keep_weights=keep_weights,
            checkpoints=where.checkpoints,
        )
