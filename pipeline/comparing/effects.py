"""What a variant changes: paired differences to the baseline over the same seeds and images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.estimates import Estimate, over_seeds
from pipeline.comparing.scoring import Scores

Floats = NDArray[np.float64]
GAPS = {"gap_loss": "loss", "gap_accuracy": "accuracy"}


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

    def effects(self, confidence: float) -> dict[str, Estimate]:
        """Variant minus baseline for every metric both have, with an interval.

        The interval covers seeds (paired) and images (paired where both saw the same ones). For an
        ensemble "seeds" are its pseudo-values.
        """
        shared = [name for name in self.base.values if name in self.other.values]
        found = {}
        for name in shared:
            differences = self.other.values[name] - self.base.values[name]
            if np.isfinite(differences).all():
                errors = self._errors(name)
                images = self._num_images(name)
                found[name] = over_seeds(differences, errors, confidence, images)
        return found

    def class_effects(self, confidence: float) -> list[ClassEffect]:
        """What the variant changes in the F1 of each class, in order of the classes.

        Empty where predictions were not kept at this moment.
        """
        if self.base.classes is None or self.other.classes is None:
            return []
        differences = self.other.classes - self.base.classes
        errors = differences[:, 1:].std(axis=1, ddof=1)
        images = self._num_images("val_loss")
        before, after = (
            side[:, 0].mean(axis=0) for side in (self.base.classes, self.other.classes)
        )
        found = []
        for label in range(differences.shape[-1]):
            spread = list(errors[:, label])
            effect = over_seeds(differences[:, 0, label], spread, confidence, images)
            found.append(ClassEffect(float(before[label]), float(after[label]), effect))
        return found

    def _num_images(self, name: str) -> int | None:
        split = "val_loss" if not name.startswith("probe") else "probe_loss"
        images = self.base.images.get(split)
        return None if images is None else int(images.shape[1])

    def _errors(self, name: str) -> list[float | None] | None:
        if name in self.base.resamples:
            differences = self.other.resamples[name] - self.base.resamples[name]
            return list(differences[:, 1:].std(axis=1, ddof=1))
        metric = GAPS.get(name)
        if metric:
            parts = [self._of_images(f"{split}_{metric}") for split in ("val", "probe")]
            if any(part is None for part in parts):
                return None
            return list(np.sqrt(np.sum(np.square(np.array(parts)), axis=0)))
        alone = self._of_images(name)
        return None if alone is None else list(alone)

    def _of_images(self, name: str) -> Floats | None:
        """Standard error over images of the difference, one a seed."""
        if name not in self.base.images or name not in self.other.images:
            return None
        before, after = self.base.images[name], self.other.images[name]
        if before.shape[1] == after.shape[1] and (self.same_probe or not name.startswith("probe")):
            return _standard_error(after - before)
        both: Floats = np.hypot(_standard_error(before), _standard_error(after))
        return both


def _standard_error(images: Floats) -> Floats:
    error: Floats = images.std(axis=1, ddof=1) / np.sqrt(images.shape[1])
    return error


def as_row(effect: Estimate) -> Mapping[str, Any]:
    """The columns effect, low, high, num_seeds and num_images of a table."""
    plain = effect.as_json()
    return {"effect": plain.pop("value"), **plain}
