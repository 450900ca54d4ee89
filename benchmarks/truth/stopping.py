"""What rules of early stopping would have done with each judged training: `rows`.

Rules see what they would see while training: `CleanScores(stop_when=SCORE)` the validation scores
of single images, Keras' `EarlyStopping` the mean curve. Both give back the weights of their best
epoch. What these weights are worth is read off the training's true curves.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.settings import NUM_JUDGED
from benchmarks.truth.stored import StoredSetting
from overfit_atlas import live
from overfit_atlas.held_out import ACCURACY, LOSS, OF_FIT, SCORES, lower_is_better
from overfit_atlas.rules import FEWEST_EPOCHS, Rules
from overfit_atlas.scoring.fits import Fit, Floats, smoothed

PATIENCES = (5, 10)
WATCHED = {f"stop_when {score}": score for score in SCORES}
PATIENT = {
    f"patience {patience}, val_{score}": (score, patience)
    for score in (LOSS, ACCURACY)
    for patience in PATIENCES
}
RULES = {**WATCHED, **{rule: score for rule, (score, _) in PATIENT.items()}}
"""Rule -> the score that it watches."""


def rows(kept: StoredSetting, fits: list[Fit], rules: Rules) -> Iterator[dict[str, object]]:
    """One row a training.

    Columns: part, number, weight, seed, epochs (the budget); `true/last/SCORE` and
    `true/best/SCORE`: the true score, lower is better, at the end of the budget and at its best
    epoch; `true/damage/SCORE` and `true/material/SCORE`, of the smoothed curve. For each rule
    `RULE/stopped` (after which epoch, from 1; 0: never), `RULE/given` (epoch of the weights given
    back) and `RULE/SCORE`, true of these weights.
    """
    setting = kept.setting
    names = ("part", "number", "weight", "epochs")
    for seed in range(NUM_JUDGED):
        made: dict[str, object] = {name: getattr(setting, name) for name in names}
        made["seed"] = seed
        true = true_curves(kept, seed)
        for score, curve in true.items():
            smooth = smoothed(curve, rules.smoothing)
            best = int(smooth.argmin())
            made[f"true/last/{score}"] = curve[-1]
            made[f"true/best/{score}"] = curve[best]
            made[f"true/damage/{score}"] = smooth[-1] - smooth[best]
            made[f"true/material/{score}"] = rules.material(score, float(smooth[best]))
        for rule, (stopped, given) in stops(kept, fits[seed], seed, rules).items():
            made |= {f"{rule}/stopped": stopped, f"{rule}/given": given + 1}
            made |= {f"{rule}/{score}": curve[given] for score, curve in true.items()}
        yield made


def true_curves(kept: StoredSetting, seed: int) -> dict[str, Floats]:
    """(epochs,) of each score of one net on images that no side saw, lower is better."""
    curves = kept.curves
    found = (curves.truth_loss, curves.truth_calibrated, 1 - curves.truth_accuracy)
    return {score: one[seed].astype(np.float64) for score, one in zip(SCORES, found, strict=True)}


def stops(kept: StoredSetting, fit: Fit, seed: int, rules: Rules) -> dict[str, tuple[int, int]]:
    """Rule -> (epoch after which it ended the fit, from 1, or 0; epoch given back, from 0)."""
    made = {}
    for rule, score in WATCHED.items():
        values = lower_is_better(score, getattr(fit.per_image, f"val_{OF_FIT[score]}"))
        made[rule] = watched(values, live.Watch(score, rules=rules))
    curves = {LOSS: kept.curves.val_loss[seed], ACCURACY: -kept.curves.val_accuracy[seed]}
    for rule, (score, patience) in PATIENT.items():
        made[rule] = patient(curves[score], patience)
    return made


def watched(values: NDArray[np.float32], watch: live.Watch) -> tuple[int, int]:
    """What `watch` makes of scores `(epochs, images)` that come one epoch after the other."""
    num_epochs = len(values)
    for epoch in range(FEWEST_EPOCHS, num_epochs + 1):
        damaged = watch.damage(values[:epoch])
        if watch.stops(damaged, epoch):
            return (epoch if epoch < num_epochs else 0), damaged.best
    return 0, int(smoothed(values.mean(1, dtype=np.float64), watch.rules.smoothing).argmin())


def patient(curve: Floats, patience: int) -> tuple[int, int]:
    """What Keras' `EarlyStopping(patience=..., restore_best_weights=True)` makes of a curve.

    It ends a fit when the lowest value so far is `patience` epochs old.
    """
    best = 0
    for epoch in range(1, len(curve)):
        if curve[epoch] < curve[best]:
            best = epoch
        elif epoch - best >= patience:
            return (epoch + 1 if epoch + 1 < len(curve) else 0), best
    return 0, best
