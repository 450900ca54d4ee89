"""Where a model overfits, over width and dropout: a surface of the gap, and its frontier.

`fit` takes one row a fit (columns `COLUMNS`) and gives an `OverfitMap`, which answers: how large
is the gap anywhere, where does it cross the threshold (the frontier, with a band), how much
dropout does each width need, from which width does the undropped net overfit, and where is the gap
small only because the fit is bad.

The noise of a fit and, where the validation fold turns with the seed, that of a fold (`fold_noise`)
are terms of their own: all points share a seed's fold, so that it shifts the whole surface.

The gap is modelled as asinh(gap / threshold): linear below the threshold, and logarithmic far above
it, where fits differ by a factor rather than by an amount and so does their noise. It is monotone,
so the frontier is the same line on both scales.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from overfit_atlas.errors import AtlasError
from overfit_atlas.estimates import over_seeds
from overfit_atlas.gap_map import fold_noise, surface
from overfit_atlas.gap_map.fold_noise import FoldNoise
from overfit_atlas.gap_map.frontier import OverfitsFrom, band, least_dropout, overfits_from
from overfit_atlas.gap_map.surface import Floats, Surface
from overfit_atlas.rules import UNDETERMINED

COLUMNS = (
    "width",
    "dropout",
    "seed",
    "gap_loss",
    "gap_loss_se",
    "p_underfit",
)
"""One row a fit: clean scores at the end of its budget; `_se` is the standard error over images
(NaN where not known: the band then speaks of these images only). `p_underfit` is the probability
with which its point is judged underfit (`Judgement.probabilities`), 0..1; NaN: not judged."""

LEVEL = float(np.arcsinh(1.0))
"""The threshold on the scale of the surface."""
NUM_WIDTHS, NUM_DROPOUTS = 41, 26
MIN_POINTS = 4
ROUNDING = 1e-9
Bools = NDArray[np.bool_]
Crossing = Literal["crosses", "everywhere below", "everywhere above"]


@dataclass(frozen=True)
class MapSettings:
    """What is asked of the map.

    Attributes:
        threshold: nats of gap that count as overfitting.
        num_images: how many probe images, and as many validation images, a fit was scored on.
        folds: whether every seed has a validation fold of its own.
        log_width: False where width is an ordinal, such as the variant of an EfficientNet.
        log_dropout: True where what stands for dropout, such as an L2 penalty, goes by factors.
    """

    threshold: float
    num_images: int
    confidence: float = 0.95
    num_resamples: int = 1000
    seed: int = 0
    log_width: bool = True
    log_dropout: bool = False
    folds: bool = False


@dataclass(frozen=True)
class LeaveOneOut:
    """How well the surface foretells points it has not seen, in units of the gap.

    `error` is the root mean square error at left-out points, `noise` the part of it that is the
    spread of the seeds there; `agreement` the fraction of points foretold on their side of the
    threshold; `coverage` the fraction inside their prediction interval.
    """

    error: float
    noise: float
    agreement: float
    coverage: float


@dataclass(frozen=True)
class OverfitMap:
    """The gap over width and dropout. `points` has one row a point: means over its seeds.

    Any two parameters will do in their place: the first makes a net stronger, the second holds its
    gap small. Widths that are no whole numbers are those of such a parameter.
    """

    settings: MapSettings
    fits: pd.DataFrame
    points: pd.DataFrame
    gap: Surface
    fold_noise: FoldNoise | None = None

    @cached_property
    def widths(self) -> Floats:
        """The widths of the lattice: a ladder of whole numbers with the examined ones on it."""
        own = self.points["width"].to_numpy(float)
        ladder = _ladder(own, NUM_WIDTHS, self.settings.log_width)
        whole = np.array_equal(own, np.round(own))
        return _axis(own, np.round(ladder) if whole else ladder)

    @cached_property
    def dropouts(self) -> Floats:
        """The dropout rates of the lattice, the examined ones among them."""
        own = self.points["dropout"].to_numpy(float)
        ladder = _ladder(own, NUM_DROPOUTS, self.settings.log_dropout)
        return _axis(own, ladder if self.settings.log_dropout else np.round(ladder, 4))

    def table(self) -> pd.DataFrame:
        """The surface, one row a lattice point.

        Columns: width, dropout, gap_loss, gap_loss_low, gap_loss_high (interval of the surface),
        probability (share of resampled maps with the gap at the threshold or above), underfit.
        """
        low, high = band(self._draws, self.settings.confidence)
        return self.lattice.assign(
            gap_loss=self._unscaled(self._values),
            gap_loss_low=self._unscaled(low),
            gap_loss_high=self._unscaled(high),
            probability=np.mean(self._draws >= LEVEL, axis=0).ravel(),
            underfit=self.underfit(self.lattice),
        )

    def frontier(self) -> pd.DataFrame:
        """For each width the least dropout that keeps the gap below the threshold, with its band.

        Columns: width, examined, and those of `least_dropout`; then underfit: at that
        dropout (or at the largest, where none suffices) the fit is bad.
        """
        settings, log = self.settings, self.settings.log_dropout
        axis = np.log2(self.dropouts) if log else self.dropouts
        found = least_dropout(self._values, self._draws, axis, LEVEL, settings.confidence)
        if log:
            ends = ["dropout", "dropout_low", "dropout_high"]
            found[ends] = 2 ** found[ends]
        at = pd.DataFrame({"width": self.widths, "dropout": found["dropout"]})
        found.insert(0, "width", self.widths)
        found.insert(1, "examined", np.isin(self.widths, self.points["width"]))
        return found.assign(underfit=self.underfit(at.fillna(self.dropouts[-1])))

    def overfits_from(self) -> OverfitsFrom:
        """The least width at which the net with the least dropout reaches the threshold."""
        settings, undropped = self.settings, self._draws[:, :, 0]
        return overfits_from(
            self._values[:, 0], undropped, self.widths, LEVEL, settings.confidence,
            settings.log_width,
        )  # fmt: skip

    def crossing(self) -> Crossing:
        """Whether the region that was examined has a frontier."""
        if self._values.max() < LEVEL:
            return "everywhere below"
        return "everywhere above" if self._values.min() >= LEVEL else "crosses"

    def underfit(self, at: pd.DataFrame) -> Bools:
        """Which rows of `at` (width, dropout) are underfit: those of points as they were judged.

        Between points the probability of that verdict is interpolated.
        """
        margin = _averaged(self.points, _judged(self.points) - UNDETERMINED, self.settings)
        exact = replace(margin, variances=np.zeros(len(margin.means)))
        return np.asarray(self._predict(exact, at) >= -ROUNDING)

    def smooth(self, column: str, at: pd.DataFrame) -> Floats:
        """Another column of `fits`, smoothed in the same way, at the rows of `at`."""
        values = self.fits[column].to_numpy(float)
        return self._predict(_averaged(self.fits, values, self.settings), at)

    def _predict(self, averages: surface.Averages, at: pd.DataFrame) -> Floats:
        found = surface.fit(averages, self.gap.low, self.gap.low + self.gap.span)
        return found.predict(_coordinates(at, self.settings))[0]

    def leave_one_out(self) -> LeaveOneOut:
        """The errors of the surface at each point, all seeds of that point left out."""
        known, variances = self.gap.averages.means, self.gap.variances
        mean, deviation = surface.leave_one_out(self.gap)
        error = self._unscaled(mean) - self._unscaled(known)
        slope = self.settings.threshold * np.cosh(known)
        allowed = _quantile(self.settings) * np.hypot(deviation, np.sqrt(variances))
        return LeaveOneOut(
            error=_root_mean_square(error),
            noise=_root_mean_square(slope * np.sqrt(variances)),
            agreement=float(np.mean((mean >= LEVEL) == (known >= LEVEL))),
            coverage=float(np.mean(np.abs(mean - known) <= allowed)),
        )

    @cached_property
    def lattice(self) -> pd.DataFrame:
        """Every width with every dropout: the rows of `table`."""
        width, dropout = np.meshgrid(self.widths, self.dropouts, indexing="ij")
        return pd.DataFrame({"width": width.ravel(), "dropout": dropout.ravel()})

    @cached_property
    def _values(self) -> Floats:
        mean, _ = self.gap.predict(_coordinates(self.lattice, self.settings))
        return mean.reshape(len(self.widths), len(self.dropouts))

    @cached_property
    def _draws(self) -> Floats:
        """Resampled surfaces on the lattice: (num_resamples, widths, dropouts)."""
        generator = np.random.default_rng(self.settings.seed)
        num = self.settings.num_resamples
        # All points are judged on the same images, so other images would shift all of them.
        noise = self.fold_noise
        shift = noise.draws(num, generator) if noise else generator.standard_normal(num)
        shared = shift[:, None] * self.points["image_error"].to_numpy()
        errors = self.gap.resampled_errors(num, generator) + shared
        drawn = self.gap.draws(_coordinates(self.lattice, self.settings), errors, generator)
        return drawn.reshape(len(drawn), len(self.widths), len(self.dropouts))

    def _unscaled(self, values: Floats) -> Floats:
        return np.asarray(self.settings.threshold * np.sinh(values).ravel())


def fit(fits: pd.DataFrame, settings: MapSettings) -> OverfitMap:
    """The map of `fits`, one row a fit; fits without a finite gap (they failed) are left out.

    Raises:
        AtlasError: a column is missing, or fewer than four points are left to lay a surface on.
    """
    missing = [name for name in COLUMNS if name not in fits]
    if missing:
        raise AtlasError(f"map: column {missing[0]!r} is missing; expected {', '.join(COLUMNS)}.")
    kept = fits[np.isfinite(fits["gap_loss"])].reset_index(drop=True)
    if len(kept[["width", "dropout"]].drop_duplicates()) < MIN_POINTS:
        raise AtlasError(
            f"map: {len(kept)} fits with a finite gap at fewer than {MIN_POINTS} points; a surface "
            "needs more widths or dropouts (tune.widths, tune.dropouts, tune.points)."
        )
    places, points = _coordinates(kept, settings), _points(kept, settings)
    values = scaled(kept["gap_loss"], settings.threshold)
    noise = None
    if settings.folds:
        numbers = kept.groupby(["width", "dropout"]).ngroup().to_numpy()
        profile = points["image_error"].to_numpy()
        noise = fold_noise.of_fits(values, numbers, kept["seed"].to_numpy(), profile[numbers])
        values = values - noise.shifts
    gap = surface.fit(surface.averaged(places, values), places.min(0), places.max(0))
    return OverfitMap(settings, kept, points, gap, noise)


def scaled(gap: ArrayLike, threshold: float) -> Floats:
    """Gaps on the scale of the surface, where the threshold is `LEVEL`."""
    return np.asarray(np.arcsinh(np.asarray(gap, float) / threshold))


def _points(fits: pd.DataFrame, settings: MapSettings) -> pd.DataFrame:
    """One row a point, in the order of the surface's own."""
    rows = []
    for (width, dropout), seeds in fits.groupby(["width", "dropout"]):
        errors = [float(error) for error in seeds["gap_loss_se"]]
        values = seeds["gap_loss"].to_numpy()
        gap = over_seeds(values, errors, settings.confidence, settings.num_images)
        image_error = (gap.se_images or 0.0) / np.hypot(settings.threshold, gap.value)
        if settings.folds and len(seeds) > 1:  # what images do is in what sets seeds apart
            gap = over_seeds(values, None, settings.confidence, settings.num_images)
        row = {"width": width, "dropout": dropout, "num_seeds": len(seeds)}
        row |= {"gap_loss": gap.value, "gap_loss_low": gap.low, "gap_loss_high": gap.high}
        row |= {"image_error": image_error}
        rows.append(row | {"p_underfit": seeds["p_underfit"].iloc[0]})
    table = pd.DataFrame(rows)
    return table.assign(underfit=_judged(table) >= UNDETERMINED)


def _judged(points: pd.DataFrame) -> Floats:
    return np.asarray(points["p_underfit"].fillna(0.0), dtype=float)


def _averaged(table: pd.DataFrame, values: Floats, settings: MapSettings) -> surface.Averages:
    kept = np.isfinite(values)
    return surface.averaged(_coordinates(table, settings)[kept], values[kept])


def _coordinates(table: pd.DataFrame, settings: MapSettings) -> Floats:
    width = table["width"].to_numpy(float)
    dropout = table["dropout"].to_numpy(float)
    width = np.log2(width) if settings.log_width else width
    return np.column_stack([width, np.log2(dropout) if settings.log_dropout else dropout])


def _ladder(own: Floats, steps: int, log: bool) -> Floats:
    space = np.geomspace if log else np.linspace
    return np.asarray(space(own.min(), own.max(), steps))


def _axis(own: Floats, ladder: ArrayLike) -> Floats:
    """`ladder`, and the examined values where they are few enough to be read one by one."""
    distinct = np.unique(own)
    shown = distinct if len(distinct) <= NUM_DROPOUTS else distinct[:0]
    return np.union1d(np.asarray(ladder, float), shown)


def _quantile(settings: MapSettings) -> float:
    return NormalDist().inv_cdf((1 + settings.confidence) / 2)


def _root_mean_square(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))
