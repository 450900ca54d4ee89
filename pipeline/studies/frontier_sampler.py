"""An Optuna sampler that asks where a frontier is least certain, not where the optimum is.

Any study whose trials report a number can use it: after a Sobol start each new trial goes where
1.96 sd - |mean - threshold| of a Gaussian process is largest (the straddle heuristic: Bryan et al.
2005, "Active learning for identifying function threshold boundaries").
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from overfit_atlas.gap_map import overfit_map, surface
from overfit_atlas.gap_map.surface import Floats, Surface
from pipeline.studies import designs
from pipeline.studies.designs import Point, Space

Z = 1.96
NUM_STEPS = (33, 26)
"""Steps of the candidate lattice along the first and every further parameter."""
REPEATS = "gap_loss_by_seed"
"""User attribute with a trial's single measurements, where it has more than one."""


class FrontierSampler(BaseSampler):
    """Samples `space` along the contour value = `threshold`.

    Args:
        space: the parameters, by name; others that a trial suggests are drawn at random.
        threshold: the value whose contour is sought; above 0.
        num_initial: how many trials start the study as a Sobol sequence; at least 4.
        seed: of the Sobol sequence; equal histories and seeds give equal trials.
        candidates: points to choose among; default a lattice over the space.

    Trials that run count as measured with the value predicted for them, so that trials asked for
    together do not crowd in one place. Failed trials are forgotten. Repeats of one trial, in its
    user attribute `REPEATS`, tell the noise from the surface.
    """

    def __init__(
        self,
        space: Space,
        threshold: float,
        num_initial: int = 8,
        seed: int = 0,
        candidates: Sequence[Point] | None = None,
    ) -> None:
        if threshold <= 0:
            raise ValueError(f"got {threshold=}, expected a number above 0")
        if num_initial < overfit_map.MIN_POINTS:
            raise ValueError(f"got {num_initial=}, expected at least {overfit_map.MIN_POINTS}")
        self._space = dict(space)
        self._threshold = threshold
        self._num_initial = num_initial
        self._seed = seed
        self._candidates = list(candidates) if candidates else _lattice(self._space)
        self._places = self._coordinates(self._candidates)
        self._random = RandomSampler(seed=seed)

    def reseed_rng(self) -> None:
        """Reseed what is random here: only parameters outside the space."""
        self._random.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The space given at the start."""
        return self._space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point: of the Sobol start, then where the frontier is least certain."""
        earlier = [
            other
            for other in study.get_trials(deepcopy=False)
            if other.number < trial.number and other.state != TrialState.FAIL
        ]
        placed = [other for other in earlier if self._space.keys() <= other.params.keys()]
        done = [other for other in placed if other.state == TrialState.COMPLETE]
        taken = self._coordinates([other.params for other in placed])
        if len(earlier) < self._num_initial or len(done) < overfit_map.MIN_POINTS:
            start = designs.sobol(self._space, len(earlier) + 1, self._seed)[-1]
            return self._free(-self._distance(start), taken)
        found = self._surface(done)
        running = [other.params for other in placed if other.state == TrialState.RUNNING]
        if running:
            found = found.with_pending(self._coordinates(running))
        mean, deviation = found.predict(self._places)
        return self._free(Z * deviation - np.abs(mean - overfit_map.LEVEL), taken)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A random value for a parameter outside the space."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _surface(self, trials: Sequence[FrozenTrial]) -> Surface:
        repeats = [trial.user_attrs.get(REPEATS) or [trial.value] for trial in trials]
        places = self._coordinates([trial.params for trial in trials])
        coordinates = np.repeat(places, [len(values) for values in repeats], axis=0)
        values = overfit_map.scaled(np.concatenate(repeats), self._threshold)
        low, high = self._places.min(0), self._places.max(0)
        return surface.fit(surface.averaged(coordinates, values), low, high)

    def _free(self, worth: Floats, taken: Floats) -> Point:
        """The candidate of most `worth` that no trial has; of equals the first."""
        order = np.argsort(-worth, kind="stable")
        used = {tuple(row) for row in taken}
        free = (index for index in order if tuple(self._places[index]) not in used)
        return dict(self._candidates[int(next(free, order[0]))])

    def _distance(self, point: Point) -> Floats:
        span = np.ptp(self._places, axis=0)
        apart = (self._places - self._coordinates([point])) / np.where(span > 0, span, 1.0)
        return np.asarray(np.sum(apart**2, axis=1))

    def _coordinates(self, points: Sequence[Mapping[str, Any]]) -> Floats:
        rows = [
            [designs.number(one, point[name]) for name, one in self._space.items()]
            for point in points
        ]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._space))


def _lattice(space: Space) -> list[Point]:
    steps = [NUM_STEPS[0]] + [NUM_STEPS[1]] * (len(space) - 1)
    return designs.grid(
        {
            name: designs.ladder(one, count)
            for (name, one), count in zip(space.items(), steps, strict=True)
        }
    )
