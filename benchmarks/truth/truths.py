"""What was true of a setting, from the curves of its nets on images that no side saw.

Epochs count from 1. A curve is smoothed by a trailing mean of three epochs before its best epoch
is sought and its damage taken: the mean curve of the fresh seeds for the recipe, or that of one
net for one training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.settings import NUM_JUDGED
from benchmarks.truth.stored import StoredSetting

WINDOW = 3
MATERIAL_SHARE, MATERIAL_NATS = 0.05, 0.01
MATERIAL_ACCURACY = 0.01
SCORES = ("loss", "calibrated", "error")
"""Loss and calibrated loss in nats, and the error rate: each better where it is lower."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Damage:
    """What training past the best epoch did to one score.

    Attributes:
        best_epoch: where the smoothed curve is least.
        onset: first epoch whose smoothed score lies within half of material of the least.
        best: the least smoothed score.
        rise: of the smoothed score from there to the last epoch; never negative.
        material: the rise that counts.
    """

    best_epoch: int
    onset: int
    best: float
    rise: float
    material: float

    @property
    def severity(self) -> float:
        """Rise in units of material."""
        return self.rise / self.material


@dataclass(frozen=True)
class Truth:
    """What is true of a recipe (mean of seeds) or of one training.

    Attributes:
        damages: by the names of `SCORES`.
        gap: loss on unseen images minus loss on the probe, at the last epoch, nats.
        gap_best: the same at the best epoch by loss.
        slope: of the raw loss over the last third of the epochs, nats an epoch (Theil-Sen).
        accuracy: at the last epoch, with labels noised as val's.
        probe_loss, probe_accuracy, loss: at the last epoch.
    """

    damages: Mapping[str, Damage]
    gap: float
    gap_best: float
    slope: float
    loss: float
    accuracy: float
    probe_loss: float
    probe_accuracy: float


def of_recipe(stored: StoredSetting) -> Truth:
    """The truth about the recipe: from the mean of the fresh seeds."""
    return _truth(stored, range(NUM_JUDGED, len(stored.curves.truth_loss)))


def of_training(stored: StoredSetting, seed: int) -> Truth:
    """The truth about the judged net number `seed`, from its own curve."""
    if not 0 <= seed < NUM_JUDGED:
        raise ValueError(f"{seed=}: expected the number of a judged seed, 0 to {NUM_JUDGED - 1}.")
    return _truth(stored, [seed])


def rises_by_seed(stored: StoredSetting, name: str) -> Floats:
    """(fresh,) rise of each fresh seed between the recipe's best and last epoch (smoothed).

    Their mean is the recipe's rise; their spread says how exactly ten seeds know it.
    """
    curves = _errors(stored, name)[NUM_JUDGED:]
    smooth = np.array([smoothed(curve) for curve in curves])
    best = damage(curves.mean(0), name).best_epoch
    return np.asarray(smooth[:, -1] - smooth[:, best - 1])


def smoothed(curve: Floats) -> Floats:
    """Trailing mean of `WINDOW` epochs, of fewer at the start; no epoch knows a later one."""
    sums = np.cumsum(np.concatenate([[0.0], curve]))
    ends = np.arange(1, len(curve) + 1)
    starts = np.maximum(0, ends - WINDOW)
    return np.asarray((sums[ends] - sums[starts]) / (ends - starts))


def damage(curve: Floats, name: str) -> Damage:
    """Damage of one score, lower being better; `name` decides what is material."""
    smooth = smoothed(curve)
    best = int(smooth.argmin())
    least = float(smooth[best])
    material = MATERIAL_ACCURACY if name == "error" else max(MATERIAL_SHARE * least, MATERIAL_NATS)
    onset = int(np.flatnonzero(smooth <= least + material / 2)[0])
    return Damage(best + 1, onset + 1, least, float(smooth[-1] - least), material)


def slope(curve: Floats) -> float:
    """Median slope between all pairs of epochs of the last third, at least two (Theil-Sen)."""
    last = curve[-max(2, len(curve) // 3) :]
    first, second = np.triu_indices(len(last), 1)
    return float(np.median((last[second] - last[first]) / (second - first)))


def _truth(stored: StoredSetting, members: Sequence[int]) -> Truth:
    curves, chosen = stored.curves, list(members)
    loss, probe = _mean(curves.truth_loss, chosen), _mean(curves.probe_loss, chosen)
    damages = {name: damage(_errors(stored, name)[chosen].mean(0), name) for name in SCORES}
    best = damages["loss"].best_epoch - 1
    return Truth(
        damages=damages,
        gap=float(loss[-1] - probe[-1]),
        gap_best=float(loss[best] - probe[best]),
        slope=slope(loss),
        loss=float(loss[-1]),
        accuracy=float(_mean(curves.truth_accuracy, chosen)[-1]),
        probe_loss=float(probe[-1]),
        probe_accuracy=float(_mean(curves.probe_accuracy, chosen)[-1]),
    )


def _errors(stored: StoredSetting, name: str) -> Floats:
    """(members, epochs) of a score of `SCORES` on unseen images."""
    curves = stored.curves
    if name == "error":
        return 1 - curves.truth_accuracy.astype(np.float64)
    found = {"loss": curves.truth_loss, "calibrated": curves.truth_calibrated}[name]
    return found.astype(np.float64)


def _mean(curves: NDArray[np.float32], members: list[int]) -> Floats:
    return np.asarray(curves[members].astype(np.float64).mean(0))
