"""From the finished fits to an outcome for each variant: scores at both moments, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overfit_atlas import judgement
from overfit_atlas.facts import Facts
from overfit_atlas.record import Judgement
from pipeline.comparing import scoring
from pipeline.comparing.class_scores import Resampled
from pipeline.comparing.outcome import Outcome, Plan
from pipeline.comparing.scoring import MOMENTS, Moment
from pipeline.comparing.variant import Variant
from pipeline.data.prepared import Prepared, Split
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

    def facts(self) -> Facts:
        """What is known of the validation images."""
        return Facts.of_labels(np.asarray(self.data.val.labels), self.num_classes)

    def resampled(self) -> Resampled:
        """The bootstrap weights of the validation images."""
        labels = np.asarray(self.data.val.labels)
        return Resampled.draw(labels, self.num_classes, self.settings.num_resamples)


def outcomes(plan: Plan, results: Sequence[FitResult], setting: Setting) -> list[Outcome]:
    """One outcome a variant, the baseline first; a variant of which a fit broke down has no scores.

    Variants that were trained on the same images are siblings in their verdicts.
    """
    by_name = {name: [results[place] for place in places] for name, places in plan.places.items()}
    judgements = _judgements(plan, by_name, setting)
    resampled = setting.resampled()
    return [
        Outcome(
            variant,
            tuple(by_name[variant.name]),
            _scores(variant, by_name[variant.name], setting, resampled),
            setting.num_train[variant.name],
            judgements.get(variant.name),
        )
        for variant in plan.variants
    ]


def _judgements(
    plan: Plan, by_name: Mapping[str, Sequence[FitResult]], setting: Setting
) -> dict[str, Judgement]:
    """The verdict on each variant that has fits of its own."""
    rules, facts = setting.settings.rules, setting.facts()
    trained = [one for one in plan.variants if one.members is None and not one.temperature]
    fits = {one.name: [result.history for result in by_name[one.name]] for one in trained}
    whole = {
        name: [fit for fit in own if fit.failed is None and fit.per_image]
        for name, own in fits.items()
    }
    draws = {name: judgement.drawn(own, rules, facts) for name, own in whole.items() if own}
    found = {}
    for variant in trained:
        siblings = {
            other.name: draws[other.name]
            for other in trained
            if other.name in draws
            and other.name != variant.name
            and other.vary(0) == variant.vary(0)
        }
        name = variant.name
        found[name] = judgement.judge(name, fits[name], rules, facts, siblings)
    return found


def _scores(
    variant: Variant, results: list[FitResult], setting: Setting, resampled: Resampled
) -> dict[Moment, scoring.Scores]:
    """At both moments; empty where a fit broke down."""
    if any(one.failed for one in results):
        return {}
    if variant.members is not None:
        labels = {"probe": setting.probes[variant.name].labels, "val": setting.data.val.labels}
        predicted = setting.probabilities[variant.name]
        return {
            moment: scoring.of_ensemble(predicted[moment], labels, variant.members, resampled)
            for moment in MOMENTS
        }
    stopped = variant.train.early_stopping is not None
    found: dict[Moment, scoring.Scores] = {
        moment: scoring.of_fits(results, "best" if stopped else moment, resampled)
        for moment in MOMENTS
    }
    if variant.temperature:
        return {moment: scoring.tempered(one) for moment, one in found.items()}
    return found
