"""A smooth function of a few numbers, learned from noisy repeats: a Gaussian process.

`averaged` turns repeats into means with their noise; `fit` learns the surface from them. The noise
is not guessed from the roughness of the surface: it comes from the repeats (Ankenman, Nelson &
Staum 2010, "Stochastic kriging").
"""

import warnings
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

PRIOR_FREEDOM = 4.0
"""Weight, in degrees of freedom, of the pooled variance in the variance of a single point."""
LENGTHS = (0.1, 10.0)
AMPLITUDES = (1e-2, 1e3)
NOISES = (1e-6, 1.0)
JITTER = 1e-8


@dataclass(frozen=True)
class Averages:
    """Means of repeats at `coordinates` (n, d), and the variance of each mean.

    `variances` is None where nothing was repeated. `residuals` are what sets repeats apart, each
    in units of the noise of its own point, in one pool of mean 0 and deviation 1.
    """

    coordinates: Floats
    means: Floats
    variances: Floats | None
    counts: NDArray[np.int64]
    residuals: Floats

    def at(self, rows: NDArray[Any]) -> "Averages":
        """These rows alone."""
        variances = None if self.variances is None else self.variances[rows]
        kept = self.coordinates[rows], self.means[rows], variances, self.counts[rows]
        return Averages(*kept, self.residuals)


def averaged(coordinates: ArrayLike, values: ArrayLike) -> Averages:
    """Repeats at equal `coordinates` (n, d) as one mean each, in the order of the coordinates.

    Three repeats say little about the noise of one point, so its variance is drawn towards the
    pooled one (Smyth 2004, with a prior of `PRIOR_FREEDOM` degrees of freedom).
    """
    points, inverse = np.unique(np.asarray(coordinates, float), axis=0, return_inverse=True)
    inverse, values = inverse.reshape(-1), np.asarray(values, float)
    counts = np.bincount(inverse)
    means = np.bincount(inverse, values) / counts
    apart = values - means[inverse]
    squares, freedom = np.bincount(inverse, apart**2), counts - 1
    if not freedom.sum():
        return Averages(points, means, None, counts, np.zeros(0))
    pooled = squares.sum() / freedom.sum()
    moderated = (PRIOR_FREEDOM * pooled + squares) / (PRIOR_FREEDOM + freedom)
    residuals = _pool(apart, moderated[inverse], counts[inverse])
    return Averages(points, means, moderated / counts, counts, residuals)


def _pool(apart: Floats, variances: Floats, counts: NDArray[np.int64]) -> Floats:
    repeated = (counts > 1) & (variances > 0)
    shrunk = np.sqrt(variances[repeated] * (1 - 1 / counts[repeated]))
    residuals = apart[repeated] / shrunk
    spread = residuals.std() if len(residuals) else 0.0
    return np.asarray(residuals / spread if spread > 0 else residuals[:0])


@dataclass(frozen=True)
class Surface:
    """A Gaussian process conditioned on `averages`; Matern 5/2, one length scale a coordinate.

    `kernel` works on coordinates scaled to 0..1 and on values of mean 0 and deviation 1;
    everything the methods take and return is in the units of the data.
    """

    averages: Averages
    variances: Floats
    kernel: Any
    low: Floats
    span: Floats
    centre: float
    scale: float

    def predict(self, points: ArrayLike) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the noise-free surface at `points` (m, d)."""
        across = self.kernel(self._scaled(points), self._known)
        spread = self.kernel.diag(self._scaled(points)) - np.sum(across @ self._inverse * across, 1)
        return self._mean(across), self.scale * np.sqrt(np.maximum(spread, 0.0))

    def draws(self, points: ArrayLike, errors: Floats, generator: np.random.Generator) -> Floats:
        """Surfaces at `points` (m, d) that fit the data as well as this one: (num, m).

        `errors` (num, n) are errors the n means may have had, such as resampled repeats. Each draw
        is a path of the process corrected for what the data say of it (Matheron's rule), with
        these errors in the place of the Gaussian noise.
        """
        scaled = self._scaled(points)
        joint = np.concatenate([self._known, scaled])
        covariance = self.kernel(joint)
        covariance += JITTER * covariance.max() * np.eye(len(joint))
        normal = generator.standard_normal((len(joint), len(errors)))
        paths = np.linalg.cholesky(covariance) @ normal
        known, free = np.split(paths, [len(self._known)])
        across = self.kernel(scaled, self._known)
        residual = known + errors.T / self.scale
        drawn = free - across @ (self._inverse @ residual)
        return np.asarray((self._mean(across)[:, None] + self.scale * drawn).T)

    def resampled_errors(self, num: int, generator: np.random.Generator) -> Floats:
        """Errors of the means (num, n) as they come out when the repeats are drawn anew."""
        counts, pool = self.averages.counts, self.averages.residuals
        if not len(pool):
            return generator.standard_normal((num, len(counts))) * np.sqrt(self.variances)
        means = [pool[generator.integers(len(pool), size=(num, n))].mean(1) for n in counts]
        return np.stack(means, axis=1) * np.sqrt(counts * self.variances)

    def _scaled(self, points: ArrayLike) -> Floats:
        return np.asarray((np.atleast_2d(np.asarray(points, float)) - self.low) / self.span)

    def _mean(self, across: Floats) -> Floats:
        standard = (self.averages.means - self.centre) / self.scale
        return np.asarray(self.centre + self.scale * (across @ (self._inverse @ standard)))

    @cached_property
    def _known(self) -> Floats:
        return self._scaled(self.averages.coordinates)

    @cached_property
    def _inverse(self) -> Floats:
        noise = self.variances / self.scale**2 + JITTER
        return np.asarray(np.linalg.inv(self.kernel(self._known) + np.diag(noise)))


def fit(averages: Averages, low: ArrayLike, high: ArrayLike, kernel: Any = None) -> Surface:
    """The surface through `averages`, its smoothness by maximum likelihood.

    Args:
        low, high: the corners of the region (d,), which length scales are relative to.
        kernel: a kernel fitted before, to search from: much nearer than nothing.

    Where nothing was repeated, the noise is estimated with the smoothness: less sure.
    """
    low, span = np.asarray(low, float), np.asarray(high, float) - np.asarray(low, float)
    span = np.where(span > 0, span, 1.0)
    centre, deviation = float(averages.means.mean()), float(averages.means.std())
    scale = deviation if deviation > 1e-9 * max(1.0, abs(centre)) else 1.0
    known = (averages.coordinates - low) / span
    standard = (averages.means - centre) / scale
    if averages.variances is not None:
        noise = averages.variances / scale**2
        fitted = _maximum_likelihood(known, standard, noise, kernel)
        return Surface(averages, averages.variances, fitted, low, span, centre, scale)
    fitted, level = _with_noise(known, standard, kernel)
    variances = np.full(len(known), level * scale**2)
    return Surface(averages, variances, fitted, low, span, centre, scale)


def _maximum_likelihood(known: Floats, values: Floats, noise: Floats, start: Any) -> Any:
    kernel = start or _smooth(known.shape[1])
    return _regress(kernel, known, values, noise + JITTER).kernel_


def _with_noise(known: Floats, values: Floats, start: Any) -> tuple[Any, float]:
    from sklearn.gaussian_process.kernels import WhiteKernel

    kernel = (start or _smooth(known.shape[1])) + WhiteKernel(0.1, NOISES)
    both = _regress(kernel, known, values, JITTER).kernel_
    return both.k1, float(both.k2.noise_level)


def _smooth(num_coordinates: int) -> Any:
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    return ConstantKernel(1.0, AMPLITUDES) * Matern([0.5] * num_coordinates, LENGTHS, nu=2.5)


def _regress(kernel: Any, known: Floats, values: Floats, noise: Any) -> Any:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor

    # Matrices of a few dozen rows, hundreds of times: more threads than one wait for each other.
    with warnings.catch_warnings(), _libraries().limit(limits=1):
        # A length scale at its bound says that the coordinate hardly matters: an answer.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessRegressor(kernel, alpha=noise).fit(known, values)


@cache
def _libraries() -> Any:
    """The libraries of linear algebra that this process has loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def leave_one_out(found: Surface) -> tuple[Floats, Floats]:
    """Mean and deviation of the surface at each of its points, learned from all the others."""
    known, rows = found.averages, np.arange(len(found.averages.means))
    predicted = []
    for row in rows:
        rest = fit(known.at(rows != row), found.low, found.low + found.span, found.kernel)
        predicted.append(rest.predict(known.coordinates[row]))
    mean, deviation = np.array(predicted)[:, :, 0].T
    return mean, deviation
