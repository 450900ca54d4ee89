"""One comparison as it stands in `experiments/compare/NAME.yaml`, validated; start at `load`."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from overfit_atlas.errors import AtlasError
from pipeline import params as parameters
from pipeline.comparing.classic import Classic, Overrides, Seeds
from pipeline.comparing.data_size import FEWEST_SIZES
from pipeline.comparing.variant import SPOILING, Variant, Views
from pipeline.params import Net, ParamsError, Record

FOLDER = Path("experiments/compare")
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
Label = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^\S(.*\S)?$")]
LISTS = {"drop": ("id",), "relabel": ("id", "suggested")}
"""Lists of train images that a variant may name, each with the columns it needs."""
BEST_BY_LOSS: Overrides = {"train.best_by": "loss"}
"""Comparisons look at the raw loss, so "the best epoch" is that of the loss unless they say so."""


class ComparisonError(AtlasError):
    """A comparison cannot be run as it is written; the message names file and key."""


class Comparison(Record):
    """What is compared with what.

    Attributes:
        title: one line that says the question.
        data: the data set, a file in `experiments/data/`, or `prepared` for that of params.yaml.
        model: dense, cnn or efficientnet.
        seeds: of each variant; None takes `compare.seeds` of params.yaml.
        baseline_name: what the baseline is called in tables and figures.
        baseline: overrides all variants share (`{"train.epochs": 20}`).
        draw: where less than all training images are used, whether `once` the same ones are drawn
            for all seeds, or `each_seed` draws its own, so that intervals cover that choice too.
        variants: by name, what each changes of the baseline; `ensemble: 3` averages three seeds,
            `temperature: true` divides the logits of the baseline's own fits by one number;
            `views: {number: 8, of: [flip]}` averages what they say of so many versions of an image;
            `drop` and `relabel` name a CSV of train images (see `comparing.lists`).
        fit: `data_size` fits the gap as a power law of the number of training images.
        needs: a file its settings name that another stage makes, such as pretrained weights.
        small: overrides of the baseline with which the default pipeline runs it, to stay short.
        source: where the settings or the expected numbers come from, and what was changed.
        classic: what a source claims of it, and how `make classics` runs it.
    """

    title: Label = "untitled"
    data: Label
    model: Net
    seeds: Seeds | None = None
    baseline_name: Label = "baseline"
    baseline: Overrides = {}
    variants: Annotated[dict[Label, Overrides], Field(min_length=1, max_length=100)]
    draw: Literal["once", "each_seed"] = "once"
    fit: Literal["data_size"] | None = None
    needs: str | None = None
    small: Overrides = {}
    source: str = ""
    classic: Classic | None = None

    def with_baseline(self, overrides: Overrides) -> "Comparison":
        """The same with `overrides` in the baseline, such as `{"preprocess.train_fraction": 0.1}`.

        Raises:
            ComparisonError: with them the comparison cannot be run.
        """
        changed = self.model_copy(update={"baseline": {**self.baseline, **overrides}})
        changed._check_fit()
        return changed

    def as_classic(self, quick: bool) -> "Comparison | None":
        """The comparison that `make classics` runs, on whole data or quickly; None for none.

        Raises:
            ComparisonError: `classic` speaks of a variant that there is not.
        """
        classic = self.classic
        if classic is None or (quick and classic.quick is None):
            return None
        known = {self.baseline_name, *self.variants}
        for name in (*classic.named(), *classic.whole.without):
            if name not in known:
                raise ComparisonError(
                    f"classic: there is no variant {name!r}; there are {sorted(known)}."
                )
        scale = classic.scale(quick)
        kept = {name: one for name, one in self.variants.items() if name not in scale.without}
        changes: dict[str, Any] = {"variants": kept, "seeds": scale.seeds}
        if scale.data:
            changes["data"] = scale.data
        return self.model_copy(update=changes).with_baseline(scale.settings)

    def resolved(self, seeds: tuple[int, ...]) -> list[Variant]:
        """The baseline, then every variant, with all of their settings.

        Raises:
            ComparisonError: an override is unknown, not allowed here, or changes nothing; or an
                ensemble has too many members for `seeds`.
        """
        base = self._variant(self.baseline_name, {}, "baseline")
        variants = [base]
        for name, changes in self.variants.items():
            if name == self.baseline_name:
                raise ComparisonError(f"variants.{name}: that is the name of the baseline.")
            variant = self._variant(name, changes, f"variants.{name}")
            if variant.same_fits(base) and not (
                variant.members or variant.temperature or variant.views
            ):
                raise ComparisonError(f"variants.{name}: changes nothing of the baseline.")
            _require_members(variant, len(seeds))
            if variant.views and variant.members is None:
                variant = replace(variant, members=1)  # each fit by itself, from its predictions
            variants.append(variant)
        return variants

    def _check_fit(self) -> None:
        """Refuse a law of the amount of data for variants that differ in something else."""
        if self.fit != "data_size":
            return
        key = "preprocess.train_fraction"
        others = [name for name, changes in self.variants.items() if set(changes) != {key}]
        if others:
            raise ComparisonError(f"fit: data_size needs variants of {key} alone, not {others}.")
        fractions = {self.baseline.get(key, 1.0), *(one[key] for one in self.variants.values())}
        if len(fractions) < FEWEST_SIZES:
            raise ComparisonError(
                f"fit: data_size needs {FEWEST_SIZES} sizes or more, got {sorted(fractions)}."
            )

    def _variant(self, name: str, changes: Overrides, where: str) -> Variant:
        overrides = {**BEST_BY_LOSS, **self.baseline, **changes}
        members = overrides.pop("ensemble", None)
        temperature = overrides.pop("temperature", False)
        views = _views(overrides.pop("views", None), where)
        lists = tuple((key, overrides.pop(key)) for key in LISTS if key in overrides)
        for key in ("ensemble", "temperature", "views", *LISTS):
            if key in self.baseline:
                raise ComparisonError(f"baseline.{key}: the baseline is a single, plain model.")
        _require_temperature(temperature, members, where)
        _require_paths(lists, where)
        for key in overrides:
            _require_allowed(key, self.model, where)
        try:
            settings = parameters.parse({}, overrides)
        except ParamsError as error:
            raise ComparisonError(f"{where}: {error}") from None
        if members is not None and self.draw == "each_seed":
            raise ComparisonError(
                f"{where}.ensemble: not with draw: each_seed, for its members would together see "
                "more images than the baseline."
            )
        if views and (temperature or self.draw == "each_seed"):
            raise ComparisonError(f"{where}.views: not with temperature, nor with draw: each_seed.")
        return Variant(
            name,
            self.model,
            settings,
            members,
            changes,
            own_draws=self.draw == "each_seed",
            temperature=temperature,
            views=views,
            lists=lists,
        )


def _require_allowed(key: str, model: str, where: str) -> None:
    """Refuse what is no setting of a fit: data sets, other models, workers."""
    spoiling = [f"preprocess.{name}" for name in SPOILING]
    if key in ("train.seeds", f"models.{model}.train", "train", f"models.{model}"):
        raise ComparisonError(f"{where}.{key}: {_INSTEAD.get(key, _ONE_KEY)}")
    if (key.startswith(("train.", f"models.{model}.")) and ".train." not in key) or key in spoiling:
        return
    near = difflib.get_close_matches(
        key, [*spoiling, "ensemble", "temperature", "views", *LISTS], n=1
    )
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ComparisonError(
        f"{where}.{key}: not a setting of one fit.{hint} Allowed: models.{model}.*, train.*, "
        f"{', '.join(spoiling)}, ensemble, temperature, views, drop, relabel. The data set "
        "is chosen by `data:`."
    )


_ONE_KEY = "name one key below it, such as train.epochs or models.dense.units."
_INSTEAD = {"train.seeds": "all variants share the seeds; write `seeds:` beside `variants:`."}


def _views(asked: Any, where: str) -> Views | None:
    if asked is None:
        return None
    if not isinstance(asked, dict):
        raise ComparisonError(
            f"{where}.views: got {asked!r}, expected such as {{number: 8, of: [flip, shift]}}."
        )
    try:
        views = parameters.validate(Views, asked, f"{where}.views")
    except ParamsError as error:
        raise ComparisonError(str(error)) from None
    mixing = sorted({"mixup", "cutmix"} & set(views.of))
    if mixing:
        raise ComparisonError(f"{where}.views.of: {mixing[0]} mixes images; leave it out.")
    return views


def _require_temperature(temperature: Any, members: Any, where: str) -> None:
    if not isinstance(temperature, bool):
        raise ComparisonError(f"{where}.temperature: got {temperature!r}, expected true or false.")
    if temperature and members is not None:
        raise ComparisonError(f"{where}.temperature: not with ensemble; compare them one by one.")


def _require_paths(lists: tuple[tuple[str, Any], ...], where: str) -> None:
    for key, path in lists:
        if not isinstance(path, str) or not path.endswith(".csv"):
            raise ComparisonError(f"{where}.{key}: got {path!r}, expected the path of a .csv file.")


def _require_members(variant: Variant, num_seeds: int) -> None:
    members: Any = variant.members
    if members is None:
        return
    where = f"variants.{variant.name}.ensemble"
    if isinstance(members, bool) or not isinstance(members, int) or members < 2:
        raise ComparisonError(f"{where}: got {members!r}, expected a number of members, 2 or more.")
    if members >= num_seeds:
        raise ComparisonError(
            f"{where}: {members} members need at least {members + 1} seeds, got {num_seeds}: "
            "an interval needs more than one choice of members. "
            "Take fewer members or more seeds."
        )


def load(source: str | Path) -> Comparison:
    """The comparison of that name in `experiments/compare/`, or in the YAML file given.

    Raises:
        ComparisonError: there is no such file (the message lists those there are), or a key or
            value in it is not allowed.
    """
    path = Path(source) if str(source).endswith((".yaml", ".yml")) else _path(str(source))
    document = parameters.read_yaml(path)
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise ComparisonError(f"{path}: got a {kind}, expected keys such as 'variants:'.")
    return parse(document, str(path))


def name_of(source: str | Path) -> str:
    """The name of a comparison given by name or file."""
    return Path(source).stem


def parse(document: Mapping[str, Any], where: str = "comparison") -> Comparison:
    """A comparison from a document already read; `where` begins every message."""
    try:
        comparison = parameters.validate(Comparison, dict(document), "")
        comparison._check_fit()
        return comparison
    except ParamsError as error:
        raise ComparisonError(f"{where}: {error}") from None


def names() -> list[str]:
    """The comparisons there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _path(name: str) -> Path:
    path = FOLDER / f"{name}.yaml"
    if not NAME.fullmatch(name) or not path.is_file():
        known = names()
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise ComparisonError(
            f"comparison {name!r}: no such file in {FOLDER}/. {hint}"
            f"Known: {', '.join(known) or 'none'}."
        )
    return path
