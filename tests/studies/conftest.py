"""A study in miniature: fits that are computed, not trained, with a known gap."""

import hashlib
import shutil

import numpy as np
import optuna
import pandas as pd
import pytest

from overfit_atlas.scoring.fits import Fit, PerImage
from pipeline import params
from pipeline.data.prepared import Manifest
from pipeline.studies import judged, ruling, scoring, storage, tables
from pipeline.studies.plan import Plan
from pipeline.studies.running import AIMS, STARTUP_TRIALS, VALUE, Desk
from pipeline.training.task import FitResult

NUM_IMAGES = 40
SETTINGS = {
    "tune.widths": [4, 16, 64, 256],
    "tune.dropouts": [0.0, 0.4, 0.8],
    "tune.epochs": 8,
    "tune.seeds": [0, 1],
    "tune.search_trials": 12,
    "tune.threshold": 0.2,
    "tune.also_at_epochs": [],
    "evaluate.num_resamples": 100,
    "evaluate.num_draws": 100,
}


@pytest.fixture(autouse=True)
def _quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def make_plan(tmp_path):
    """A plan with some settings changed: `make_plan({"tune.sampler": "sobol"})`."""

    def make(changes=None):
        counts = dict.fromkeys(("train", "val", "test", "probe"), (NUM_IMAGES // 10,) * 10)
        manifest = Manifest(
            "toy", tuple("abcdefghij"), (8, 8, 1), counts, (0.5,), (0.2,), "content" * 6
        )
        return Plan(params.parse({}, {**SETTINGS, **(changes or {})}), tmp_path, manifest)

    return make


def true_gap(width, dropout):
    """What `fit_of` plants at the last epoch, up to the noise of the seed."""
    return 0.1 * np.log2(width) * (1 - dropout)


def fit_of(task):
    """The result a task would have: a pure function of it, as real fits are."""
    digest = hashlib.sha256(f"{task.section!r}{task.train!r}{task.vary!r}{task.seed}".encode())
    generator = np.random.default_rng(int(digest.hexdigest()[:8], 16))
    width, epochs = task.section.units[0], task.train.epochs
    last = true_gap(width, task.section.dropout) + 0.02 * generator.standard_normal()
    progress = np.arange(1, epochs + 1) / epochs
    apart = np.abs(np.log10(task.train.learning_rate) + 3)
    # Learned within two epochs, but for one part in a hundred: from there on the gap alone grows.
    learned = np.minimum(np.arange(1, epochs + 1) / 2, 0.99 + 0.01 * progress)
    fitted = 1.5 - 0.15 * np.log2(width) * learned + 0.1 * apart
    shown = {"probe": fitted, "val": fitted + last * progress}
    images = generator.standard_normal((1, NUM_IMAGES))
    images = 0.1 * (images - images.mean())
    losses = {split: curve[:, None] + images for split, curve in shown.items()}
    rows, arrays = [], {}
    for split, values in losses.items():
        # The rise of the loss costs no accuracy: what is said of it then hangs on the loss alone.
        accuracy = np.clip(1.2 - fitted / 2, 0, 1) - 0.05 * (split == "val")
        correct = np.arange(NUM_IMAGES) < np.round(accuracy * NUM_IMAGES)[:, None]
        arrays |= {f"{split}_loss": values, f"{split}_correct": correct}
        arrays |= {f"{split}_confidence": np.full_like(values, 0.9)}
        rows += [
            {
                "seed": task.seed,
                "epoch": epoch + 1,
                "split": split,
                "loss": values[epoch].mean(),
                "accuracy": correct[epoch].mean(),
                "true_accuracy": correct[epoch].mean(),
                "ece": 0.1,
                "brier": 0.2,
            }
            for epoch in range(epochs)
        ]
    curves = pd.DataFrame(rows).assign(penalty=np.nan, learning_rate=np.nan, seconds=np.nan)
    return FitResult(
        seed=task.seed,
        history=Fit(curves, PerImage(**arrays), task.seed),
        best_epoch=1,
        seconds=0.1,
        num_parameters=65 * width + 2 * (width + 1),
        probabilities=np.zeros((NUM_IMAGES, 2)),
    )


class Workshop:
    """Stands in for the workers: computes fits in an order of its own, and counts them."""

    def __init__(self, order=1, dies_after=None, breaks=lambda task: False):
        self.order = order
        self.dies_after = dies_after
        self.breaks = breaks
        self.tasks = []

    def __call__(self, tasks, title):
        for index in list(range(len(tasks)))[:: self.order]:
            if self.dies_after is not None and len(self.tasks) >= self.dies_after:
                raise KeyboardInterrupt
            self.tasks.append(tasks[index])
            yield index, self._result(tasks[index])

    def _result(self, task):
        result = fit_of(task)
        if self.breaks(task):
            result.history.curves.loc[result.history.curves["epoch"] > 2, "loss"] = np.nan
        return result


@pytest.fixture
def workshop():
    return Workshop


@pytest.fixture
def map_table():
    """The table of a map, its verdicts final: `map_table(plan, trials)`."""
    return lambda plan, trials: tables.map_table(plan, trials, ruling.rule(plan, trials))


@pytest.fixture
def planted():
    return true_gap


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A folder with a database that Optuna has made its tables in, which takes a second."""
    folder = tmp_path_factory.mktemp("mlruns")
    with storage.study(
        "none", optuna.samplers.RandomSampler(seed=0), optuna.pruners.NopPruner(), folder
    ):
        pass
    return folder


def scorer(plan, purpose):
    """What is made of the fits of a point, as the stages of both studies have it."""
    rules = plan.params.evaluate.rules
    if purpose == "search":
        return lambda fits: scoring.score_searched(fits, VALUE[purpose], rules.smoothing)
    return lambda fits: judged.score_point(
        fits, plan.budgets("map"), VALUE[purpose], rules, ruling.facts(plan)
    )


@pytest.fixture
def run_study(tmp_path, empty_database):
    """Works off one study: `run_study(plan, "map", workshop)` gives its trials."""

    def run(plan, purpose, fitted, told=None, folder=tmp_path / "mlruns", **when):
        if not folder.exists():
            shutil.copytree(empty_database, folder)
        pruner = optuna.pruners.NopPruner()
        sampler = optuna.samplers.RandomSampler(seed=0)
        if purpose == "search":
            pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=0)
        name = storage.study_name(purpose, plan.tune.model, plan.decisive(purpose))
        aim = AIMS[purpose]
        with storage.study(name, sampler, pruner, folder, aim=aim) as study:
            score = scorer(plan, purpose)
            desk = Desk(plan, purpose, study, fitted, score, told or (lambda trial: None), **when)
            return desk.search() if purpose == "search" else desk.lay_out()

    return run
