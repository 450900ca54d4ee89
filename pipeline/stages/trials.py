"""What the stages `tune` and `search` have in common: a study worked off, each trial told."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from pipeline import tracking
from pipeline.files import replacing
from pipeline.stages import cli
from pipeline.studies import storage
from pipeline.studies.plan import Plan, Purpose
from pipeline.studies.running import AIMS, STARTUP_TRIALS, VALUE, Desk, Fitted, Score, finished
from pipeline.studies.scoring import WORDS
from pipeline.training import checks, workers
from pipeline.training.finished import Kept
from pipeline.training.task import FitResult, FitTask

CURVES = ("epoch", "split", "loss", "accuracy")
"""What MLflow gets of a trial's epochs; the rest is in the tables."""


def kept(purpose: Purpose) -> Kept:
    """Where finished fits of a study lie."""
    return Kept(cli.root() / ".checkpoints" / purpose)


def check(plan: Plan) -> None:
    """Refuse before any work what cannot work.

    Raises:
        AtlasError: a width, or what else is varied, that the model or the images do not allow.
    """
    for point in plan.corners():
        checks.check_fit(plan.tasks(point)[0], plan.manifest.image_shape, plan.manifest.num_classes)


def on_demand(plan: Plan, done: Kept, stack: ExitStack) -> Fitted:
    """Fits on workers that start with the first one that is not kept, if any."""
    pools: list[workers.Pool] = []

    def missing(tasks: Sequence[FitTask], title: str) -> Iterator[tuple[int, FitResult]]:
        if not pools:
            from pipeline.plots import studies  # noqa: F401, while TensorFlow is, for the workers

            pools.append(stack.enter_context(workers.pool(plan.params.workers)))
        return pools[0].run(tasks, title)

    return lambda tasks, title: done.run(tasks, partial(missing, title=title))


def worked_off(
    plan: Plan, purpose: Purpose, fitted: Fitted, score: Score, run: tracking.Run
) -> list[FrozenTrial]:
    """All trials of one study, the missing ones fitted now; each is logged once in this run."""
    minutes = plan.tune.minutes
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes
    with study(plan, purpose) as of_purpose:
        for trial in finished(of_purpose):
            log(run, purpose, trial)
        tell = partial(log, run, purpose)
        desk = Desk(plan, purpose, of_purpose, fitted, score, tell, until)
        return desk.search() if purpose == "search" else desk.lay_out()


def study(plan: Plan, purpose: Purpose) -> AbstractContextManager[optuna.Study]:
    """The Optuna study behind the map or the search, for this process alone."""
    tune = plan.tune
    name = storage.study_name(purpose, tune.model, plan.decisive(purpose))
    sampler = optuna.samplers.RandomSampler(seed=plan.params.seed)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if purpose == "search":
        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=0)
    return storage.study(name, sampler, pruner, folder(), tune.storage, AIMS[purpose])


def folder() -> Path:
    """Where studies lie, unless `tune.storage` names another database."""
    return cli.root() / "mlruns"


def write(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Tables as files of `folder`, by name, each written whole."""
    for name, table in tables.items():
        with replacing(folder / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.9g")


def log(run: tracking.Run, purpose: Purpose, trial: FrozenTrial) -> None:
    """A child run for a finished trial: its parameters, scores, words and curves."""
    point = ", ".join(f"{name} {_short(value)}" for name, value in trial.params.items())
    known = trial.user_attrs
    with run.child(f"{purpose}: {point}", {"study": purpose}) as child:
        scores = {name: x for name, x in known.items() if isinstance(x, int | float)}
        tags = {name: known[name] or "" for name in WORDS if name in known}
        table = pd.DataFrame(trial.system_attrs["curves"])[list(CURVES)]
        child.log_scored(trial.params, scores, tags, table)
        if not known[f"{VALUE[purpose]}_by_seed"]:
            child.fail("the loss of every seed left the finite numbers")


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else str(value)
