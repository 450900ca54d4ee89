"""Made-up histories whose truth is known: for tests of pages, and of what must not be missed.

They are made from mean curves (fall, plateau, rise) and from noise as fits show it, and know
nothing of the rules that judge them:

- losses of single images are log-normal about the mean, so a few images carry most of the loss, and
  an image that is hard in one epoch is hard in the next (autoregressive over epochs);
- a rise comes from some images only, mostly hard ones, which the net gets confidently wrong;
- whole epochs go up and down together (the weights' noise), autocorrelated, up to 10 % of the loss;
- 400 to 2,000 validation images, 15 to 60 epochs, 1, 3 or 5 seeds that differ in level and timing.

The true onset is the argmin of the mean curve, before any noise.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from overfit_atlas.scoring import scores
from overfit_atlas.scoring.fits import Fit, Floats, PerImage

NUM_CLASSES = 10
START = float(np.log(NUM_CLASSES))
WRONG_FROM = 0.9  # nats; an image whose loss is above it is classified wrongly


@dataclass(frozen=True)
class Shape:
    """The noise-free course of one fit (nats a curve, one value an epoch), and how noisy it is."""

    val: Floats
    probe: Floats
    rise: Floats
    epoch_noise: float


@dataclass(frozen=True)
class Case:
    """A synthetic model with its truth.

    Attributes:
        verdict: what is true of the mean curves.
        onsets: the true onset of each seed, 1-based; None where there is none.
        clear: for overfits, whether the mean loss ends at least 25 % and 0.1 nats above its
            minimum.
        reference: probe accuracy of the best model of the same imagined data set.
    """

    kind: str
    verdict: str
    onsets: tuple[int | None, ...]
    histories: tuple[Fit, ...]
    clear: bool
    reference: float


def make(kind: str, seed: int, num_seeds: int | None = None) -> Case:
    """A case of `kind` (one of `KINDS`); equal arguments give equal numbers."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    verdict, draw = KINDS[kind]
    num_seeds = num_seeds or int(rng.choice([1, 3, 5]))
    shape = draw(rng)
    images = _Images.draw(rng, int(np.exp(rng.uniform(np.log(400), np.log(2000)))))
    shapes = [_jittered(shape, rng) for _ in range(num_seeds)]
    histories = [_history(one, images, rng, seed) for seed, one in enumerate(shapes)]
    if kind == "nan at the end":
        histories = [_broken(history) for history in histories]
    best = max(float(history.series("probe", "accuracy")[-1]) for history in histories)
    ahead = 0.2 if kind == "underfit" else rng.uniform(-0.05, 0.01)
    return Case(
        kind=kind,
        verdict=verdict,
        onsets=tuple(_onset(one) for one in shapes),
        histories=tuple(histories),
        clear=_is_clear(shape),
        reference=float(np.clip(np.nan_to_num(best) + ahead, 0, 1)),
    )


def _onset(shape: Shape) -> int | None:
    return int(np.argmin(shape.val + shape.rise)) + 1 if shape.rise.any() else None


def _is_clear(shape: Shape) -> bool:
    mean = shape.val + shape.rise
    if not shape.rise.any():
        return False
    worse = float(mean[-1] - mean.min())
    return worse >= 0.1 and worse >= 0.25 * float(mean.min())


def _falling(num_epochs: int, floor: float, pace: float, start: float = START) -> Floats:
    epochs = np.arange(1, num_epochs + 1)
    falling: Floats = floor + (start - floor) * np.exp(-epochs / pace)
    return falling


def _good(rng: Generator) -> Shape:
    num_epochs = int(rng.integers(15, 61))
    floor, pace = rng.uniform(0.15, 1.0), rng.uniform(1.5, num_epochs / 8)
    val = _falling(num_epochs, floor, pace)
    gap = rng.uniform(0, 0.3) * floor
    probe = _falling(num_epochs, floor - gap, pace * rng.uniform(0.9, 1.1))
    return Shape(val, probe, np.zeros(num_epochs), rng.uniform(0.003, 0.03))


def _noisy(rng: Generator) -> Shape:
    return replace(_good(rng), epoch_noise=rng.uniform(0.03, 0.1))


def _widening(rng: Generator) -> Shape:
    shape = _good(rng)
    lower = _falling(len(shape.val), 0.5 * shape.probe[-1], len(shape.val) / 3, shape.probe[-1])
    return replace(shape, probe=shape.probe - shape.probe[-1] + lower)


def _underfit(rng: Generator) -> Shape:
    num_epochs = int(rng.integers(15, 61))
    floor, pace = rng.uniform(1.0, 1.9), rng.uniform(1.5, num_epochs / 8)
    val = _falling(num_epochs, floor, pace)
    probe = val - rng.uniform(-0.01, 0.01)
    return Shape(val, probe, np.zeros(num_epochs), rng.uniform(0.003, 0.03))


def _overfit(strength: float) -> Callable[[Generator], Shape]:
    def draw(rng: Generator) -> Shape:
        good = _good(rng)
        num_epochs = len(good.val)
        start = int(rng.integers(3, max(4, int(0.6 * num_epochs))))
        after = np.clip((np.arange(1, num_epochs + 1) - start) / (num_epochs - start), 0, 1)
        bend = rng.choice([0.7, 1.0, 1.5])
        val = _falling(num_epochs, float(good.val[-1]), min(rng.uniform(1, 6), start / 2))
        pace = rng.uniform(0.2, 0.5) * num_epochs
        probe = _falling(num_epochs, rng.uniform(0.01, 0.1), pace, float(val[start]))
        probe = np.minimum(probe, val)
        return Shape(val, probe, strength * good.val[-1] * after**bend, good.epoch_noise)

    return draw


def _noisy_overfit(rng: Generator) -> Shape:
    return replace(_overfit(1.0)(rng), epoch_noise=rng.uniform(0.03, 0.1))


def _censored(rng: Generator) -> Shape:
    num_epochs = int(rng.integers(15, 61))
    floor, pace = rng.uniform(0.15, 0.6), num_epochs * rng.uniform(0.4, 1.0)
    val = _falling(num_epochs, floor, pace)
    probe = val * rng.uniform(0.9, 1.0)
    return Shape(val, probe, np.zeros(num_epochs), rng.uniform(0.003, 0.03))


def _double_descent(rng: Generator) -> Shape:
    good = _good(rng)
    num_epochs = len(good.val)
    epochs = np.arange(1, num_epochs + 1) / num_epochs
    bump = rng.uniform(0.2, 0.6) * np.exp(-(((epochs - rng.uniform(0.3, 0.4)) / 0.12) ** 2))
    second = rng.uniform(0.25, 0.4) / (1 + np.exp(-(epochs - 0.6) / 0.05))
    scale = good.val[-1]
    return replace(
        good, val=good.val + scale * (bump - second), probe=good.probe * (1 - second - 0.1)
    )


def _by_heart(rng: Generator) -> Shape:
    good = _good(rng)
    num_epochs = len(good.val)
    probe = _falling(num_epochs, 0.003, num_epochs / rng.uniform(8, 12))
    return replace(good, probe=np.minimum(probe, good.val))


def _two_epochs(rng: Generator) -> Shape:
    good = _good(rng)
    return Shape(good.val[:2], good.probe[:2], good.rise[:2], good.epoch_noise)


KINDS: dict[str, tuple[str, Callable[[Generator], Shape]]] = {
    "ideal": ("good fit", _good),
    "noisy plateau": ("good fit", _noisy),
    "censored": ("underfit", _censored),
    "double descent": ("good fit", _double_descent),
    "underfit": ("underfit", _underfit),
    "overfit 0.25": ("overfit", _overfit(0.25)),
    "overfit 0.5": ("overfit", _overfit(0.5)),
    "overfit 1": ("overfit", _overfit(1.0)),
    "overfit 2": ("overfit", _overfit(2.0)),
    "overfit 1, noisy": ("overfit", _noisy_overfit),
    "by heart": ("overfit", _by_heart),
    "gap widens": ("overfit", _widening),
    "nan at the end": ("undetermined", _good),
    "two epochs": ("undetermined", _two_epochs),
}
"""Kind -> (true verdict, how its mean curves are drawn); the number is rise over minimum."""


def _jittered(shape: Shape, rng: Generator) -> Shape:
    """Another seed of the same model: 3 % another level, and up to an epoch earlier or later."""
    shift = int(rng.integers(-1, 2)) if len(shape.val) > 2 else 0
    index = np.clip(np.arange(len(shape.val)) - shift, 0, None)
    index = np.minimum(index, len(shape.val) - 1)
    level = np.exp(rng.normal(0, 0.03))
    return Shape(
        level * shape.val[index], level * shape.probe[index], shape.rise[index], shape.epoch_noise
    )


@dataclass(frozen=True)
class _Images:
    """What stays with the images over epochs and seeds: difficulty, and who carries the rise."""

    val: Floats
    probe: Floats
    carries: Floats
    persistence: float
    wobble: float
    between_epochs: float

    @classmethod
    def draw(cls, rng: Generator, num_images: int) -> "_Images":
        spread = rng.uniform(1.0, 1.6)
        val, probe = (_lognormal(rng, num_images, spread) for _ in range(2))
        share = rng.uniform(0.1, 0.4)
        hard = np.log(val) / spread + rng.normal(0, 1, num_images)
        carries = (hard > np.quantile(hard, 1 - share)) * rng.gamma(1.5, 1 / 1.5, num_images)
        return cls(
            val,
            probe,
            carries / share,
            persistence=rng.uniform(0.5, 0.9),
            wobble=rng.uniform(0.2, 0.5),
            between_epochs=rng.uniform(0, 0.8),
        )


def _lognormal(rng: Generator, num_images: int, spread: float) -> Floats:
    drawn: Floats = np.exp(rng.normal(-(spread**2) / 2, spread, num_images))
    return drawn


def _autoregressive(rng: Generator, shape: tuple[int, ...], persistence: float) -> Floats:
    """Standard normal at every epoch (first axis), correlated by `persistence` with the last."""
    from scipy import signal

    fresh = rng.normal(0, 1, shape)
    fresh[1:] *= np.sqrt(1 - persistence**2)
    series: Floats = signal.lfilter([1.0], [1.0, -persistence], fresh, axis=0)
    return series


def _history(shape: Shape, images: _Images, rng: Generator, seed: int) -> Fit:
    num_epochs = len(shape.val)
    wave = _autoregressive(rng, (num_epochs, 2), images.between_epochs)
    ups = np.exp(shape.epoch_noise * wave @ np.array([[1.0, 0.4], [0.0, 0.4]]))

    def losses(mean: Floats, difficulty: Floats) -> Floats:
        noise = _autoregressive(rng, (num_epochs, len(difficulty)), images.persistence)
        wobble = np.exp(images.wobble * noise - images.wobble**2 / 2)
        return mean[:, None] * difficulty * wobble

    val = (losses(shape.val, images.val) + shape.rise[:, None] * images.carries) * ups[:, :1]
    probe = losses(shape.probe, images.probe) * ups[:, 1:]
    return _recorded(val, probe, rng, seed)


def _recorded(val: Floats, probe: Floats, rng: Generator, seed: int) -> Fit:
    arrays: dict[str, NDArray[np.floating] | NDArray[np.bool_]] = {}
    tables = []
    for split, loss in (("probe", probe), ("val", val)):
        correct = loss < WRONG_FROM
        of_label = np.exp(-loss)
        other = (1 - of_label) * rng.uniform(0.5, 1, loss.shape[1])
        confidence = np.where(correct, of_label, np.maximum(of_label, other))
        arrays |= {
            f"{split}_loss": loss.astype(np.float16),
            f"{split}_correct": correct,
            f"{split}_confidence": confidence.astype(np.float16),
        }
        columns = {"loss": loss.mean(1), "accuracy": correct.mean(1)}
        columns["ece"] = [scores.ece(*pair) for pair in zip(confidence, correct, strict=True)]
        epochs = np.arange(1, len(loss) + 1)
        tables.append(pd.DataFrame({"seed": seed, "epoch": epochs, "split": split, **columns}))
    return Fit(pd.concat(tables, ignore_index=True), PerImage(**arrays), seed)  # type: ignore[arg-type]


def _broken(history: Fit, num_lost: int = 3) -> Fit:
    curves = history.curves.copy()
    curves.loc[curves["epoch"] > history.num_epochs - num_lost, ["loss", "ece"]] = np.nan
    return replace(history, curves=curves)
