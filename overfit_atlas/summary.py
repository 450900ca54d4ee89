"""The scores of one model on one split, each with its interval: one function for every split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from overfit_atlas import resampling
from overfit_atlas.estimates import Estimate, Json, over_seeds, proportion, standard_error
from overfit_atlas.rules import Rules
from overfit_atlas.scoring import scores
from overfit_atlas.scoring.scores import Predictions


@dataclass(frozen=True)
class Summary:
    """Means over seeds, with intervals over seeds and images.

    Attributes:
        loss: cross-entropy (nats), before the temperature, as brier (0..2) and ece are.
        calibrated_loss: after it, as delivered; on val no image saw its temperature.
        accuracy: on the labels as trained. true_accuracy: on the labels before noise, where they
            differ.
        ece: 15 equal-mass bins; biased upward where images are few.
        macro_f1: mean over classes with images. worst_class_f1: the least of the classes' F1, each
            a mean over seeds; its interval is of the least as well, whichever class that is.
    """

    loss: Estimate
    calibrated_loss: Estimate
    accuracy: Estimate
    true_accuracy: Estimate | None
    ece: Estimate
    brier: Estimate
    macro_f1: Estimate
    worst_class_f1: Estimate

    def as_json(self) -> Json:
        """`{metric: value, metric_interval: [low, high], ..., num_seeds, num_images}`."""
        found: Json = {}
        for name, estimate in vars(self).items():
            if estimate is not None:
                found[name] = estimate.value
                found[f"{name}_interval"] = [estimate.low, estimate.high]
        sizes = {"num_seeds": self.accuracy.num_seeds, "num_images": self.accuracy.num_images}
        return found | sizes


def summarise(predictions: Predictions, rules: Rules) -> Summary:
    """All scores of `predictions`, the same way for probe, val and test."""
    raw = predictions.raw
    shares = [
        scores.calibration_errors(sure, right)
        for sure, right in zip(raw.max(-1), predictions.correct, strict=True)
    ]
    macro, worst = _by_class(predictions, rules)
    return Summary(
        loss=_mean(predictions.losses, rules),
        calibrated_loss=_mean(predictions.calibrated_losses, rules),
        accuracy=_proportion(predictions.correct, rules),
        true_accuracy=_true_accuracy(predictions, rules),
        ece=_within(_mean(np.array(shares), rules), 1.0),
        brier=_mean(scores.brier(raw, predictions.labels), rules),
        macro_f1=macro,
        worst_class_f1=worst,
    )


def _mean(values: NDArray[np.floating], rules: Rules) -> Estimate:
    """From one score an image and seed `(num_seeds, num_images)`."""
    errors: Sequence[float | None] = [standard_error(seed) for seed in values]
    found = over_seeds(values.mean(1), errors, rules.confidence, values.shape[1])
    return _within(found, np.inf)


def _within(estimate: Estimate, highest: float) -> Estimate:
    low = None if estimate.low is None else max(estimate.low, 0.0)
    high = None if estimate.high is None else min(estimate.high, highest)
    return replace(estimate, low=low, high=high)


def _proportion(correct: NDArray[np.bool_], rules: Rules) -> Estimate:
    return proportion(correct.mean(1), correct.shape[1], rules.confidence)


def _true_accuracy(predictions: Predictions, rules: Rules) -> Estimate | None:
    true_labels = predictions.true_labels
    if true_labels is None or np.array_equal(true_labels, predictions.labels):
        return None
    return _proportion(predictions.predicted == true_labels, rules)


def _by_class(predictions: Predictions, rules: Rules) -> tuple[Estimate, Estimate]:
    """Macro F1 and the worst class's, with percentile intervals."""
    labels, num_classes = predictions.labels, predictions.num_classes
    f1 = resampling.f1(labels, predictions.predicted, num_classes).mean(0)
    drawn = resampling.over_fits(
        resampling.resample(labels, predictions.predicted, num_classes, rules.num_resamples).f1
    )
    sizes = (predictions.num_seeds, predictions.num_images)
    found = []
    for least in (np.nanmean, np.nanmin):
        low, high = resampling.percentiles(least(drawn, axis=1), rules.confidence)
        found.append(Estimate(float(least(f1)), float(low), float(high), *sizes))
    return found[0], found[1]
