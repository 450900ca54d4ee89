"""From the finished fits to an outcome for each variant: scores at both moments, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.scoring.scores import Predictions
from pipeline.comparing import scoring
from pipeline.comparing.class_scores import Resampled
from pipeline.comparing.outcome import Outcome, Plan
from pipeline.comparing.scoring import MOMENTS, Moment
from pipeline.comparing.variant import Variant
from pipeline.data.prepared import Prepared, Split
from pipeline.diagnosis.diagnose import best_reference, diagnose, diagnose_predictions
from pipeline.diagnosis.verdict import Reference
from pipeline.params import Evaluate
from pipeline.training.task import FitResult

Probabilities = Mapping[Moment, Mapping[str, NDArray[np.floating]]]


@dataclass(frozen=True)
class Setting:
    """What all variants are judged with.

    Attributes:
        num_train: images in train by variant.
        probabilities: by ensemble variant, moment and split `(num_seeds, num_images, num_classes)`
            of its members.
        probes: by ensemble variant, the probe of its members.
    """

    data: Prepared
    settings: Evaluate
    num_train: Mapping[str, int]
    probabilities: Mapping[str, Probabilities]
    probes: Mapping[str, Split]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return self.data.manifest.num_classes

    def resampled(self) -> Resampled:
        """The bootstrap weights of the validation images."""
        labels = np.asarray(self.data.val.labels)
        return Resampled.draw(labels, self.num_classes, self.settings.num_resamples)


def outcomes(plan: Plan, results: Sequence[FitResult], setting: Setting) -> list[Outcome]:
    """One outcome a variant, the baseline first; a variant of which a fit broke down has no scores.

    Verdicts take the best fit among the variants as their reference.
    """
    by_name = {name: [results[place] for place in places] for name, places in plan.places.items()}
    trained = {
        variant.name: [one.history for one in by_name[variant.name]]
        for variant in plan.variants
        if variant.members is None
    }
    reference = best_reference(trained, setting.settings)
    resampled = setting.resampled()
    return [
        _outcome(variant, by_name[variant.name], setting, (resampled, reference))
        for variant in plan.variants
    ]


def _outcome(
    variant: Variant,
    results: list[FitResult],
    setting: Setting,
    shared: tuple[Resampled, Reference | None],
) -> Outcome:
    resampled, reference = shared
    failed = any(one.failed for one in results)
    found: dict[Moment, scoring.Scores] = {}
    diagnosis: Any = None
    if variant.members is None:
        histories = [one.history for one in results]
        classes = setting.num_classes
        diagnosis = diagnose(variant.name, histories, setting.settings, reference, classes)
        if not failed:
            stopped = variant.train.early_stopping is not None
            for moment in MOMENTS:
                found[moment] = scoring.of_fits(results, "best" if stopped else moment, resampled)
    elif not failed:
        labels = {"probe": setting.probes[variant.name].labels, "val": setting.data.val.labels}
        predicted = setting.probabilities[variant.name]
        for moment in MOMENTS:
            found[moment] = scoring.of_ensemble(
                predicted[moment], labels, variant.members, resampled
            )
        splits = {
            split: Predictions(rotations(predicted["last"][split], variant.members), labels[split])
            for split in ("probe", "val")
        }
        diagnosis = diagnose_predictions(variant.name, splits, setting.settings, reference)
    return Outcome(variant, tuple(results), found, setting.num_train[variant.name], diagnosis)


def rotations(probabilities: NDArray[np.floating], members: int) -> NDArray[np.floating]:
    """As many ensembles as seeds, each of `members` seeds in a row: every seed is in as many."""
    seeds = len(probabilities)
    return np.stack(
        [
            probabilities[[(first + step) % seeds for step in range(members)]].mean(axis=0)
            for first in range(seeds)
        ]
    )
