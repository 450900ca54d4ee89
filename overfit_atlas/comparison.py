"""Whether one model is better than another on the same images: `compare`, `compare_ensemble`.

All differences are A minus B, positive where A is better at accuracy and F1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from overfit_atlas import resampling
from overfit_atlas.errors import AtlasError
from overfit_atlas.estimates import Estimate, Json, over_seeds, wilson
from overfit_atlas.resampling import Floats, Resampled
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.scores import Predictions


class ComparisonError(AtlasError):
    """Two models cannot be compared: they were not scored on the same images."""


@dataclass(frozen=True)
class McNemar:
    """McNemar's test for two models on the same images.

    Attributes:
        only_a, only_b: images that only A, only B classifies rightly, mean over pairs of seeds.
        p: over several pairs of seeds twice the median of their p-values, at most 1, which holds
            however much the pairs depend on each other (Meinshausen, Meier & Buehlmann 2009).
    """

    only_a: float
    only_b: float
    p: float
    num_pairs: int


@dataclass(frozen=True)
class Comparison:
    """Model A against model B.

    Attributes:
        accuracy, macro_f1: differences, with the bootstrap interval over images and seeds.
        accuracy_seeds: the difference in accuracy with the paired t interval over seeds on these
            very images; None where either has one seed.
        probability_better: P(A > B), the share of paired seeds in which A has the higher accuracy,
            ties half, with Wilson's interval (Bouthillier et al. 2021 call 0.75 meaningful); None
            as above.
    """

    mcnemar: McNemar
    accuracy: Estimate
    macro_f1: Estimate
    accuracy_seeds: Estimate | None
    probability_better: Estimate | None

    def as_json(self) -> Json:
        """The fields by name."""
        return {
            "mcnemar": dict(vars(self.mcnemar)),
            "accuracy": _json(self.accuracy),
            "macro_f1": _json(self.macro_f1),
            "accuracy_seeds": _json(self.accuracy_seeds),
            "probability_better": _json(self.probability_better),
        }


def _json(estimate: Estimate | None) -> Json | None:
    return None if estimate is None else estimate.as_json()


def compare(a: Predictions, b: Predictions, rules: Rules) -> Comparison:
    """Model `a` against model `b` on the same images.

    Seeds are paired in order; a model with one seed is held against each seed of the other.

    Raises:
        ComparisonError: other images, or neither as many seeds nor one.
    """
    _require_same_images(a, b)
    pairs = _pairs(a.num_seeds, b.num_seeds)
    accuracy_a, accuracy_b = a.correct.mean(1), b.correct.mean(1)
    by_pair = np.array([accuracy_a[one] - accuracy_b[other] for one, other in pairs])
    accuracy, macro_f1 = _bootstrap(a, b, rules)
    several = a.num_seeds > 1 and b.num_seeds > 1
    return Comparison(
        mcnemar=_mcnemar(a.correct, b.correct, pairs),
        accuracy=accuracy,
        macro_f1=macro_f1,
        accuracy_seeds=over_seeds(by_pair, None, rules.confidence) if several else None,
        probability_better=_probability_better(by_pair, rules) if several else None,
    )


def _require_same_images(a: Predictions, b: Predictions) -> None:
    if not np.array_equal(a.labels, b.labels):
        raise ComparisonError(
            f"got predictions on {a.num_images} and on {b.num_images} images with other labels; "
            "score both models on the same split of the same data."
        )


def _pairs(num_a: int, num_b: int) -> list[tuple[int, int]]:
    if num_a != num_b and 1 not in (num_a, num_b):
        raise ComparisonError(
            f"got {num_a} and {num_b} seeds; give both models the same seeds, or one of them one."
        )
    num_pairs = max(num_a, num_b)
    return [(min(pair, num_a - 1), min(pair, num_b - 1)) for pair in range(num_pairs)]


def _mcnemar(
    a: NDArray[np.bool_], b: NDArray[np.bool_], pairs: Sequence[tuple[int, int]]
) -> McNemar:
    from scipy import stats

    only_a = np.array([(a[one] & ~b[other]).sum() for one, other in pairs])
    only_b = np.array([(~a[one] & b[other]).sum() for one, other in pairs])
    values = [
        stats.binomtest(int(first), int(first + second)).pvalue if first + second else 1.0
        for first, second in zip(only_a, only_b, strict=True)
    ]
    p = values[0] if len(values) == 1 else min(1.0, 2 * float(np.median(values)))
    return McNemar(float(only_a.mean()), float(only_b.mean()), float(p), len(values))


def _bootstrap(a: Predictions, b: Predictions, rules: Rules) -> tuple[Estimate, Estimate]:
    """Differences in accuracy and macro F1 on the same resampled images and, paired, seeds."""
    predicted = np.concatenate([a.predicted, b.predicted])
    drawn = resampling.resample(a.labels, predicted, a.num_classes, rules.num_resamples)
    own = resampling.f1(a.labels, predicted, a.num_classes)
    accuracy = (predicted == a.labels).mean(1)
    num_a, sizes = a.num_seeds, (max(a.num_seeds, b.num_seeds), a.num_images)
    found = []
    for value, resampled in (
        (accuracy, drawn.accuracy),
        (np.nanmean(own, 1), _macro(drawn)),
    ):
        difference = float(value[:num_a].mean() - value[num_a:].mean())
        spread = _pooled(resampled, num_a)
        low, high = resampling.percentiles(spread, rules.confidence)
        found.append(Estimate(difference, float(low), float(high), *sizes))
    return found[0], found[1]


def _macro(drawn: Resampled) -> NDArray[np.float32]:
    macro: NDArray[np.float32] = np.nanmean(drawn.f1, -1)
    return macro


def _pooled(resampled: NDArray[np.float32], num_a: int) -> Floats:
    """Difference of the means over resampled seeds; paired seeds are drawn together."""
    a, b = resampled[:, :num_a], resampled[:, num_a:]
    if a.shape == b.shape:
        return resampling.over_fits(a - b)
    return resampling.over_fits(a) - resampling.over_fits(b)


def _probability_better(differences: Floats, rules: Rules) -> Estimate:
    wins = float((differences > 0).mean() + 0.5 * (differences == 0).mean())
    count = len(differences)
    low, high = wilson(wins, count, rules.confidence)
    return Estimate(wins, float(low), float(high), count)


@dataclass(frozen=True)
class EnsembleComparison:
    """An ensemble against what it is made of.

    Attributes:
        mean_member: against the mean of its members. best_member: against the member that is best
            on validation (chosen there, so that test does not choose). equal_cost: against one
            model of the same cost, where there is one.
        disagreement: share of images on which two members predict different classes, mean over
            pairs of members; None for one member.
    """

    mean_member: Comparison
    best_member: Comparison
    equal_cost: Comparison | None
    disagreement: float | None

    def as_json(self) -> Json:
        """The fields by name."""
        equal_cost = None if self.equal_cost is None else self.equal_cost.as_json()
        return {
            "mean_member": self.mean_member.as_json(),
            "best_member": self.best_member.as_json(),
            "equal_cost": equal_cost,
            "disagreement": self.disagreement,
        }


def compare_ensemble(
    ensemble: Predictions,
    members: Predictions,
    best: int,
    rules: Rules,
    equal_cost: Predictions | None = None,
) -> EnsembleComparison:
    """The ensemble against its mean member, its best one and a model of equal cost.

    Args:
        members: one "seed" a member.
        best: index of the member with the best validation score (see `best_of`).
    """
    one = Predictions(members.probabilities[best : best + 1], members.labels)
    return EnsembleComparison(
        mean_member=compare(ensemble, members, rules),
        best_member=compare(ensemble, one, rules),
        equal_cost=None if equal_cost is None else compare(ensemble, equal_cost, rules),
        disagreement=disagreement(members),
    )


def best_of(validation: Predictions) -> int:
    """The index of the fit with the lowest validation loss."""
    return int(validation.calibrated_losses.mean(1).argmin())


def disagreement(members: Predictions) -> float | None:
    """Share of images on which two members predict different classes, mean over pairs."""
    pairs = list(combinations(members.predicted, 2))
    return float(np.mean([(one != other).mean() for one, other in pairs])) if pairs else None
