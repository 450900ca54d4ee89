"""What changes do to a training: `effects` against one baseline, and the `kind` of each change.

A difference is paired: change minus baseline, with the same seeds and, where both saw them, on the
same images. Images are crossed with seeds, so the error of its mean comes from both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.errors import AtlasError
from overfit_atlas.estimates import Estimate
from overfit_atlas.scoring.fits import Floats

Kind = Literal["cures", "improves", "masks", "harms", "no effect", "unclear"]
KINDS: tuple[Kind, ...] = ("cures", "improves", "masks", "harms", "no effect", "unclear")
Parts = Sequence[NDArray[np.floating]]
"""Arrays `(num_seeds, num_images)`, each of images of its own; the effect is the sum of their
means. A gap has two: validation, and minus the probe."""
NUM_FLIPS = 1000


class InvalidDifference(AtlasError):
    """Differences cannot be judged: seeds or images are too few, or differ between parts."""


def kind(held_out: Estimate | None, gap: Estimate | None, margin: float) -> Kind | None:
    """The class of a change; both effects are in loss, so negative is better.

    Equivalent: all of the interval lies within the margin on both sides of 0; else better or
    smaller, or worse: all of it lies below, or above, 0. cures: held-out loss better, gap smaller.
    improves: better, gap not smaller, which is not so by the margin. masks: gap smaller, held-out
    loss equivalent: it only hobbled the fit. harms: held-out loss worse. no effect: equivalent, gap
    not smaller. unclear: the intervals allow more than one.

    Args:
        margin: from how many nats on a difference is material, above 0.

    Returns:
        None where an effect or its interval is not known.
    """
    if held_out is None or held_out.low is None or held_out.high is None:
        return None
    if gap is None or gap.low is None or gap.high is None:
        return None
    equivalent = -margin < held_out.low and held_out.high < margin
    if held_out.low > 0 and not equivalent:
        return "harms"
    better = held_out.high < 0 and not equivalent
    not_smaller = gap.low > -margin
    smaller = gap.high < 0 and not not_smaller
    if not (better or equivalent) or not (smaller or not_smaller):
        return "unclear"
    if better:
        return "cures" if smaller else "improves"
    return "masks" if smaller else "no effect"


def effects(
    changes: Mapping[str, Parts], confidence: float, num_flips: int = NUM_FLIPS, seed: int = 0
) -> dict[str, Estimate]:
    """The effect of each change with intervals that hold together, with this confidence.

    The variance of a mean over images and seeds is that of the crossed random model, by the method
    of moments: s2_image / I + s2_seed / S + s2_rest / (I S), with degrees of freedom after
    Satterthwaite. For several changes the t quantile is widened by the distribution of the largest
    |t| when the signs of images' and seeds' deviations are flipped together for all of them
    (Westfall & Young 1993), never beyond Bonferroni's.

    Args:
        changes: differences to the baseline, by name; all with the same seeds.

    Raises:
        InvalidDifference: fewer than two seeds or images.
    """
    crossed = {name: _Crossed.of(name, parts) for name, parts in changes.items()}
    if not crossed:
        return {}
    from scipy import stats

    errors = {name: one.error() for name, one in crossed.items()}
    tail = (1 - confidence) / 2
    single = {name: float(stats.t.isf(tail, one.freedom)) for name, one in errors.items()}
    wider = 1.0
    if len(crossed) > 1:
        signs = _Signs(num_flips, seed)
        ratios = [np.abs(one.flipped(signs)) / single[name] for name, one in crossed.items()]
        wider = max(float(np.quantile(np.max(ratios, axis=0), confidence)), 1.0)
    found = {}
    for name, one in crossed.items():
        error = errors[name]
        most = float(stats.t.isf(tail / len(crossed), error.freedom))
        half = min(wider * single[name], most) * error.total
        found[name] = Estimate(
            value=one.value,
            low=one.value - half,
            high=one.value + half,
            num_seeds=len(one.seeds),
            num_images=max(part.images.size for part in one.parts),
            se_images=error.images,
            se_seeds=error.seeds,
        )
    return found


class _Error(NamedTuple):
    total: float
    freedom: float
    images: float
    seeds: float


@dataclass(frozen=True)
class _Part:
    """One array, taken apart: what images add `(num_images,)`, and what is left over."""

    images: Floats
    rest: Floats

    @property
    def num_seeds(self) -> int:
        return len(self.rest)

    def squares(self) -> tuple[Floats, Floats]:
        """The mean squares of images and of the rest."""
        free = self.images.size - 1
        image = self.num_seeds * np.square(self.images).sum() / free
        rest = np.square(self.rest).sum() / ((self.num_seeds - 1) * free)
        return np.asarray(image), np.asarray(rest)


@dataclass(frozen=True)
class _Crossed:
    """A difference: its mean, what each seed adds to it `(num_seeds,)`, and its parts."""

    value: float
    seeds: Floats
    parts: tuple[_Part, ...]

    @classmethod
    def of(cls, name: str, parts: Parts) -> "_Crossed":
        arrays = [np.asarray(part, dtype=np.float64) for part in parts]
        shapes = [array.shape for array in arrays]
        seeds = {shape[0] for shape in shapes}
        if len(seeds) != 1 or min(min(shape) for shape in shapes) < 2:
            raise InvalidDifference(
                f"effect of {name!r}: got arrays of shapes {shapes}; give every part the same "
                "seeds, two or more, and two or more images."
            )
        rows = sum(array.mean(1) for array in arrays)
        made = []
        for array in arrays:
            images = array.mean(0) - array.mean()
            rest = array - array.mean(1, keepdims=True) - images
            made.append(_Part(images, rest))
        return cls(float(np.mean(rows)), np.asarray(rows - np.mean(rows)), tuple(made))

    def error(self) -> _Error:
        """The standard error of the value, its degrees of freedom, and what it is made of."""
        num_seeds = len(self.seeds)
        squares = [part.squares() for part in self.parts]
        of_seeds = np.square(self.seeds).sum() / (num_seeds - 1)
        variance, left = (float(one) for one in self._variance(of_seeds, squares))
        sizes = [part.images.size for part in self.parts]
        spent = np.square(max(of_seeds, left) / num_seeds) / (num_seeds - 1)
        for (image, rest), size in zip(squares, sizes, strict=True):
            spent += np.square(image / (num_seeds * size)) / (size - 1)
            spent += np.square(rest / (num_seeds * size)) / ((size - 1) * (num_seeds - 1))
        shared = sum(
            max(image, rest) / (num_seeds * size)
            for (image, rest), size in zip(squares, sizes, strict=True)
        )
        return _Error(
            total=float(np.sqrt(variance)),
            freedom=float(variance**2 / spent) if spent else np.inf,
            images=float(np.sqrt(shared)),
            seeds=float(np.sqrt(max(of_seeds - left, 0.0) / num_seeds)),
        )

    def _variance(
        self,
        of_seeds: "np.floating | Floats",
        squares: Sequence[tuple["np.floating | Floats", ...]],
    ) -> tuple["np.floating | Floats", "np.floating | Floats"]:
        """Variance of the mean from mean squares of seeds, and of (images, rest) of each part.

        Also what the rest alone adds to a seed's mean: no estimate of the seeds falls below it.
        """
        num_seeds = len(self.seeds)
        sizes = [part.images.size for part in self.parts]
        left: Any = 0.0
        shared: Any = 0.0
        for (image, rest), size in zip(squares, sizes, strict=True):
            left = left + rest / size
            shared = shared + np.maximum(image - rest, 0) / (num_seeds * size)
        return np.asarray(np.maximum(of_seeds, left) / num_seeds + shared), np.asarray(left)

    def flipped(self, signs: "_Signs") -> Floats:
        """t of the mean with random signs, under which it is zero `(num_flips,)`."""
        num_seeds = len(self.seeds)
        of_seed = signs.of(0, num_seeds)
        rows = of_seed * self.seeds
        squares = []
        for place, part in enumerate(self.parts, start=1):
            own, image, rest = _flipped_part(part, signs.of(place, part.images.size), of_seed)
            rows = rows + own
            squares.append((image, rest))
        mean = rows.mean(1)
        of_seeds = np.square(rows - mean[:, None]).sum(1) / (num_seeds - 1)
        error = np.sqrt(self._variance(of_seeds, squares)[0])
        return np.asarray(np.divide(mean, error, out=np.zeros_like(mean), where=error > 0))


@dataclass(frozen=True)
class _Signs:
    """Random signs, the same for all changes, so that these stay as dependent as they are."""

    num_flips: int
    seed: int
    made: dict[tuple[int, int], Floats] = field(default_factory=dict)

    def of(self, place: int, size: int) -> Floats:
        """Signs `(num_flips, size)` of the seeds (place 0) or of the images of a part."""
        if (place, size) not in self.made:
            generator = np.random.default_rng([self.seed, place, size])
            drawn = generator.integers(0, 2, (self.num_flips, size), dtype=np.int8)
            self.made[place, size] = drawn * np.float64(2) - 1
        return self.made[place, size]


def _flipped_part(part: _Part, flips: Floats, signs: Floats) -> tuple[Floats, Floats, Floats]:
    """Seeds' means `(num_flips, num_seeds)`, and mean squares of images and rest `(num_flips,)`.

    Of f_i (a_i + s_j e_ij), with the signs f of images and s of seeds, without making that array.
    """
    images, rest, size, num_seeds = part.images, part.rest, part.images.size, part.num_seeds
    means = ((flips @ images)[:, None] + signs * (flips @ rest.T)) / size
    mean = means.mean(1)
    both = signs @ (rest @ images)
    quadratic = np.einsum("fj,jk,fk->f", signs, rest @ rest.T, signs)
    own = np.square(images).sum()
    of_images = num_seeds * (
        own + 2 * both / num_seeds + quadratic / num_seeds**2 - size * np.square(mean)
    )
    of_seeds = size * np.square(means - mean[:, None]).sum(1)
    total = num_seeds * own + 2 * both + np.square(rest).sum() - num_seeds * size * mean**2
    left = np.maximum(total - of_images - of_seeds, 0)
    return means, of_images / (size - 1), left / ((size - 1) * (num_seeds - 1))
