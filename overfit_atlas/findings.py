"""What longer training did to each score: damage, best epoch and onset, from the draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from overfit_atlas import recalibration
from overfit_atlas.draws import Draws
from overfit_atlas.estimates import Json
from overfit_atlas.rules import Rules

Status = Literal["confirmed", "none", "censored"]
MATERIAL_FROM = 0.5
"""From this probability of material damage on, an onset is confirmed."""


@dataclass(frozen=True)
class Damage:
    """What training past the best epoch did to one score, at the last epoch.

    Attributes:
        value, low, high: nats, or share of images; positive is worse.
        material: from how much on it counts.
        probability: of material damage.
    """

    value: float
    low: float
    high: float
    material: float
    probability: float

    @property
    def severity(self) -> float:
        """Damage as a multiple of what is material."""
        return self.value / self.material

    def as_json(self) -> Json:
        """The fields by name, and severity."""
        return {**vars(self), "severity": self.severity}


@dataclass(frozen=True)
class Onset:
    """Where a score was best, and whether it became materially worse from there on.

    Attributes:
        status: confirmed; censored: still falling at the last epoch; none: flat.
        best_epoch: of the mean curve over seeds, as numbered by the fits.
        low, high: from the first epoch that may lie within half of material of the least to the
            last that may be the best: the interval of both, onset and best epoch.
        seeds: the best epochs of the seeds.
        last_epoch: the end of the budget.
    """

    status: Status
    best_epoch: int
    low: int
    high: int
    seeds: tuple[int, ...]
    last_epoch: int

    @property
    def epoch(self) -> int | None:
        """The onset; None where there is none."""
        return self.best_epoch if self.status == "confirmed" else None

    def as_json(self) -> Json:
        """The fields by name, and the epoch of the onset."""
        return {**vars(self), "seeds": list(self.seeds), "epoch": self.epoch}


def damages(found: Draws, rules: Rules) -> dict[str, Damage]:
    """The damage of each score that is known."""
    made = {}
    for score in found.scores():
        drawn = found.drawn[f"damage/{score}"]
        low, high = found.interval(f"damage/{score}", rules.confidence)
        least = rules.material(score, found.drawn[f"best/{score}"])
        share = recalibration.share(drawn >= least)
        probability = recalibration.material(score, share, found.num_seeds)
        made[score] = Damage(
            value=found.values[f"damage/{score}"],
            low=low,
            high=high,
            material=float(rules.material(score, found.values[f"best/{score}"])),
            probability=float(probability),
        )
    return made


def onsets(found: Draws, known: Mapping[str, Damage], rules: Rules) -> dict[str, Onset]:
    """Best epoch and onset of each score, epochs by the numbers that the fits give them."""
    epochs = found.epochs
    made = {}
    for score, damage in known.items():
        low, high = found.turn(score, rules.confidence)
        middle = found.best_of_mean[score]
        made[score] = Onset(
            status=_status(found, damage, score, rules),
            best_epoch=int(epochs[middle]),
            low=int(epochs[min(low, middle)]),
            high=int(epochs[max(high, middle)]),
            seeds=tuple(int(epochs[one]) for one in found.seed_best[score]),
            last_epoch=int(epochs[-1]),
        )
    return made


def _status(found: Draws, damage: Damage, score: str, rules: Rules) -> Status:
    if damage.probability >= MATERIAL_FROM:
        return "confirmed"
    at_the_end = found.best_of_mean[score] >= found.num_epochs - rules.smoothing
    return "censored" if at_the_end else "none"
