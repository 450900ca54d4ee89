"""How trials of a study come about: asked for, fitted, told. Start at `Desk`.

Trials are asked for in batches of a fixed size, so that what an adaptive study proposes does not
depend on how many workers there are or in which order their fits finish.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.samplers import TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from pipeline.studies import storage
from pipeline.studies.plan import Plan, Purpose
from pipeline.studies.scoring import Scored, best_loss
from pipeline.training.task import FitResult, FitTask

Fitted = Callable[[Sequence[FitTask], str], Iterator[tuple[int, FitResult]]]
"""Runs fits side by side; gives each one's index and result, in the order in which they finish."""

Score = Callable[[Sequence[FitResult]], Scored]
"""What the fits of one point say together."""
VALUE: dict[Purpose, str] = {"map": "gap_loss", "search": "best_val_loss"}
AIMS: dict[Purpose, storage.Aim] = {
    "map": storage.Aim("gap (nats)", "maximize"),
    "search": storage.Aim("validation loss (nats)", "minimize"),
}
"""The best trial of the map is the one that overfits most, that of the search the best model."""
STARTUP_TRIALS = 4
"""Trials of the search that are drawn at random, and complete before any other is pruned."""


def finished(study: Study) -> list[FrozenTrial]:
    """Trials that will not run again, in the order in which they were asked for."""
    return storage.kept(study, TrialState.COMPLETE, TrialState.PRUNED)


@dataclass(frozen=True)
class Desk:
    """Where the trials of one study are worked off.

    Attributes:
        fitted: where fits are sent to.
        score: what is made of the fits of a point.
        told: called with every trial as it finishes.
        until: the time of `clock` (s) from which on no further fit of a map is waited for, and no
            further trials of a search are begun.
    """

    plan: Plan
    purpose: Purpose
    study: Study
    fitted: Fitted
    score: Score
    told: Callable[[FrozenTrial], None]
    until: float = math.inf
    clock: Callable[[], float] = time.monotonic

    def lay_out(self) -> list[FrozenTrial]:
        """The trials of a map designed beforehand, those that were missing fitted now."""
        points = self.plan.design()
        known = [trial.params for trial in finished(self.study)]
        missing = [point for point in points if point not in known]
        trials: dict[int, Trial] = {}
        tasks = [self.plan.tasks(point) for point in missing]
        for index, results in self._of_points(tasks, self.until):
            if index not in trials:
                trials[index] = storage.begin(self.study, self.plan.space, missing[index])
            if len(results) == len(self.plan.tune.seeds):
                self._finish(trials.pop(index), results)
        for trial in trials.values():  # the time was over before their last seed
            self.study.tell(trial, state=TrialState.FAIL)
        return [trial for trial in finished(self.study) if trial.params in points]

    def search(self) -> list[FrozenTrial]:
        """The trials of the search: TPE on the validation loss, pruned after each seed.

        A trial whose mean so far is worse than the median of earlier trials after as many seeds
        spends no further ones.
        """
        smoothing = self.plan.params.evaluate.smoothing
        for trials in self._batches(self.plan.tune.search_trials):
            results: dict[int, list[FitResult]] = {trial.number: [] for trial in trials}
            live = trials
            for step, seed in enumerate(self.plan.tune.seeds, start=1):
                tasks = [self.plan.tasks(trial.params, "search", [seed]) for trial in live]
                for index, found in self._of_points(tasks):
                    results[live[index].number] += found
                for trial in live:
                    losses = [best_loss(one, smoothing) for one in results[trial.number]]
                    trial.report(float(np.mean(losses)), step)
                last = step == len(self.plan.tune.seeds)
                pruned = [] if last else [trial for trial in live if trial.should_prune()]
                for trial in pruned:
                    self._finish(trial, results[trial.number], pruned=True)
                live = [trial for trial in live if trial not in pruned]
            for trial in live:
                self._finish(trial, results[trial.number])
        return finished(self.study)[: self.plan.tune.search_trials]

    def _batches(self, num_trials: int) -> Iterator[list[Trial]]:
        """Trials asked for together; a batch that was cut off is made complete first."""
        storage.requeue(self.study)
        batch = self.plan.tune.batch
        while (done := len(finished(self.study))) < num_trials and self.clock() <= self.until:
            yield [self._propose() for _ in range(min(batch - done % batch, num_trials - done))]

    def _propose(self) -> Trial:
        # Seeded by its number, so that a resumed search proposes what it would have proposed.
        self.study.sampler = TPESampler(
            seed=self.plan.params.seed + len(storage.kept(self.study)),
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
            constant_liar=True,
        )
        return storage.ask(self.study, self.plan.search_space)

    def _of_points(
        self, tasks: Sequence[Sequence[FitTask]], until: float = math.inf
    ) -> Iterator[tuple[int, list[FitResult]]]:
        """Whenever a fit finishes: the index of its point, and the results of that point so far.

        From `until` on no further fit is waited for.
        """
        owners = [index for index, fits in enumerate(tasks) for _ in fits]
        found: list[list[FitResult]] = [[] for _ in tasks]
        flat = [task for fits in tasks for task in fits]
        fits = self.fitted(flat, self.purpose) if flat else iter(())
        for number, result in fits:
            found[owners[number]].append(result)
            yield owners[number], found[owners[number]]
            if self.clock() > until:
                fits.close()  # type: ignore[attr-defined]
                return

    def _finish(self, trial: Trial, results: Sequence[FitResult], pruned: bool = False) -> None:
        scored = self.score(results)
        for name, value in scored.attributes.items():
            trial.set_user_attr(name, value)
        for name, value in scored.kept.items():
            storage.keep(self.study, trial, name, value)
        if self.purpose == "map":
            for epoch, gap in enumerate(scored.gaps, start=1):
                trial.report(gap, epoch)
        if pruned or scored.value is None:
            self.told(self.study.tell(trial, state=TrialState.PRUNED))
        else:
            self.told(self.study.tell(trial, scored.value))
