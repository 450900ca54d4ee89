"""params.yaml as typed, validated, frozen records; the only reader of that file.

Start at `load`. Every record below is one section of the file, and every field one key.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from overfit_atlas import addresses
from overfit_atlas.errors import AtlasError
from overfit_atlas.rules import Rules

Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1_000_000)]
NonNegative = Annotated[float, Field(ge=0, le=1_000_000)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Width = Annotated[int, Field(ge=1, le=1_000_000)]
Units = Annotated[tuple[Width, ...], Field(min_length=1, max_length=100)]
Dataset = Literal[
    "fashion_mnist_mini", "digits", "mnist", "fashion_mnist", "cifar10", "cifar100", "folder", "npz"
]
Net = Literal["dense", "cnn", "efficientnet"]
Links = Literal["inside", "follow"]
Layout = Literal["auto", "classes"]
Sizes = Annotated[tuple[Annotated[int, Field(ge=0, le=1_000_000)], ...], Field(min_length=1)]
Activation = Literal["relu", "elu", "gelu", "selu", "silu", "sigmoid", "tanh", "leaky_relu"]
Augmentation = Literal[
    "flip",
    "shift",
    "rotate",
    "zoom",
    "cutout",
    "random_colour",
    "randaugment",
    "mixup",
    "cutmix",
    "random_erasing",
]
Initialiser = Literal["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal"]

OWN_NET = r".+\.py:[^\W\d]\w*"
WIDTH, DROPOUT = "width", "dropout"
"""Keys of a study that every model has: its size (`models.with_width`), and its dropout."""
USUAL_AXES = [WIDTH, DROPOUT]
"""Those of a map, unless `tune.axes` names others; sentences and the page are made for them."""
OF_THE_STUDY = ("seeds", "epochs", "early_stopping")
"""Keys of `train` that a study has in `tune`, or sets by itself."""
MOST_CHARACTERS = 200_000
MOST_VALUES, DEEPEST = 100_000, 50


class ParamsError(AtlasError):
    """params.yaml, or an override of it, is not valid; the message names the key and the remedy."""


class Record(BaseModel):
    """Base of all sections: immutable, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Section = TypeVar("Section", bound=Record)


class Download(Record):
    """Which images, and where they come from."""

    dataset: Dataset = "fashion_mnist_mini"
    path: str | None = None
    mirror: str | None = None
    links: Links = "inside"
    layout: Layout = "auto"

    @model_validator(mode="after")
    def _path_where_needed(self) -> "Download":
        if self.dataset in ("folder", "npz") and not self.path:
            raise ValueError(f"dataset={self.dataset!r} needs download.path: where your images are")
        return self


class Preprocess(Record):
    """How the images are split, resized and, for experiments, spoiled."""

    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    image_size: Annotated[int, Field(ge=4, le=2048)] | None = None
    colour: Literal["grey", "rgb"] | None = None
    train_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    label_noise: Rate = 0.0
    imbalance: Annotated[float, Field(ge=1, le=10_000)] = 1.0
    on_bad_image: Literal["fail", "skip"] = "fail"
    duplicates: Literal["keep", "drop_from_train"] = "drop_from_train"


class Regularised(Record):
    """What every trainable model shares: regularisers, and overrides of `train` for it alone."""

    width: Positive = 1.0
    dropout: Rate = 0.0
    l1: NonNegative = 0.0
    l2: NonNegative = 0.0
    train: dict[str, Any] = {}


class Dense(Regularised):
    """A fully connected net; `units` is one number a hidden layer."""

    units: Units = (512,)
    activation: Activation = "relu"
    batch_norm: bool = False
    initialiser: Initialiser = "glorot_uniform"


class Cnn(Regularised):
    """Convolution (3x3) and max-pooling, once for each of `filters`, then one dense layer."""

    filters: Units = (32,)
    dense_units: Annotated[int, Field(ge=0, le=1_000_000)] = 128
    pooling: Literal["flatten", "global"] = "flatten"
    activation: Activation = "relu"
    batch_norm: bool = False
    initialiser: Initialiser = "glorot_uniform"


class EfficientNet(Regularised):
    """EfficientNet (Tan & Le 2019) or another network of Keras, from scratch or given weights."""

    variant: Literal[
        "B0", "B1", "B2", "B3", "B4", "B5", "B6", "B7", "Lite0", "Lite1", "Lite2",
        "MobileNetV3Small", "ResNet50V2", "ConvNeXtTiny",
    ] = "B0"  # fmt: skip
    resolution: Annotated[int, Field(ge=32, le=1024)] | None = None
    freeze_ratio: Fraction = 0.0
    head_units: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    augmented_passes: Annotated[int, Field(ge=1, le=1000)] = 4
    batch_norm_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    keep_batch_norm: bool = False
    weights: str | None = None


class Ensemble(Record):
    """The average of several fits: the seeds of one model, or several models by name."""

    base: str = "cnn"
    members: (
        Annotated[tuple[str, ...], Field(min_length=1)] | Annotated[int, Field(ge=2, le=100)] | None
    ) = None
    average: Literal["probabilities", "logits"] = "probabilities"
    equal_cost: bool = True


class Models(Record):
    """One section a model; the key is the name of its file in pipeline/models/."""

    dense: Dense = Dense()
    cnn: Cnn = Cnn()
    efficientnet: EfficientNet = EfficientNet()
    ensemble: Ensemble = Ensemble()

    @model_validator(mode="after")
    def _members_exist(self) -> "Models":
        known = [name for name in type(self).model_fields if name != "ensemble"]
        members = self.ensemble.members
        named = members if isinstance(members, tuple) else ()
        for name in (self.ensemble.base, *named):
            if name not in known:
                raise ValueError(f"ensemble: no model {name!r}; choose among {', '.join(known)}")
        return self


class Enabled(Record):
    """Which models there are; the stages of the others do nothing, and tables do without them."""

    dense: bool = True
    cnn: bool = True
    efficientnet: bool = True
    ensemble: bool = True

    @model_validator(mode="after")
    def _one_at_least(self) -> "Enabled":
        if not (self.dense or self.cnn or self.efficientnet):
            raise ValueError("one of dense, cnn and efficientnet must be true")
        return self


TUNED = "tuned"
"""The search's winner, trained: a model like those of `Models`, whose settings the search found."""
MODEL_NAMES = (*Models.model_fields, TUNED)


def trained_by(name: str) -> str:
    """The stage that trains the model of that name."""
    return name if name == TUNED else f"train@{name}"


class Schedule(Record):
    """Learning rate over epochs; which fields count depends on `name` (see training/schedules)."""

    name: Literal["constant", "warmup", "cosine", "step", "one_cycle", "reduce_on_plateau"] = (
        "constant"
    )
    min_rate: NonNegative = 0.0
    burn_in_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    burn_in_rate: Positive = 1e-4
    warmup_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    flat_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    cooldown_epochs: Annotated[int, Field(ge=0, le=100_000)] = 0
    step_epochs: Count = 10
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Count = 5


class Train(Record):
    """How every model is trained, unless its own `train:` says otherwise."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)] = (0, 1, 2, 3, 4)
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 30
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 32
    optimizer: Literal[
        "adam", "adamw", "sgd", "rmsprop", "adadelta", "adagrad", "nadam", "adamax", "lion", "muon"
    ] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 1e-3
    weight_decay: NonNegative | None = None
    backbone_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    clip_norm: Positive | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    schedule: Schedule = Schedule()
    loss: Literal[
        "categorical_crossentropy",
        "binary_crossentropy",
        "kl_divergence",
        "cosine_similarity",
        "mean_absolute_error",
        "focal",
    ] = "categorical_crossentropy"
    label_smoothing: Rate = 0.0
    augmentation: tuple[Augmentation, ...] = ()
    augmentation_strength: Annotated[float, Field(gt=0, le=3)] = 1.0
    balance: Literal["none", "class_weights", "sampling", "logit_adjustment", "augmentation"] = (
        "none"
    )
    early_stopping: Count | None = None
    best_by: Literal["calibrated_loss", "loss", "accuracy", "last"] = "calibrated_loss"

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("every seed may stand there once: equal seeds give equal fits")
        return seeds


class Workers(Record):
    """Where fits run. No key here changes a number, so no stage re-runs for it."""

    count: Annotated[int, Field(ge=0, le=1024)] | None = None
    scheduler: str | None = None


class Range(Record):
    """Numbers to choose from: `low` to `high`, all alike or, with `log`, all factors alike."""

    low: int | float
    high: int | float
    log: bool = False


Among = Range | tuple[Any, ...]
"""What a search may choose a value from: a range, or a list of choices."""


class Tune(Record):
    """The two Optuna studies: the map of overfitting, and the search for the best model."""

    model: Net = "dense"
    map: bool = True
    storage: str | None = None
    widths: Sizes = (4, 8, 16, 32, 64, 128, 256, 512)
    dropouts: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.0, 0.2, 0.4, 0.6, 0.8)
    axes: dict[str, Any] | None = None
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    epochs: Count = 40
    also_at_epochs: tuple[Count, ...] | None = None
    turn_folds: bool = True
    train_fractions: Annotated[tuple[Share, ...], Field(min_length=1)] = (1.0,)
    label_noises: tuple[Rate, ...] = ()
    sampler: Literal["grid", "sobol"] = "grid"
    points: Count | None = None
    batch: Count = 4
    threshold: Positive | None = None
    minutes: Positive | None = None
    search_trials: Annotated[int, Field(ge=0, le=100_000)] = 16
    search_space: dict[str, Any] = {"train.learning_rate": Range(low=1e-4, high=1e-2, log=True)}

    @field_validator("search_space")
    @classmethod
    def _ranges(cls, space: dict[str, Any]) -> dict[str, Among]:
        return {key: _among(key, value) for key, value in _leaves(space)}

    @field_validator("axes")
    @classmethod
    def _two_of_numbers(cls, axes: dict[str, Any] | None) -> dict[str, tuple[float, ...]] | None:
        return None if axes is None else _two_axes(dict(_leaves(axes)))

    @model_validator(mode="after")
    def _possible(self) -> "Tune":
        for name in ("widths", "dropouts", "seeds", "train_fractions", "label_noises"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}={list(values)}: every value may stand there once")
        widths = self.widths if self.axes is None else self.axes.get(WIDTH, ())
        for width in widths:
            _check_width(self.model, width)
        for place, keys in (("axes", self.axes or {}), ("search_space", self.search_space)):
            full = f"models.{self.model}.{DROPOUT}"
            if DROPOUT in keys and full in keys:
                raise ValueError(f"{place}: {DROPOUT} and {full} are the same; name one of them")
        if any(epoch >= self.epochs for epoch in self.also_at_epochs or ()):
            raise ValueError(f"also_at_epochs lie before the last of {self.epochs} epochs")
        return self


def _check_width(model: str, width: float) -> None:
    """Widths of EfficientNet are numbers of variants, those of other nets units or filters."""
    low, high = (0, 7) if model == "efficientnet" else (1, 1_000_000)
    if not low <= width <= high or width != int(width):
        raise ValueError(f"widths of {model} are whole numbers from {low} to {high}, got {width}")


def _leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and what stands there, however deep they are nested."""
    for key, value in document.items():
        if isinstance(value, Mapping) and not {"low", "high", "log"} & set(value):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _among(key: str, value: Any) -> Among:
    if isinstance(value, list | tuple) and value:
        return tuple(value)
    if isinstance(value, Range):
        return value
    try:
        found = Range.model_validate(value)
    except ValidationError:
        raise ValueError(
            f"{key}: expected a list of choices, or a range such as "
            f"{{low: 0.001, high: 0.1, log: true}}, got {_short(value)}"
        ) from None
    if found.low > found.high or (found.log and found.low <= 0):
        least = "0 < low <= high" if found.log else "low <= high"
        raise ValueError(f"{key}: a range needs {least}, got {_short(value)}")
    return found


def _two_axes(axes: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    if len(axes) != 2:
        raise ValueError(f"a map has two axes, got {len(axes)}: {', '.join(axes) or 'none'}")
    for key, values in axes.items():
        numbers = isinstance(values, list | tuple) and all(
            isinstance(one, int | float) and not isinstance(one, bool) for one in values
        )
        if not numbers or len(set(values)) < max(len(values), 2):
            raise ValueError(f"{key}: expected two or more different numbers, got {_short(values)}")
    return {key: tuple(sorted(values)) for key, values in axes.items()}


class Compare(Record):
    """The small comparison of remedies that belongs to the report."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=2)] = (0, 1, 2, 3, 4)


class OfImages(Record):
    """The study of many small fits on random parts of train; the rest is as in `train`."""

    model: str = "dense"
    width: Annotated[int, Field(ge=0, le=1_000_000)] = 128
    fits: Annotated[int, Field(ge=20, le=100_000)] = 400
    share: Annotated[float, Field(gt=0, lt=1)] = 0.7
    epochs: Count = 15
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 2e-3
    suspicion: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @field_validator("model")
    @classmethod
    def _known(cls, model: str) -> str:
        if model not in get_args(Net) and not re.fullmatch(OWN_NET, model):
            raise ValueError(
                f"got {model!r}: choose dense, cnn or efficientnet, or name a function of your "
                "own, such as nets/mine.py:build_model"
            )
        return model

    @model_validator(mode="after")
    def _possible(self) -> "OfImages":
        if self.model in get_args(Net):
            _check_width(self.model, self.width)
        return self


THRESHOLDS = Rules()


class Evaluate(Record):
    """How scores are summarised and a training is judged; see `overfit_atlas.rules.Rules`."""

    read_test: bool = True
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = THRESHOLDS.confidence
    num_draws: Annotated[int, Field(ge=100, le=100_000)] = THRESHOLDS.num_draws
    num_resamples: Annotated[int, Field(ge=100, le=1_000_000)] = THRESHOLDS.num_resamples
    smoothing: Count = THRESHOLDS.smoothing
    wide_gap: Positive = THRESHOLDS.wide_gap
    wide_gap_nats: Positive = THRESHOLDS.wide_gap_nats
    material_loss: Positive = THRESHOLDS.material_loss
    material_nats: Positive = THRESHOLDS.material_nats
    material_accuracy: Positive = THRESHOLDS.material_accuracy
    target_accuracy: Fraction | None = THRESHOLDS.target_accuracy

    @property
    def rules(self) -> Rules:
        """The same as the light core takes it."""
        return Rules(**self.model_dump(exclude={"read_test"}))


class Report(Record):
    """The page people read."""

    language: Literal["en", "ja"] = "en"


class Params(Record):
    """The whole of params.yaml."""

    seed: Seed = 0
    download: Download = Download()
    preprocess: Preprocess = Preprocess()
    enabled: Enabled = Enabled()
    models: Models = Models()
    train: Train = Train()
    workers: Workers = Workers()
    tune: Tune = Tune()
    compare: Compare = Compare()
    images: OfImages = OfImages()
    evaluate: Evaluate = Evaluate()
    report: Report = Report()

    @model_validator(mode="after")
    def _enough_members(self) -> "Params":
        members = self.models.ensemble.members
        base = self.models.ensemble.base
        named = members if isinstance(members, tuple) else (base,)
        missing = [name for name in named if not getattr(self.enabled, name)]
        if self.enabled.ensemble and missing:
            raise ValueError(
                f"enabled.ensemble: its members are fits of {missing[0]}, which is not enabled; "
                "set enabled.ensemble to false, or name others in models.ensemble"
            )
        seeds = getattr(self.models, base).train.get("seeds", self.train.seeds)
        if isinstance(members, int) and members > len(seeds):
            raise ValueError(
                f"models.ensemble.members: {members} members, but {base} is trained with "
                f"{len(seeds)} seeds; give train.seeds more of them"
            )
        return self

    @model_validator(mode="after")
    def _studied_values(self) -> "Params":
        tune = self.tune
        kept = getattr(self.models, tune.model), self.train_for(tune.model)
        for place, space in (("axes", tune.axes or {}), ("search_space", tune.search_space)):
            for key, among in space.items():
                ends = (among.low, among.high) if isinstance(among, Range) else among
                for value in ends:
                    try:
                        with_value(tune.model, kept, key, value, f"tune.{place}")
                    except ParamsError as error:
                        raise ValueError(str(error).removesuffix(".")) from None
        return self

    def train_for(self, name: str) -> Train:
        """`train` as model `name` uses it: the common section under the model's own overrides."""
        overrides = getattr(getattr(self.models, name), "train", {})
        return validate(Train, _merged(_plain(self.train), overrides), f"models.{name}.train")


def load(path: Path | str, overrides: Mapping[str, Any] | None = None) -> Params:
    """The validated parameters in `path`, with `overrides` (`{"train.epochs": 3}`) on top.

    Raises:
        ParamsError: the file is missing or not YAML, or a key or value is not allowed; the message
            is one sentence that names the key, what was got, and what would do.
    """
    document = _read(Path(path))
    if document is None or document == {}:
        raise ParamsError(
            f"{path}: says nothing, and what the program then takes is not what the shipped file "
            "says. Get that one back: git checkout params.yaml."
        )
    return parse(document, overrides)


def parse(document: Any, overrides: Mapping[str, Any] | None = None) -> Params:
    """`load` for a document already read from YAML: nested dicts, lists and scalars."""
    if document is not None and not isinstance(document, dict):
        got = type(document).__name__
        raise ParamsError(f"params.yaml: got a {got}, expected sections such as 'train:'.")
    merged: dict[str, Any] = dict(document or {})
    for key, value in (overrides or {}).items():
        merged = _merged(merged, _nested(str(key), value))
    addresses.know(merged)
    params = validate(Params, merged, "")
    for name in type(params.models).model_fields:
        params.train_for(name)
    return params


def with_value(
    model: str, kept: tuple[Regularised, Train], key: str, value: Any, place: str
) -> tuple[Regularised, Train]:
    """Section and training of a model with one key of a study at `value`.

    Args:
        key: `models.MODEL.KEY`, `train.KEY` or `dropout`. `width` changes nothing here: what it
            means is the model's own affair (`models.with_width`).
        place: the key of `tune` that asks for it, for messages.

    Raises:
        ParamsError: there is no such key, or it cannot be `value`.
    """
    section, train = kept
    full = f"models.{model}.{DROPOUT}" if key == DROPOUT else key
    own, _, of_section = full.partition(f"models.{model}.")
    of_train = full.removeprefix("train.")
    if key == WIDTH:
        return kept
    if not own and of_section and of_section.split(".")[0] != "train":
        merged = _merged(_plain(section), _nested(of_section, value))
        return validate(type(section), merged, f"{place}: models.{model}"), train
    if of_train not in (full, *OF_THE_STUDY):
        merged = _merged(_plain(train), _nested(of_train, value))
        return section, validate(Train, merged, f"{place}: train")
    raise ParamsError(
        f"{place}: got {key!r}, which no study of tune.model={model!r} can vary: name width, "
        f"dropout, a key of models.{model}, or one of train (not {', '.join(OF_THE_STUDY)}, which "
        "tune has itself)."
    )


def schema() -> dict[str, Any]:
    """The JSON schema of params.yaml, which editors use for completion and checks."""
    return Params.model_json_schema()


def read_yaml(path: Path) -> Any:
    """The content of a YAML 1.2 file (the dialect DVC uses, where `1e-3` is a number).

    Raises:
        ParamsError: the file is missing, unreadable or not YAML.
    """
    return _read(path)


def assignment(text: str) -> tuple[str, Any]:
    """Key and YAML value of an override such as `train.epochs=3`.

    Raises:
        ParamsError: there is no key, or no YAML value.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    key, sign, value = text.partition("=")
    if not sign or not key:
        raise ParamsError(f"{text!r}: expected key=value, such as train.epochs=3.")
    try:
        return key, YAML(typ="safe", pure=True).load(value)
    except YAMLError:
        raise ParamsError(f"{key}: {value!r} is not a YAML value.") from None


def _read(path: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MOST_CHARACTERS + 1)  # a device may never end
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"longer than {MOST_CHARACTERS:,} characters")
        _check_size(YAML(typ="safe", pure=True).compose(text))
        return YAML(typ="safe", pure=True).load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: cannot be read ({error}). Give a YAML text file.") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ParamsError(f"{path}: not valid YAML: {_why(error)}.") from None


def _check_size(node: Any) -> None:
    """Raise ValueError for YAML larger than a person would write, all its aliases written out.

    Nine lines of nine aliases each stand for a billion values, and are built where they are merged.
    """
    size, depth = _extent(node, {})
    if size > MOST_VALUES or depth > DEEPEST:
        raise ValueError(
            f"{size:,} values in {depth} levels with all aliases written out, at most "
            f"{MOST_VALUES:,} in {DEEPEST} are read"
        )


def _extent(node: Any, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How many values `node` stands for, in how many levels; each node is visited once."""
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise ValueError("an alias that holds itself")
        return found
    known[id(node)] = None
    value = node.value if node is not None else ()
    inside = [one for pair in value for one in (pair if isinstance(pair, tuple) else (pair,))]
    extents = [_extent(one, known) for one in inside] if not isinstance(value, str) else []
    extent = 1 + sum(size for size, _ in extents), 1 + max((d for _, d in extents), default=0)
    known[id(node)] = extent
    return extent


def _why(error: Exception) -> str:
    """What is wrong where; not the text around it, which may hold half a password."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark else ""
    return " ".join(str(problem or error).split())[:200] + where


def _plain(record: Record) -> dict[str, Any]:
    plain: dict[str, Any] = record.model_dump(mode="json")
    return plain


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def validate(record: type[Section], document: Any, prefix: str) -> Section:
    """`document`, plain YAML values, as a `record`; `prefix` is the key or file it stands in.

    Raises:
        ParamsError: an unknown key or a value that is not allowed, named in one sentence each.
    """
    try:
        return record.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise ParamsError(" ".join(" ".join(_sentences(record, error, prefix)).split())) from None
    except (TypeError, RecursionError, ValueError) as error:
        raise ParamsError(f"{prefix or 'params.yaml'}: not plain YAML values: {error}") from None


def _sentences(record: type[Record], error: ValidationError, prefix: str) -> Iterator[str]:
    problems = error.errors(include_url=False)
    places = [problem["loc"] for problem in problems]
    for problem in problems[:5]:
        place = problem["loc"]
        inside = any(len(one) > len(place) and one[: len(place)] == place for one in places)
        if problem["type"] == "too_short" and inside:
            continue  # pydantic misses the very entries that it has refused already
        unknown = problem["type"] == "extra_forbidden"
        path = [str(part) for part in problem["loc"] if unknown or not _is_union_branch(str(part))]
        key = ".".join(([prefix] if prefix else []) + path) or "params.yaml"
        if unknown:
            yield f"{key}: unknown key.{_did_you_mean(record, path)}"
            continue
        message = problem["msg"].removeprefix("Value error, ")
        got = "" if problem["type"] == "value_error" else f" (got {_short(problem['input'])})"
        yield f"{key}: {message}{got}."


def _is_union_branch(part: str) -> bool:
    return "[" in part or part in ("int", "str", "float", "constrained-int")


def _did_you_mean(record: type[Record], path: Sequence[str]) -> str:
    section: Any = record
    for part in path[:-1]:
        field = getattr(section, "model_fields", {}).get(part)
        section = field.annotation if field else None
    known = list(getattr(section, "model_fields", {}))
    near = difflib.get_close_matches(path[-1], known, n=1)
    return f" Did you mean '{near[0]}'?" if near else f" Known keys: {', '.join(known)}."


def _short(value: Any) -> str:
    text = addresses.masked(repr(value))
    return text if len(text) <= 60 else text[:57] + "..."
