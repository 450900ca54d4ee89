"""Scores of single images, and where each was best by other images and seeds: `Scored`.

All scores are turned so that lower is better: accuracy enters as the error rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.rules import Rules
from overfit_atlas.scoring.calibration import folds
from overfit_atlas.scoring.fits import Fit, smoothed

LOSS, CALIBRATED, ACCURACY = SCORES = ("loss", "calibrated_loss", "accuracy")
NUM_FOLDS = 10
OF_FIT = {LOSS: "loss", CALIBRATED: "calibrated", ACCURACY: "correct"}


def lower_is_better(score: str, values: NDArray[Any]) -> NDArray[np.float32]:
    """The scores of images as a fit holds them (`OF_FIT`), turned: what is correct as an error."""
    return np.asarray(~values if score == ACCURACY else values, np.float32)


def is_known(fit: Fit, score: str) -> bool:
    """Whether a fit has that score of its single images."""
    return getattr(fit.per_image, f"val_{OF_FIT[score]}", None) is not None


@dataclass(frozen=True)
class Scored:
    """One score of one model, lower is better, one array a seed `(num_epochs, num_images)`.

    Seeds may have trained for different times; the best epoch is sought where all have.
    """

    val: tuple[NDArray[np.float32], ...]
    probe: tuple[NDArray[np.float32], ...] | None
    window: int

    @classmethod
    def of(cls, fits: Sequence[Fit], score: str, rules: Rules) -> "Scored":
        """The scores of that name of several fits, one a seed."""
        sides: dict[str, tuple[NDArray[np.float32], ...] | None] = {}
        for split in ("val", "probe"):
            found = [getattr(fit.per_image, f"{split}_{OF_FIT[score]}", None) for fit in fits]
            known = [np.asarray(one) for one in found if one is not None]
            whole = tuple(lower_is_better(score, one) for one in known)
            sides[split] = whole if len(whole) == len(fits) else None
        val = sides["val"]
        assert val is not None  # the caller has looked
        return cls(val, sides["probe"], rules.smoothing)

    @cached_property
    def curves(self) -> NDArray[np.float32]:
        """The validation scores of the epochs that all seeds have `(num_seeds, epochs, images)`."""
        num_epochs = min(len(one) for one in self.val)
        return np.stack([one[:num_epochs] for one in self.val])

    @cached_property
    def fold(self) -> NDArray[np.int64]:
        """The fold of each validation image `(num_images,)`."""
        num_images = self.val[0].shape[1]
        return folds(num_images, min(NUM_FOLDS, num_images))

    @cached_property
    def choices(self) -> NDArray[np.int64]:
        """The best epoch, from 0, of each seed and fold: by other images and other seeds.

        A single seed has no others: its own curve, from other images, must choose.
        """
        num_seeds = len(self.curves)
        inside = np.eye(int(self.fold.max()) + 1, dtype=np.float32)[self.fold]
        by_fold = self.curves @ inside
        others = by_fold.sum(-1, keepdims=True, dtype=np.float64) - by_fold
        means = others / (len(self.fold) - inside.sum(0))
        if num_seeds > 1:
            means = (means.sum(0) - means) / (num_seeds - 1)
        smooth = smoothed(np.moveaxis(means, 1, -1), self.window)
        return np.asarray(smooth.argmin(-1))

    def at_best(self) -> NDArray[np.float32]:
        """Each image's smoothed score at the epoch chosen without it `(num_seeds, num_images)`."""
        return np.stack(
            [
                self._trailing(one, chosen[self.fold])
                for one, chosen in zip(self.val, self.choices, strict=True)
            ]
        )

    def at_end(self) -> NDArray[np.float32]:
        """Each image's smoothed score at the last epoch `(num_seeds, num_images)`."""
        return np.stack([one[-self.window :].mean(0) for one in self.val])

    def change_of(self, probe: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Each probe image's loss at the last epoch minus that at this score's best epochs."""
        return np.stack(
            [one[-1] - one[chosen].mean(0) for one, chosen in zip(probe, self.choices, strict=True)]
        )

    def _trailing(
        self, scores: NDArray[np.float32], ends: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The mean of each image over the `window` epochs that end where `ends` says."""
        images = np.arange(scores.shape[1])
        back = [np.maximum(ends - step, 0) for step in range(self.window)]
        inside = [ends - step >= 0 for step in range(self.window)]
        total = sum(
            np.where(ok, scores[epoch, images], 0) for epoch, ok in zip(back, inside, strict=True)
        )
        return np.asarray(total / np.sum(inside, axis=0), dtype=np.float32)
