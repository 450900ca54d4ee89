"""Images and seeds drawn anew together, once a model: what a verdict, and every interval, rests on.

`of_images` takes per-image scores, `of_curves` what a plain history holds. Both give `Draws`: each
quantity as measured, and as it came out in every draw. All scores are turned so that lower is
better: accuracy enters as the error rate.

- Damage is chosen and measured on different images, and on different seeds where there are several:
  the best epoch comes from all folds but one and all seeds but one, the damage from the images of
  that fold and that seed, in turn; folds and choices are fixed, so that a draw does not choose anew
  (which would double the bias that choosing has). Both ends are smoothed by the same window.
- Images get Poisson weights, seeds normal weights of the right variance. The variance between few
  seeds is drawn towards that of the images (Smyth 2004), since two or three seeds say little of it.
- Images are crossed with seeds where all seeds share them, and nested in seeds where each seed has
  a validation fold of its own: then each seed's images are drawn apart, and what they make seeds
  differ by is taken off the variance between seeds.
- The gap is that between new images and these training images: other seeds fit the same ones, so
  that the probe's images are not drawn anew, but where each seed has a fold of its own.
- Best epoch and onset are those of each draw's own curve (`turn`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from overfit_atlas.held_out import ACCURACY, CALIBRATED, LOSS, SCORES, Scored, is_known
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Fit, Floats, smoothed
from overfit_atlas.scoring.scores import Predictions
from overfit_atlas.turns import fall, prices, turn

PRIOR_SEEDS = 4.0
"""Weight, in degrees of freedom, of the prior in the variance between seeds."""
PRIOR_SHARE = 1.0
"""The prior variance between seeds, as a multiple of the variance of a seed's mean over images."""
WIDER = {LOSS: 1.3, CALIBRATED: 1.35, ACCURACY: 1.4}
"""How much wider than the draws the errors of the damage were on real fits with known truth: which
epoch is chosen is fixed in them, and the losses of few images have long tails."""
BLOCK = 2_000_000
"""Weights drawn at a time: 16 MB."""
Quantity = tuple[str, NDArray[np.float32]]
"""The split whose images it is of, and its values `(num_seeds, num_images)`."""


@dataclass(frozen=True)
class Draws:
    """What was measured, and what each draw makes of it.

    Attributes:
        values: quantity -> as measured. Quantities: `val/SCORE`, `probe/SCORE` at the last epoch;
            `best/SCORE` at the best epoch; `gap/SCORE`; `damage/SCORE`; `fitted/SCORE`: probe loss
            at the last epoch minus that at the score's best one; `fall`: what half as many epochs
            again would take off the validation loss; `first`: validation loss of the first epoch.
        drawn: quantity -> `(num_draws,)`.
        best_epochs: score -> lowest point of each draw's curve, index from 0 `(num_draws,)`.
        best_of_mean: score -> lowest point of the mean curve over seeds, index from 0.
        seed_best: score -> lowest point of each seed's curve, index from 0 `(num_seeds,)`.
        prices: (stop by, pays in) -> what stopping at the one's best epoch costs in the other.
        epochs: the numbers of the epochs `(num_epochs,)`.
        num_seeds, num_images: how much there was; num_images None where not known.
        per_image: whether the draws come from scores of single images, or from curves alone.
        onset_epochs: score -> onset of each draw's curve (`turn`), index from 0 `(num_draws,)`.
    """

    values: Mapping[str, float]
    drawn: Mapping[str, Floats]
    best_epochs: Mapping[str, NDArray[np.int64]]
    best_of_mean: Mapping[str, int]
    seed_best: Mapping[str, NDArray[np.int64]]
    prices: Mapping[tuple[str, str], float]
    num_seeds: int
    num_images: int | None
    epochs: NDArray[np.int64]
    per_image: bool = True
    onset_epochs: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)

    @property
    def num_epochs(self) -> int:
        """How many epochs all seeds have; 0 for a model without epochs of its own."""
        return len(self.epochs)

    def interval(self, name: str, confidence: float) -> tuple[float, float]:
        """Ends of the interval of a quantity, from the quantiles of its draws."""
        tail = (1 - confidence) / 2
        low, high = np.quantile(self.drawn[name], [tail, 1 - tail])
        return float(low), float(high)

    def turn(self, score: str, confidence: float) -> tuple[int, int]:
        """Ends of the interval from onset to best epoch of `score`, as indices of `epochs`."""
        tail = (1 - confidence) / 2
        low = np.quantile(self.onset_epochs[score], tail, method="inverted_cdf")
        high = np.quantile(self.best_epochs[score], 1 - tail, method="inverted_cdf")
        return int(low), int(high)

    def scores(self) -> tuple[str, ...]:
        """The scores of which the damage is known."""
        return tuple(score for score in SCORES if f"damage/{score}" in self.values)


def of_images(fits: Sequence[Fit], rules: Rules, seed: int = 0, nested: bool = False) -> Draws:
    """The draws of one model from the per-image scores of its fits, one a seed.

    Args:
        fits: finite at every epoch, all scored on equally many images.
        seed: of the draws; equal arguments give equal numbers.
        nested: whether every seed has images of its own.
    """
    sets = {
        score: Scored.of(fits, score, rules)
        for score in SCORES
        if all(is_known(fit, score) for fit in fits)
    }
    curves = {score: one.curves for score, one in sets.items()}
    num_epochs, num_val = curves[LOSS].shape[1:]
    table = _Table(seed, rules.num_draws, len(fits), nested)
    quantities: dict[str, Quantity] = {}
    for score, one in sets.items():
        quantities |= _of_score(score, one)
        if (probe := sets[LOSS].probe) is not None:
            quantities[f"fitted/{score}"] = ("probe", one.change_of(probe))
    values, drawn = table.means(quantities)
    paths = table.curves(curves)
    turns = {score: turn(path, score, rules) for score, path in paths.items()}
    _gaps(values, drawn, table, quantities)
    for score in sets:
        name = f"damage/{score}"
        drawn[name] = values[name] + WIDER[score] * (drawn[name] - values[name])
    measured = {score: curve.mean((0, 2), dtype=np.float64) for score, curve in curves.items()}
    if num_epochs >= 3:
        values["fall"] = float(fall(measured[LOSS][None])[0])
        drawn["fall"] = fall(paths[LOSS])
    return Draws(
        values=values,
        drawn=drawn,
        best_epochs={score: best for score, (_, best) in turns.items()},
        onset_epochs={score: onset for score, (onset, _) in turns.items()},
        best_of_mean={
            score: int(np.argmin(smoothed(curve, rules.smoothing)))
            for score, curve in measured.items()
        },
        seed_best={
            score: np.argmin(smoothed(curve.mean(2), rules.smoothing), -1)
            for score, curve in curves.items()
        },
        prices=prices(measured, rules.smoothing),
        num_seeds=len(fits),
        num_images=num_val,
        epochs=min((fit.epochs for fit in fits), key=len),
    )


def of_predictions(val: Predictions, probe: Predictions, rules: Rules, seed: int = 0) -> Draws:
    """The draws of a model without epochs of its own, such as an ensemble: scores and gaps alone.

    Args:
        val, probe: what it predicts, once for each seed.
    """
    table = _Table(seed, rules.num_draws, val.num_seeds)
    quantities: dict[str, Quantity] = {}
    for split, one in (("val", val), ("probe", probe)):
        by_score = {LOSS: one.losses, CALIBRATED: one.calibrated_losses, ACCURACY: ~one.correct}
        for score, scored in by_score.items():
            quantities[f"{split}/{score}"] = split, np.asarray(scored, np.float32)
            if split == "val":
                quantities[f"best/{score}"] = quantities[f"val/{score}"]
    values, drawn = table.means(quantities)
    _gaps(values, drawn, table, quantities)
    return Draws(values, drawn, {}, {}, {}, {}, val.num_seeds, val.num_images, np.arange(0))


def _gaps(
    values: dict[str, float],
    drawn: dict[str, Floats],
    table: "_Table",
    quantities: Mapping[str, Quantity],
) -> None:
    """Adds the gaps between validation images and these very training images."""
    for score in SCORES:
        val, probe = f"val/{score}", f"probe/{score}"
        if probe in values:
            values[f"gap/{score}"] = values[val] - values[probe]
            sides = quantities[val][1], quantities[probe][1]
            drawn[f"gap/{score}"] = table.gap(*sides, drawn[val], drawn[probe])


def _of_score(score: str, one: Scored) -> dict[str, Quantity]:
    """Quantity -> the split its images are of, and its values `(num_seeds, num_images)`."""
    at_best = one.at_best()
    found = {
        f"val/{score}": ("val", np.stack([val[-1] for val in one.val])),
        f"best/{score}": ("val", at_best),
        f"damage/{score}": ("val", one.at_end() - at_best),
    }
    if score == LOSS:
        found["first"] = ("val", np.stack([val[0] for val in one.val]))
    if one.probe is not None:
        found[f"probe/{score}"] = ("probe", np.stack([probe[-1] for probe in one.probe]))
    return found


class _Table:
    """The weights of images and seeds in each draw, the same for every quantity."""

    def __init__(self, seed: int, num_draws: int, num_seeds: int, nested: bool = False) -> None:
        self._seed = seed
        self._num_draws = num_draws
        self._nested = nested
        generator = np.random.default_rng([seed, 2, num_seeds])
        self._seeds = _seed_weights(generator, num_draws, num_seeds)

    def _weighted(self, split: str, arrays: Sequence[NDArray[np.float32]]) -> list[Floats]:
        """The means over images of each of `arrays` (num_seeds, num, images) in every draw.

        Gives `(num_draws, num_seeds, num)` each. Weights are drawn once for all of them.
        """
        size, num_seeds = arrays[0].shape[-1], len(arrays[0])
        key = self._seed, int(split == "probe"), size
        sharing: dict[tuple[int, ...], range] = {key: range(num_seeds)}
        if self._nested:
            sharing = {(*key, seed): range(seed, seed + 1) for seed in range(num_seeds)}
        parts: list[list[list[NDArray[np.float32]]]] = [[[] for _ in array] for array in arrays]
        for own, seeds in sharing.items():
            for block in _images(own, self._num_draws):
                for array, part in zip(arrays, parts, strict=True):
                    for seed in seeds:
                        part[seed].append(block @ array[seed].T)
        return [
            np.stack([np.concatenate(one) for one in part], axis=1).astype(np.float64)
            for part in parts
        ]

    def means(
        self, quantities: Mapping[str, Quantity]
    ) -> tuple[dict[str, float], dict[str, Floats]]:
        """Each quantity's mean over images and seeds, as measured and in every draw."""
        values, drawn = {}, {}
        for split in ("val", "probe"):
            own = {name: array for name, (where, array) in quantities.items() if where == split}
            if not own:
                continue
            [by_seed] = self._weighted(split, [np.stack(list(own.values()), axis=1)])
            for place, (name, array) in enumerate(own.items()):
                values[name] = float(array.mean(dtype=np.float64))
                between = self._between_seeds(array.mean(1, dtype=np.float64), _error(array))
                drawn[name] = by_seed[..., place].mean(1) + between
        return values, drawn

    def gap(
        self,
        val: NDArray[np.float32],
        probe: NDArray[np.float32],
        drawn_val: Floats,
        drawn_probe: Floats,
    ) -> Floats:
        """Scores on val minus those on the probe in every draw `(num_draws,)`.

        Other seeds bring other images of both where each seed has its own. Else they are trained on
        the same images, and what they change on both sides together is no part of the gap.
        """
        if self._nested:
            return drawn_val - drawn_probe
        of_val, of_probe = (side.mean(1, dtype=np.float64) for side in (val, probe))
        of_images = drawn_val - self._between_seeds(of_val, _error(val))
        between = self._between_seeds(of_val - of_probe, _error(val))
        return np.asarray(of_images - of_probe.mean() + between)

    def _between_seeds(self, means: Floats, of_images: float) -> Floats:
        """What other seeds would add to each draw, from the seeds' means `(num_draws,)`.

        Args:
            of_images: the variance of a seed's mean over images.
        """
        num_seeds = len(means)
        if num_seeds < 2:
            return np.zeros(self._num_draws)
        apart = means - means.mean()
        observed = float(np.square(apart).sum() / (num_seeds - 1))
        of_seeds = max(observed - of_images, 0.0) if self._nested else observed
        moderated = (PRIOR_SEEDS * PRIOR_SHARE * of_images + (num_seeds - 1) * of_seeds) / (
            PRIOR_SEEDS + num_seeds - 1
        )
        if observed <= 0:
            return np.zeros(self._num_draws)
        return np.asarray(self._seeds @ apart * np.sqrt(moderated / observed))

    def curves(self, curves: Mapping[str, NDArray[np.float32]]) -> dict[str, Floats]:
        """Each score's mean curve in every draw `(num_draws, num_epochs)`.

        Args:
            curves: `(num_seeds, num_epochs, num_images)`.
        """
        found = {}
        weighted = self._weighted("val", list(curves.values()))
        for (score, array), drawn in zip(curves.items(), weighted, strict=True):
            means = array.mean(2, dtype=np.float64)
            found[score] = drawn.mean(1) + self._seeds @ (means - means.mean(0))
        return found


def _error(array: NDArray[np.float32]) -> float:
    """The variance of a seed's mean over its images, from `(num_seeds, num_images)`."""
    return float(array.var(1, dtype=np.float64).mean() / array.shape[1])


@lru_cache(maxsize=16)
def _kept(key: tuple[int, ...], num_draws: int) -> tuple[NDArray[np.float32], ...]:
    return tuple(_poisson(key, num_draws))


def _images(key: tuple[int, ...], num_draws: int) -> Iterable[NDArray[np.float32]]:
    """Blocks of weights `(up to all draws, size)` whose rows sum to 1.

    They are the same for every model of as many images, so that models are paired.

    Args:
        key: the seed, whether they are of the probe, how many images, and of which seed they are
            where every seed has its own.
    """
    few = num_draws * key[2] <= BLOCK
    return _kept(key, num_draws) if few else _poisson(key, num_draws)


def _poisson(key: tuple[int, ...], num_draws: int) -> Iterator[NDArray[np.float32]]:
    generator, size = np.random.default_rng(key), key[2]
    rows = max(BLOCK // size, 1)
    for start in range(0, num_draws, rows):
        count = min(rows, num_draws - start)
        weights = generator.poisson(1.0, (count, size)).astype(np.float32)
        weights[weights.sum(1) == 0] = 1
        yield weights / weights.sum(1, keepdims=True)


def _seed_weights(generator: Generator, num_draws: int, num_seeds: int) -> Floats:
    """Weights `(num_draws, num_seeds)` of the seeds' deviations from their mean.

    Their variance is that of a mean over seeds, s^2 / num_seeds, with the heavier tails of a t
    distribution, since s^2 comes from few seeds.
    """
    if num_seeds < 2:
        return np.zeros((num_draws, num_seeds))
    normal = generator.standard_normal((num_draws, num_seeds))
    normal -= normal.mean(1, keepdims=True)
    freedom = num_seeds - 1 + PRIOR_SEEDS
    tails = np.sqrt(freedom / generator.chisquare(freedom, num_draws))
    weights: Floats = normal * tails[:, None] / np.sqrt(num_seeds * (num_seeds - 1))
    return weights
