"""One comparison from its settings to its tables: what `compare` does, and `classics` for many.

Its fits see train and val only; test images are left to `evaluate`.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from overfit_atlas.errors import AtlasError
from overfit_atlas.scoring.scores import softmax
from pipeline.comparing import judged, lists, tables
from pipeline.comparing.judged import Setting
from pipeline.comparing.outcome import Outcome, Plan
from pipeline.comparing.record import Comparison
from pipeline.comparing.scoring import MOMENTS, SPLITS
from pipeline.comparing.variant import Variant, Views
from pipeline.data import folds
from pipeline.data.prepared import Prepared, Split
from pipeline.files import replacing, write_json
from pipeline.params import Evaluate
from pipeline.training import checks
from pipeline.training.finished import Fitted, Kept
from pipeline.training.task import FitError, FitResult, FitTask


@dataclass(frozen=True)
class Result:
    """What a comparison came to, as tables and plain JSON values."""

    curves: pd.DataFrame
    effects: pd.DataFrame
    classes: pd.DataFrame
    variants: dict[str, Any]
    summary: dict[str, Any]


def with_lists(variant: Variant, data: Prepared) -> Variant:
    """`variant` with what its lists of images say."""
    read = [lists.read(kind, Path(path), data) for kind, path in variant.lists]
    return replace(variant, corrections=tuple(chain.from_iterable(read)))


def checked(variants: Sequence[Variant], seeds: Sequence[int], data: Prepared) -> dict[str, int]:
    """How many training images each variant has; before any training.

    Raises:
        AtlasError: settings do not fit each other or the images; the message begins with the
            variant.
    """
    manifest = data.manifest
    counts = {}
    for variant in variants:
        try:
            checks.check(
                variant.settings, variant.model, manifest.image_shape, manifest.num_classes
            )
            counts[variant.name] = len(_varied(variant, seeds[0], data).train)
        except AtlasError as error:
            raise type(error)(f"variant {variant.name!r}: {error}") from None
    return counts


def _varied(variant: Variant, seed: int, data: Prepared) -> Prepared:
    return folds.varied(data, **vars(variant.vary(seed)))


def fitted(planned: Plan, kept: Kept, missing: Fitted) -> list[FitResult]:
    """The results of all fits of `planned`, in their order; `missing` runs those not in `kept`."""
    found = dict(kept.run(planned.tasks, missing))
    return [found[index] for index in sorted(found)]


def judge(
    planned: Plan,
    results: list[FitResult],
    data: Prepared,
    settings: Evaluate,
    num_train: Mapping[str, int],
    kept: Kept,
) -> list[Outcome]:
    """One outcome a variant of `planned` from its finished fits, the baseline first.

    Kept are these fits alone, and what members of ensembles say.
    """
    probabilities, probes = {}, {}
    ensembles: list[list[FitTask]] = []
    for variant in planned.variants:
        places = planned.places[variant.name]
        members = [results[place] for place in places]
        if variant.members is None or any(one.failed for one in members):
            continue
        probe = probes[variant.name] = _varied(variant, planned.seeds[0], data).probe
        ensembles.append([planned.tasks[place] for place in places])
        make = partial(_predicted, members, variant.views, probe, data.val)
        said = kept.arrays(ensembles[-1], make, variant.views)
        probabilities[variant.name] = {
            moment: {split: said[f"{moment}/{split}"] for split in SPLITS} for moment in MOMENTS
        }
    kept.discard_others(planned.tasks, *ensembles)
    setting = Setting(data, settings, num_train, probabilities, probes)
    return judged.outcomes(planned, results, setting)


def _predicted(
    members: list[FitResult], views: Views | None, probe: Split, val: Split
) -> dict[str, NDArray[np.floating]]:
    """By "moment/split" the raw probabilities of each member at its best and last epoch.

    Of several `views` the mean.
    """
    from pipeline import prediction

    splits = [np.asarray(probe.images), np.asarray(val.images)]
    versions = [_version(images, views, number) for number in _numbers(views) for images in splits]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for moment in MOMENTS:
            paths = []
            for member in members:
                path = Path(folder) / f"{moment}-{member.seed}.keras"
                path.write_bytes(getattr(member, moment) or b"")
                paths.append(path)
            said = [softmax(one.logits) for one in prediction.of_seeds(paths, versions)]
            for start, split in enumerate(SPLITS):
                found[f"{moment}/{split}"] = np.mean(said[start :: len(SPLITS)], axis=0)
    return found


def _numbers(views: Views | None) -> range:
    return range(views.number if views else 1)


def _version(images: NDArray[np.uint8], views: Views | None, number: int) -> NDArray[np.uint8]:
    """The images themselves as number 0, else changed at random, by a seed of that number."""
    if views is None or number == 0:
        return images
    from pipeline.training import augmentation

    return augmentation.changed(images, views.of, number)


def result_of(
    comparison: Comparison,
    outcomes: list[Outcome],
    data: Prepared,
    settings: Evaluate,
    overrides: Mapping[str, Any],
) -> Result:
    """The tables and records of `outcomes`; `overrides` are said to have been changed."""
    rules = settings.rules
    effects = tables.effects(outcomes, rules)
    described = tables.variants(outcomes, rules)
    summary = {
        "title": comparison.title,
        "model": comparison.model,
        "baseline": outcomes[0].name,
        "baseline_settings": {**comparison.baseline, **overrides},
        "scaled": dict(overrides),
        "dataset": data.manifest.dataset,
        "num_train": outcomes[0].num_images,
        "num_val": len(data.val),
        "held_out": "val",
        "draw": comparison.draw,
        "seeds": [one.seed for one in outcomes[0].results],
        "confidence": rules.confidence,
        "source": comparison.source,
        "kinds": {name: one["effect"] for name, one in described.items() if not one["baseline"]},
        "data_size": tables.sizes(outcomes, rules) if comparison.fit else None,
    }
    classes = tables.classes(outcomes, data.manifest.class_names, rules.confidence)
    return Result(tables.curves(outcomes), effects, classes, described, summary)


def write(folder: Path, result: Result) -> None:
    """Write the tables of a comparison as CSV, its records as JSON."""
    with replacing(folder, "summary.json") as temporary:
        temporary.mkdir()
        named = {"curves": result.curves, "effects": result.effects, "per_class": result.classes}
        for name, table in named.items():
            table.to_csv(temporary / f"{name}.csv", index=False, float_format="%.9g")
        write_json(temporary / "variants.json", result.variants)
        write_json(temporary / "summary.json", result.summary)


def require_baseline(outcomes: list[Outcome]) -> None:
    """Raise FitError where the baseline broke down, against which all others are held."""
    base = outcomes[0]
    if base.failures:
        raise FitError(
            f"the baseline {base.name!r} broke down ({'; '.join(base.failures)}), so there is "
            "nothing to compare with: lower train.learning_rate in its settings."
        )
