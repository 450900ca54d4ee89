"""Every threshold of the verdict, with its meaning: `Rules`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Rules:
    """How scores are summarised and a training is judged; `evaluate` in params.yaml is this record.

    Attributes:
        confidence: of every interval, 0.5 to 1.
        num_draws: how often images and seeds are drawn together for a verdict.
        num_resamples: bootstrap resamples for scores by class and for comparisons.
        smoothing: trailing window, in epochs, of the curve whose lowest point is the best epoch.
        wide_gap: a gap is wide from this share of what there is to learn on: the entropy of the
            class shares minus the lowest validation loss known on these data.
        wide_gap_nats: the same in nats, for a history whose classes are not known.
        material_loss, material_nats: damage of a loss is material from this share of the best
            loss on, and from these nats on (both must be reached).
        material_accuracy: damage of the accuracy is material from this share of the images on.
        target_accuracy: what the task is known to allow, 0 to 1; None: not known.
    """

    confidence: float = 0.95
    num_draws: int = 400
    num_resamples: int = 1000
    smoothing: int = 3
    wide_gap: float = 0.15
    wide_gap_nats: float = 0.3
    material_loss: float = 0.05
    material_nats: float = 0.01
    material_accuracy: float = 0.01
    target_accuracy: float | None = None

    def material(self, score: str, best: ArrayLike) -> Any:
        """From which damage on `score` (loss, calibrated_loss, accuracy) is materially worse.

        Args:
            best: the score at its best epoch (nats), one number or one a draw; not needed for
                accuracy.
        """
        if score == "accuracy":
            return self.material_accuracy
        return np.maximum(self.material_loss * np.asarray(best), self.material_nats)[()]

    def wide(self, entropy: float, lowest: float) -> float:
        """From how many nats on a gap is wide.

        Args:
            entropy: of the class shares (nats). lowest: the lowest validation loss known.
        """
        learnable = max(entropy - lowest, 0.0)
        return max(self.wide_gap * learnable, self.material_nats)


FEWEST_EPOCHS = 5
FEWEST_EPOCHS_OF_CURVES = 7
"""The same without scores of single images, where the unrest of the curve is all that tells."""
FEWEST_IMAGES = 30
PLAINLY = 0.9
"""From this probability on a verdict is said without "probably"."""
UNDETERMINED = 0.7
"""Below this probability no verdict is said, and no kind."""
SIBLING = 0.9
"""How probable it must be that another model is better, on probe and on val each."""
