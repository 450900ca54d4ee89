"""While a training runs: which way validation goes, and whether going on does damage.

`line` says it from the curves alone, without a probability, for every epoch. `Watch` decides when
to stop: as soon as the damage of one score, measured on images that did not choose the best epoch,
is material with a probability that was asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from overfit_atlas import recalibration
from overfit_atlas.draws import WIDER
from overfit_atlas.held_out import ACCURACY, CALIBRATED, SCORES, Scored
from overfit_atlas.rules import FEWEST_EPOCHS, Rules
from overfit_atlas.scoring.fits import smoothed
from overfit_atlas.words import Probability, text
from overfit_atlas.words.message import Message

LIVE_FROM = 10
"""From which epoch on there is something to say."""


def line(
    loss: Sequence[float], accuracy: Sequence[float], window: int = 3, language: str = "en"
) -> str:
    """How validation goes, in one line, from the two curves alone: no verdict, no probability."""
    error = 1 - np.asarray(accuracy, dtype=np.float64)
    parts = {}
    for name, curve in (("loss", np.asarray(loss, dtype=np.float64)), (ACCURACY, error)):
        best = int(np.argmin(smoothed(curve, window)))
        still = len(curve) - 1 - best < window
        key = f"live.{name}_{'better' if still else 'worse'}"
        parts[name] = text(key, language, epoch=best + 1)
    return text("live.line", language, epoch=len(error), **parts)


@dataclass(frozen=True)
class Damaged:
    """What going on past the best epoch has done to one score so far.

    Attributes:
        best: the best epoch of the smoothed curve, index from 0.
        value: rise since then, chosen and measured on different images; positive is worse.
        probability: that it is material.
    """

    best: int
    value: float
    probability: float


@dataclass(frozen=True)
class Watch:
    """When to stop: damage of `score` is material with probability `at`.

    Attributes:
        score: loss, calibrated_loss or accuracy; whose best epoch's weights are given back.
    """

    score: str = CALIBRATED
    at: float = 0.9
    rules: Rules = Rules()

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"stop_when: got {self.score!r}; expected one of {', '.join(SCORES)}.")
        if not 0 < self.at < 1:
            raise ValueError(f"stop_at: got {self.at!r}; expected a probability between 0 and 1.")

    def damage(self, scores: NDArray[np.floating]) -> Damaged:
        """The damage until the last epoch of `scores` `(num_epochs, num_images)`, lower is better.

        One seed, so the error is that of the images, widened as that of draws is (`draws.WIDER`).
        """
        values = np.asarray(scores, dtype=np.float32)
        found = Scored((values,), None, self.rules.smoothing)
        best = int(smoothed(values.mean(1, dtype=np.float64), self.rules.smoothing).argmin())
        at_best = found.at_best()[0]
        change = found.at_end()[0].astype(np.float64) - at_best
        error = WIDER[self.score] * change.std(ddof=1) / len(change) ** 0.5
        least = float(self.rules.material(self.score, float(at_best.mean())))
        return Damaged(best, float(change.mean()), self._probability(change.mean() - least, error))

    def _probability(self, excess: float, error: float) -> float:
        from scipy import special

        share = special.ndtr(excess / max(error, 1e-12))
        return float(recalibration.material(self.score, np.clip(share, 1e-3, 1 - 1e-3), 1))

    def stops(self, damaged: Damaged, num_epochs: int) -> bool:
        """Whether the fit ends here."""
        return num_epochs >= FEWEST_EPOCHS and damaged.probability >= self.at


@dataclass(frozen=True)
class Stopped:
    """That a fit was ended, where, and what its weights cost in other scores.

    Attributes:
        epoch, best_epoch: by number, from 1: the last one, and that of the weights given back.
        price: accuracy (share) given up against the epoch that is best by it; for a stop by
            accuracy the loss (nats).
    """

    score: str
    epoch: int
    best_epoch: int
    damaged: Damaged
    price: float

    def message(self) -> Message:
        """The sentence that says so."""
        percent = self.score == ACCURACY
        values = {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "damage": self.damaged.value * (100 if percent else 1),
            "probability": Probability(self.damaged.probability),
            "price": self.price * (1 if percent else 100),
        }
        return Message(f"live.stopped_{self.score}", values)


def price(curve: NDArray[np.floating], at: int, window: int) -> float:
    """What the weights of epoch `at` (from 0) give up of a curve, lower is better."""
    smooth = smoothed(curve, window)
    return float(smooth[at] - smooth.min())
