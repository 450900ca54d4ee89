"""Draws of a model of which only curves are known: `of_curves`, for histories of other programs.

Without scores of single images the error comes from the curve itself: how restless it is from
epoch to epoch, how seeds differ where there are several, and, where the number of validation images
is known, the binomial error of the accuracy. It is wider than that of `draws.of_images`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from overfit_atlas.draws import Draws
from overfit_atlas.held_out import ACCURACY, LOSS
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Fit, Floats, smoothed
from overfit_atlas.turns import fall, prices, turn

UNKNOWN_IMAGES = 1000
"""So many validation images are taken for granted where their number is not known."""
FEWEST_ACCURACIES = 5
FEWEST_SHARES, MOST_SHARES = 10, 100_000
"""How many images accuracies are tried to be shares of."""
SPREAD_OF_LOSS = 1.0
"""Standard deviation of the loss over images, as a multiple of its mean."""
SHARED = 0.75
"""Correlation of one image's scores at two epochs, which their difference does not see."""


def of_curves(
    fits: Sequence[Fit], rules: Rules, num_images: int | None = None, seed: int = 0
) -> Draws:
    """The draws of one model from the curves of its fits, one a seed.

    Args:
        fits: with a finite validation loss at every epoch.
        num_images: in val, where it is known.
    """
    generator = np.random.default_rng([seed, len(fits)])
    num_images = num_images or images_behind([fit.series("val", "accuracy") for fit in fits])
    num_epochs = min(fit.num_epochs for fit in fits)
    error = {LOSS: _mean(fits, "val", "loss", num_epochs)}
    accuracy = _mean(fits, "val", "accuracy", num_epochs)
    if np.isfinite(accuracy).all():
        error[ACCURACY] = 1 - accuracy
    curves = {
        score: _Curve(
            curve=curve,
            seeds=_spread(fits, score, num_epochs),
            score=score,
            num_images=num_images or UNKNOWN_IMAGES,
            window=rules.smoothing,
        )
        for score, curve in error.items()
    }
    values: dict[str, float] = {"first": float(error[LOSS][0])}
    drawn: dict[str, Floats] = {"first": np.full(rules.num_draws, error[LOSS][0])}
    for score, one in curves.items():
        own = one.quantities(generator, rules.num_draws)
        values |= {f"{name}/{score}": value for name, (value, _) in own.items()}
        drawn |= {f"{name}/{score}": draws for name, (_, draws) in own.items()}
    paths = curves[LOSS].paths(generator, rules.num_draws)
    if num_epochs >= 3:
        values["fall"], drawn["fall"] = float(fall(error[LOSS][None])[0]), fall(paths)
    best = {score: one.best for score, one in curves.items()}
    turns = {
        score: turn(one.paths(generator, rules.num_draws), score, rules)
        for score, one in curves.items()
    }
    _training(fits, best, num_epochs, (values, drawn))
    return Draws(
        values=values,
        drawn=drawn,
        best_epochs={score: epochs for score, (_, epochs) in turns.items()},
        onset_epochs={score: epochs for score, (epochs, _) in turns.items()},
        best_of_mean=best,
        seed_best={
            score: np.array([_lowest(fit, score, rules.smoothing, num_epochs) for fit in fits])
            for score in error
        },
        prices=prices(error, rules.smoothing),
        num_seeds=len(fits),
        num_images=num_images,
        epochs=min((fit.epochs for fit in fits), key=len),
        per_image=False,
    )


def images_behind(accuracies: Sequence[Floats]) -> int | None:
    """How many images accuracies are shares of, as far as their digits tell; None where not.

    An accuracy of n images is a whole number over n. The least n that fits all accuracies to their
    last digit is taken, where so few fit by chance that it says something.
    """
    values = np.unique(np.concatenate(accuracies))
    if len(values) < FEWEST_ACCURACIES or not np.isfinite(values).all():
        return None
    texts = [f"{value:.12g}".partition(".")[2] for value in values]
    rounding = 0.5 * 10.0 ** -max(map(len, texts))
    counts = np.arange(FEWEST_SHARES, MOST_SHARES)
    tolerances = counts * rounding * 1.01 + 1e-9
    by_chance = (2 * tolerances) ** len(values)
    says_nothing = (tolerances >= 0.5) | (by_chance * counts > 0.01)
    end = int(np.argmax(says_nothing)) if says_nothing.any() else len(counts)
    counts, tolerances = counts[:end], tolerances[:end]
    for value in values:
        fit = np.abs(value * counts - np.round(value * counts)) <= tolerances
        counts, tolerances = counts[fit], tolerances[fit]
    return int(counts[0]) if len(counts) else None


def _mean(fits: Sequence[Fit], split: str, metric: str, num_epochs: int) -> Floats:
    curve: Floats = np.mean([fit.series(split, metric)[:num_epochs] for fit in fits], axis=0)
    return curve


def _spread(fits: Sequence[Fit], score: str, num_epochs: int) -> Floats | None:
    if len(fits) < 2:
        return None
    curves = [fit.series("val", score)[:num_epochs] for fit in fits]
    return np.asarray(np.std(curves, axis=0, ddof=1) / np.sqrt(len(fits)))


def _lowest(fit: Fit, score: str, window: int, num_epochs: int) -> int:
    curve = fit.series("val", score)[:num_epochs]
    return int(np.argmin(smoothed(curve if score == LOSS else -curve, window)))


def _training(
    fits: Sequence[Fit],
    best: Mapping[str, int],
    num_epochs: int,
    found: tuple[dict[str, float], dict[str, Floats]],
) -> None:
    """Adds what is known of the training images: their loss, its change, and the gaps."""
    values, drawn = found
    split = fits[0].fitted
    loss = _mean(fits, split, "loss", num_epochs)
    if np.isfinite(loss).all():
        values["probe/loss"] = float(loss[-1])
        for score, epoch in best.items():
            values[f"fitted/{score}"] = float(loss[-1] - loss[epoch])
            drawn[f"fitted/{score}"] = np.full_like(drawn["val/loss"], loss[-1] - loss[epoch])
        values["gap/loss"] = values["val/loss"] - values["probe/loss"]
        drawn["probe/loss"] = np.full_like(drawn["val/loss"], loss[-1])
        drawn["gap/loss"] = drawn["val/loss"] - loss[-1]
    accuracy = _mean(fits, split, "accuracy", num_epochs)
    if np.isfinite(accuracy).all():
        values["probe/accuracy"] = float(1 - accuracy[-1])
        drawn["probe/accuracy"] = np.full_like(drawn["val/loss"], 1 - accuracy[-1])
        if "val/accuracy" in values:
            values["gap/accuracy"] = values["val/accuracy"] - values["probe/accuracy"]
            drawn["gap/accuracy"] = drawn["val/accuracy"] - drawn["probe/accuracy"]


@dataclass(frozen=True)
class _Curve:
    """A mean validation curve, lower is better, and how sure its points are."""

    curve: Floats
    seeds: Floats | None
    score: str
    num_images: int
    window: int

    @property
    def best(self) -> int:
        """Index of the lowest smoothed value."""
        return int(np.argmin(smoothed(self.curve, self.window)))

    @property
    def unrest(self) -> float:
        """Standard deviation of one epoch about the trend, from second differences."""
        if len(self.curve) < 5:
            return float(np.std(np.diff(self.curve))) if len(self.curve) > 2 else 0.0
        second = np.abs(np.diff(self.curve, 2))
        return float(1.4826 * np.median(second) / np.sqrt(6))

    def ends(self) -> tuple[Floats, Floats]:
        """The epochs around the best one, and the last ones: their means are the two levels."""
        size = min(max(self.window, len(self.curve) // 10), max(len(self.curve) // 4, 1))
        around = slice(max(self.best - size // 2, 0), self.best + size // 2 + 1)
        return self.curve[around], self.curve[-size:]

    def luck(self) -> float:
        """How much lower than its true level the lowest of so many restless epochs looks."""
        smooth = smoothed(self.curve, self.window)
        noise = self.unrest / np.sqrt(self.window)
        near = int(np.sum(smooth <= smooth.min() + 2 * noise))
        independent = max(near / self.window, 1.0)
        return float(noise * np.sqrt(2 * np.log(independent))) if independent > 1 else 0.0

    def of_images(self, difference: float) -> float:
        """Standard error over images of a rise of this size between two epochs."""
        level = float(np.min(smoothed(self.curve, self.window)))
        if self.score == ACCURACY:
            each = level * (1 - level)
            return float(np.sqrt(2 * max(each, 1e-4) * (1 - SHARED) / self.num_images))
        each = SPREAD_OF_LOSS * np.hypot(max(level, 0.0) * np.sqrt(2 * (1 - SHARED)), difference)
        return float(each / np.sqrt(self.num_images))

    def quantities(self, generator: Generator, num_draws: int) -> dict[str, tuple[float, Floats]]:
        """val, best and damage: as measured, and drawn."""
        around, last_ones = self.ends()
        low = float(around.mean())
        rise = float(last_ones.mean()) - low - self.luck()
        seeds = 0.0 if self.seeds is None else float(self.seeds[-1])
        restless = self.unrest * np.sqrt(1 / len(around) + 1 / len(last_ones))
        spread = np.sqrt(self.of_images(rise) ** 2 + restless**2 + seeds**2)
        normal = generator.standard_normal((2, num_draws))
        level = self._level_error()
        last = float(self.curve[-1])
        return {
            "val": (last, last + level * normal[0]),
            "best": (low, low + level * normal[0]),
            "damage": (rise, rise + spread * normal[1]),
        }

    def _level_error(self) -> float:
        level = float(self.curve[-1])
        if self.score == ACCURACY:
            each = np.sqrt(max(level * (1 - level), 1e-4))
        else:
            each = SPREAD_OF_LOSS * abs(level)
        return float(np.hypot(each / np.sqrt(self.num_images), self.unrest))

    def paths(self, generator: Generator, num_draws: int) -> Floats:
        """Curves that are as likely `(num_draws, num_epochs)`."""
        noise = generator.standard_normal((num_draws, len(self.curve))) * self.unrest
        return np.asarray(self.curve + noise, dtype=np.float64)
