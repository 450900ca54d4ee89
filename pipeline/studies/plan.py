"""What the two studies ask for: their spaces, the points of the map, and the fits of a point."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from overfit_atlas.facts import Facts
from pipeline import models
from pipeline.data.prepared import Manifest
from pipeline.files import FETCHED_WEIGHTS
from pipeline.params import Params, Tune
from pipeline.studies import designs
from pipeline.studies.designs import Point
from pipeline.training.task import FitTask, Vary, packages

Purpose = Literal["map", "search"]

NUM_BUDGETS = 5
"""A map is also drawn after fewer epochs: so many budgets, by equal factors, from a sixth on."""
PATIENCE_SHARE = 0.25
"""The search stops a fit without a better validation loss for this share of the epochs; the map
never stops one."""
DECISIVE_CODE = (
    "overfit_atlas",
    "overfit_atlas/scoring",
    "pipeline/data",
    "pipeline/models",
    "pipeline/tiny_images",
    "pipeline/training",
    "pipeline/studies",
)


@dataclass(frozen=True)
class Plan:
    """The map and the search of one model on one data set.

    Attributes:
        data: the folder of prepared arrays that `manifest` describes.
    """

    params: Params
    data: Path
    manifest: Manifest

    @property
    def tune(self) -> Tune:
        """The section of the parameters that this is about."""
        return self.params.tune

    @property
    def log_width(self) -> bool:
        """Whether width is spread evenly on a logarithmic scale; variants are numbered instead."""
        return self.tune.model != "efficientnet"

    @cached_property
    def slices(self) -> list[Point]:
        """The data the map is made for, one slice each: train_fraction and label_noise."""
        noises = self.tune.label_noises or (round(self.manifest.label_noise, 6),)
        axes = {"train_fraction": self.tune.train_fractions, "label_noise": noises}
        return designs.grid(axes)

    @cached_property
    def plane(self) -> dict[str, BaseDistribution]:
        """Width and dropout, between the least and the most asked for."""
        widths, dropouts = self.tune.widths, self.tune.dropouts
        return {
            "width": IntDistribution(min(widths), max(widths), log=self.log_width),
            "dropout": FloatDistribution(min(dropouts), max(dropouts)),
        }

    @cached_property
    def space(self) -> dict[str, BaseDistribution]:
        """The parameters of a trial of the map: the plane, and what differs between slices."""
        varied = {
            name: CategoricalDistribution(sorted({point[name] for point in self.slices}))
            for name in ("train_fraction", "label_noise")
        }
        more = {name: one for name, one in varied.items() if len(one.choices) > 1}
        return {**self.plane, **more}

    @cached_property
    def search_space(self) -> dict[str, BaseDistribution]:
        """The parameters of a trial of the search."""
        low, high = self.tune.search_rates
        return {**self.plane, "learning_rate": FloatDistribution(low, high, log=True)}

    @cached_property
    def facts(self) -> Facts:
        """What is known of the validation images besides the scores on them."""
        counts = self.manifest.counts["val"]
        labels = np.repeat(np.arange(len(counts)), counts)
        facts = Facts.of_labels(labels, len(counts))
        return replace(facts, one_split=not self.tune.turn_folds)

    @property
    def num_points(self) -> int:
        """How many points each slice of the map has."""
        num_points = len(self.tune.widths) * len(self.tune.dropouts)
        return num_points if self.tune.sampler == "grid" else self.tune.points or num_points

    def budgets(self, purpose: Purpose) -> tuple[int, ...]:
        """The numbers of epochs after which the fits of a study are scored, the last one last."""
        tune = self.tune
        if purpose == "search":
            return (tune.epochs,)
        earlier = tune.also_at_epochs
        if earlier is None:
            earlier = tuple(np.geomspace(tune.epochs / 6, tune.epochs, NUM_BUDGETS))[:-1]
        found = {round(float(one)) for one in earlier} - {0, tune.epochs}
        return (*sorted(found), tune.epochs)

    def design(self) -> list[Point]:
        """The points of the map, those of the widest nets first.

        Wide nets take longest, so that no worker is left with one at the end. Where the minutes are
        limited the points come in random order, so that any number of them covers the map.
        """
        tune = self.tune
        if tune.sampler == "grid":
            plane = designs.grid({"width": tune.widths, "dropout": tune.dropouts})
        else:
            plane = designs.sobol(self.plane, self.num_points, self.params.seed)
        points = [{**point, **part} for part in self.slices for point in plane]
        kept = [{name: point[name] for name in self.space} for point in points]
        if tune.minutes is not None:
            order = np.random.default_rng(self.params.seed).permutation(len(kept))
            return [kept[place] for place in order]
        return sorted(kept, key=lambda point: -point["width"])

    def full(self, point: Point) -> Point:
        """A trial's parameters with those that are the same in all trials."""
        return {**self.slices[0], **point}

    def tasks(self, point: Point, seeds: Sequence[int] | None = None) -> list[FitTask]:
        """The fits of a point of the map or the search, one a seed."""
        tune, model = self.tune, self.tune.model
        section = models.with_width(model, getattr(self.params.models, model), point["width"])
        changes: dict[str, Any] = {"epochs": tune.epochs, "early_stopping": None}
        if "learning_rate" in point:
            patience = math.ceil(PATIENCE_SHARE * tune.epochs)
            changes |= {"learning_rate": point["learning_rate"], "early_stopping": patience}
        first = FitTask(
            model=model,
            section=section.model_copy(update={"dropout": point["dropout"]}),
            train=self.params.train_for(model).model_copy(update=changes),
            seed=tune.seeds[0],
            data=self.data.resolve(),
            data_hash=self.manifest.content_hash,
            vary=self._vary(self.full(point)),
            smoothing=self.params.evaluate.smoothing,
        )
        return [
            replace(first, seed=seed, vary=replace(first.vary, fold=seed if tune.turn_folds else 0))
            for seed in seeds or tune.seeds
        ]

    def _vary(self, point: Point) -> Vary:
        # Without a list of noises the labels stay as they were prepared.
        noise = point["label_noise"] if self.tune.label_noises else None
        as_prepared = noise == round(self.manifest.label_noise, 6)
        return Vary(point["train_fraction"], None if as_prepared else noise)

    def decisive(self, purpose: Purpose) -> dict[str, Any]:
        """All that decides the numbers of a trial, and in a search its parameters.

        A finished grid may grow by a width, or be cut at another threshold, without a new fit.
        """
        model, tune = self.tune.model, self.tune.model_dump(mode="json")
        names = ["model", "seeds", "epochs", "turn_folds", "train_fractions", "label_noises"]
        if purpose == "search":
            names += ["widths", "dropouts", "search_rates", "batch"]
        rules = asdict(replace(self.params.evaluate.rules, num_resamples=0))  # of maps, not trials
        return {
            "tune": {name: tune[name] for name in names},
            "budgets": self.budgets(purpose),
            "section": self._section(),
            "train": self.params.train_for(model).model_dump(mode="json", exclude={"seeds"}),
            "rules": rules,
            "seed": self.params.seed,
            "data": self.manifest.content_hash,
            "code": _code_hash(),
            "packages": packages(),
        }

    def _section(self) -> dict[str, Any]:
        """The model's settings; weights from a registry by their content, wherever they lie."""
        section: dict[str, Any] = getattr(self.params.models, self.tune.model).model_dump(
            mode="json"
        )
        weights = Path(section.get("weights") or "")
        if weights.parent.parts[-2:] == FETCHED_WEIGHTS.parts:
            section["weights"] = weights.name
        return section


@cache
def _code_hash() -> str:
    """A hash of the code that decides a trial: trials of other code are never taken over."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for folder in DECISIVE_CODE:
        for source in sorted((root / folder).glob("*.py")):
            digest.update(f"{folder}/{source.name}".encode() + source.read_bytes())
    return digest.hexdigest()
