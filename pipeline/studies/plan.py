"""What the two studies ask for: their spaces, the points of the map, and the fits of a point."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
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

from pipeline import models
from pipeline import params as parameters
from pipeline.data.prepared import Manifest
from pipeline.files import FETCHED_WEIGHTS
from pipeline.params import (
    DROPOUT,
    WIDTH,
    Among,
    Params,
    ParamsError,
    Range,
    Regularised,
    Train,
    Tune,
)
from pipeline.studies import designs
from pipeline.studies.designs import Point
from pipeline.training.task import FitTask, Vary, packages

Purpose = Literal["map", "search"]

NUM_BUDGETS = 5
"""A map is also drawn after fewer epochs: so many budgets, by equal factors, from a sixth on."""
WIDE_RANGE = 10
"""An axis of a map whose largest value is so many times its smallest is logarithmic."""
PATIENCE_SHARE = 0.25
"""The search stops a fit without a better validation loss for this share of the epochs; the map
never stops one."""
OF_FITS = (
    "overfit_atlas/scoring",
    "pipeline/data",
    "pipeline/models",
    "pipeline/tiny_images",
    "pipeline/training",
    "pipeline/studies",
)
DECISIVE_CODE: dict[Purpose, tuple[str, ...]] = {
    "map": ("overfit_atlas", *OF_FITS),
    "search": OF_FITS,
}
"""Folders of the code that decides a trial: what the search is about is not judged."""


@dataclass(frozen=True)
class Axis:
    """One of the two parameters that a map varies.

    Attributes:
        name: its key: `width`, `dropout`, or `models.MODEL.KEY` or `train.KEY`.
        log: whether its values are spread evenly on a logarithmic scale.
        whole: whether it takes whole numbers alone.
    """

    name: str
    values: tuple[float, ...]
    log: bool
    whole: bool

    @property
    def distribution(self) -> BaseDistribution:
        """From its least to its greatest value."""
        low, high = min(self.values), max(self.values)
        if self.whole:
            return IntDistribution(int(low), int(high), log=self.log)
        return FloatDistribution(low, high, log=self.log)


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

    @cached_property
    def axes(self) -> tuple[Axis, Axis]:
        """What the map varies: first what makes the net stronger, then what holds its gap small."""
        tune = self.tune
        if tune.axes is not None:
            first, second = tune.axes.items()
            return self._axis(*first), self._axis(*second)
        return self._axis(WIDTH, tune.widths), Axis(DROPOUT, tune.dropouts, log=False, whole=False)

    def _axis(self, name: str, values: tuple[float, ...]) -> Axis:
        low, high = min(values), max(values)
        log = low > 0 and WIDE_RANGE * low <= high
        if name == WIDTH:  # variants are numbered
            log = self.tune.model != "efficientnet"
        return Axis(name, values, log, self._whole(name, values))

    @cached_property
    def slices(self) -> list[Point]:
        """The data the map is made for, one slice each: train_fraction and label_noise."""
        noises = self.tune.label_noises or (round(self.manifest.label_noise, 6),)
        axes = {"train_fraction": self.tune.train_fractions, "label_noise": noises}
        return designs.grid(axes)

    @cached_property
    def plane(self) -> dict[str, BaseDistribution]:
        """Both axes of the map, between the least and the most asked for."""
        return {axis.name: axis.distribution for axis in self.axes}

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
        """The parameters of a trial of the search: those of the map, and `tune.search_space`."""
        asked = self.tune.search_space
        return {**self.plane, **{key: self._distribution(key, one) for key, one in asked.items()}}

    def _distribution(self, key: str, among: Among) -> BaseDistribution:
        if not isinstance(among, Range):
            return CategoricalDistribution([_stored(one) for one in among])
        if self._whole(key, (among.low, among.high)):
            return IntDistribution(int(among.low), int(among.high), log=among.log)
        return FloatDistribution(among.low, among.high, log=among.log)

    def _whole(self, key: str, values: Sequence[float]) -> bool:
        """Whether a key takes whole numbers alone: these are, and nothing between them fits."""
        if not all(isinstance(one, int) for one in values) or key == WIDTH:
            return key == WIDTH
        try:
            parameters.with_value(self.tune.model, self._settings, key, min(values) + 0.5, "tune")
        except ParamsError:
            return True
        return False

    @property
    def _settings(self) -> tuple[Regularised, Train]:
        """What a study varies: the model's section and training, as the parameters have them."""
        model = self.tune.model
        return getattr(self.params.models, model), self.params.train_for(model)

    @property
    def num_points(self) -> int:
        """How many points each slice of the map has."""
        num_points = math.prod(len(axis.values) for axis in self.axes)
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
            plane = designs.grid({axis.name: axis.values for axis in self.axes})
        else:
            plane = designs.sobol(self.plane, self.num_points, self.params.seed)
        points = [{**point, **part} for part in self.slices for point in plane]
        kept = [{name: point[name] for name in self.space} for point in points]
        if tune.minutes is not None:
            order = np.random.default_rng(self.params.seed).permutation(len(kept))
            return [kept[place] for place in order]
        return sorted(kept, key=lambda point: -point[self.axes[0].name])

    def full(self, point: Point) -> Point:
        """A map's trial: `width` and `dropout`, be they other axes, and its data.

        Tables of a map call its axes so until they are written (`named`).
        """
        of_axes = zip((WIDTH, DROPOUT), (point[axis.name] for axis in self.axes), strict=True)
        return {**self._data(point), **dict(of_axes)}

    def named(self, column: str) -> str:
        """The name of a map's column with the name of the axis that it is about."""
        for role, axis in zip((WIDTH, DROPOUT), self.axes, strict=True):
            if column == role or column.startswith(f"{role}_"):
                return axis.name + column.removeprefix(role)
        return column

    def _data(self, point: Point) -> Point:
        return {name: point.get(name, value) for name, value in self.slices[0].items()}

    def corners(self) -> list[Point]:
        """Points at the ends of the map's axes and, one key at a time, of the search space."""
        first, second = self.axes
        least = min(second.values)
        found = [
            {first.name: end, second.name: least} for end in (min(first.values), max(first.values))
        ]
        for key, one in self.search_space.items():
            found += [{**found[0], key: end} for end in _ends(one)]
        return found

    def settings(self, point: Mapping[str, Any]) -> tuple[Regularised, Train]:
        """The model's section and its training at a point of the map or the search."""
        model, found = self.tune.model, self._settings
        if WIDTH in point:
            found = models.with_width(model, found[0], point[WIDTH]), found[1]
        for key, value in point.items():
            if key not in self.slices[0]:
                value = self._meant(key, value)
                found = parameters.with_value(model, found, key, value, "tune")
        return found

    def _meant(self, key: str, stored: Any) -> Any:
        """A parameter of a trial as the parameters have it: Optuna keeps no lists."""
        among = self.tune.search_space.get(key)
        choices = among if isinstance(among, tuple) else ()
        return next((one for one in choices if _stored(one) == stored), stored)

    def tasks(
        self, point: Point, purpose: Purpose = "map", seeds: Sequence[int] | None = None
    ) -> list[FitTask]:
        """The fits of a point of the map or the search, one a seed."""
        tune = self.tune
        section, train = self.settings(point)
        changes: dict[str, Any] = {"epochs": tune.epochs, "early_stopping": None}
        if purpose == "search":
            changes["early_stopping"] = math.ceil(PATIENCE_SHARE * tune.epochs)
        first = FitTask(
            model=tune.model,
            section=section,
            train=train.model_copy(update=changes),
            seed=tune.seeds[0],
            data=self.data.resolve(),
            data_hash=self.manifest.content_hash,
            vary=self._vary(self._data(point)),
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
            names += ["widths", "dropouts", "axes", "search_space", "batch"]
        return {
            "tune": {name: tune[name] for name in names},
            "varied": [axis.name for axis in self.axes],
            "budgets": self.budgets(purpose),
            "section": self._section(),
            "train": self.params.train_for(model).model_dump(mode="json", exclude={"seeds"}),
            "rules": self._rules(purpose),
            "seed": self.params.seed,
            "data": self.manifest.content_hash,
            "code": _code_hash(purpose),
            "packages": packages(),
        }

    def _rules(self, purpose: Purpose) -> dict[str, Any]:
        """What is said of a trial hangs on: of a searched one, which is not judged, very little."""
        rules = self.params.evaluate.rules
        if purpose == "search":
            return {"smoothing": rules.smoothing}
        return asdict(replace(rules, num_resamples=0))  # resamples are of maps, not of trials

    def _section(self) -> dict[str, Any]:
        """The model's settings; weights from a registry by their content, wherever they lie."""
        section: dict[str, Any] = getattr(self.params.models, self.tune.model).model_dump(
            mode="json"
        )
        weights = Path(section.get("weights") or "")
        if weights.parent.parts[-2:] == FETCHED_WEIGHTS.parts:
            section["weights"] = weights.name
        return section


def _ends(one: BaseDistribution) -> Sequence[Any]:
    """The least and the greatest value, or all choices."""
    if isinstance(one, IntDistribution | FloatDistribution):
        return one.low, one.high
    assert isinstance(one, CategoricalDistribution)
    return one.choices


def _stored(choice: Any) -> Any:
    """A choice as Optuna keeps it: a list as its text."""
    return json.dumps(choice) if isinstance(choice, list | tuple) else choice


@cache
def _code_hash(purpose: Purpose) -> str:
    """A hash of the code that decides a trial: trials of other code are never taken over."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for folder in DECISIVE_CODE[purpose]:
        for source in sorted((root / folder).glob("*.py")):
            digest.update(f"{folder}/{source.name}".encode() + source.read_bytes())
    return digest.hexdigest()
