"""What variants change: paired differences to the baseline over the same seeds and images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overfit_atlas import remedies
from overfit_atlas.estimates import Estimate, over_seeds
from pipeline.comparing.scoring import Scores

Floats = NDArray[np.float64]
GAPS = {
    "gap_loss": "loss",
    "gap_calibrated_loss": "calibrated_loss",
    "gap_accuracy": "accuracy",
}
FEWEST = 2
"""Seeds, and images, from which on an interval over both can be had."""


@dataclass(frozen=True)
class ClassEffect:
    """F1 of one class, means over seeds, and the paired difference."""

    base: float
    other: float
    effect: Estimate


@dataclass(frozen=True)
class Pair:
    """Baseline and variant at one moment; `same_probe` if both were probed on the same images."""

    base: Scores
    other: Scores
    same_probe: bool = True

    @property
    def metrics(self) -> list[str]:
        """The scores that both have, finite for all seeds."""
        return [
            name
            for name in self.base.values
            if name in self.other.values and np.isfinite(self.differences(name)).all()
        ]

    def differences(self, name: str) -> Floats:
        """Variant minus baseline `(num_seeds,)`."""
        found: Floats = self.other.values[name] - self.base.values[name]
        return found

    def parts(self, name: str) -> list[Floats] | None:
        """The difference image by image, an array for each set of images (see `remedies`).

        A gap in loss is val - probe, one in accuracy probe - val. None for a score that is no mean
        over images.
        """
        if name not in GAPS:
            return self._of_images(name)
        val, probe = (self._of_images(f"{split}_{GAPS[name]}") for split in ("val", "probe"))
        if val is None or probe is None:
            return None
        sign = -1.0 if name == "gap_accuracy" else 1.0
        return [*(sign * part for part in val), *(-sign * part for part in probe)]

    def _of_images(self, name: str) -> list[Floats] | None:
        if name not in self.base.images or name not in self.other.images:
            return None
        before, after = self.base.images[name], self.other.images[name]
        if before.shape[1] == after.shape[1] and (self.same_probe or not name.startswith("probe")):
            return [after - before]
        return [after, -before]

    def resampled_errors(self, name: str) -> list[float | None] | None:
        """Standard error over images, one a seed, of a score over classes."""
        if name not in self.base.resamples or name not in self.other.resamples:
            return None
        differences = self.other.resamples[name] - self.base.resamples[name]
        return list(differences[:, 1:].std(axis=1, ddof=1))

    def class_effects(self, confidence: float) -> list[ClassEffect]:
        """What the variant changes in the F1 of each class, in order of the classes.

        Empty where predictions were not kept at this moment.
        """
        if self.base.classes is None or self.other.classes is None:
            return []
        differences = self.other.classes - self.base.classes
        errors = differences[:, 1:].std(axis=1, ddof=1)
        images = _num_images(self.base)
        before, after = (
            side[:, 0].mean(axis=0) for side in (self.base.classes, self.other.classes)
        )
        found = []
        for label in range(differences.shape[-1]):
            spread = list(errors[:, label])
            effect = over_seeds(differences[:, 0, label], spread, confidence, images)
            found.append(ClassEffect(float(before[label]), float(after[label]), effect))
        return found


def effects(pairs: Mapping[str, Pair], confidence: float) -> dict[str, dict[str, Estimate]]:
    """Variant minus baseline by variant and metric, with an interval.

    Intervals of one metric hold together for all variants: by `remedies.effects` for means over
    images, by Bonferroni for the rest. For an ensemble "seeds" are its pseudo-values.
    """
    found: dict[str, dict[str, Estimate]] = {name: {} for name in pairs}
    metrics = dict.fromkeys(metric for pair in pairs.values() for metric in pair.metrics)
    for metric in metrics:
        having = {name: pair for name, pair in pairs.items() if metric in pair.metrics}
        known = {name: pair.parts(metric) for name, pair in having.items()}
        crossed = {name: parts for name, parts in known.items() if parts and _enough(parts)}
        for name, effect in remedies.effects(crossed, confidence).items():
            found[name][metric] = effect
        together = 1 - (1 - confidence) / len(having)
        for name, pair in having.items():
            if name not in crossed:
                errors = pair.resampled_errors(metric)
                found[name][metric] = over_seeds(
                    pair.differences(metric), errors, together, _num_images(pair.base)
                )
    return found


def _enough(parts: list[Floats]) -> bool:
    return all(min(part.shape) >= FEWEST for part in parts)


def _num_images(scores: Scores) -> int | None:
    images = scores.images.get("val_loss")
    return None if images is None else int(images.shape[1])


def as_row(effect: Estimate) -> Mapping[str, Any]:
    """The columns effect, low, high, num_seeds and num_images of a table."""
    plain = effect.as_json()
    return {"effect": plain.pop("value"), **plain}
