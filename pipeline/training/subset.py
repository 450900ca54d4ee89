"""One fit on a random part of the train images, which then says what it makes of all of them.

Nothing is scored on the way, so that hundreds of such fits cost little more than their training.
"""

import time
from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import pandas as pd

from overfit_atlas.scoring import scores
from overfit_atlas.scoring.fits import Fit
from pipeline.training import checkpoints, schedules
from pipeline.training.fitting import EXPLODED
from pipeline.training.program import Program, Resident
from pipeline.training.task import FitResult, FitTask, OfTrain


def rows(num_train: int, share: float, seed: int) -> np.ndarray:
    """The train images of the fit with this seed: int32, ascending, at least one and not all."""
    size = min(num_train - 1, max(1, round(share * num_train)))
    drawn = np.random.default_rng([seed, num_train]).permutation(num_train)[:size]
    return np.sort(drawn).astype(np.int32)


def fit(task: FitTask, resident: Resident, program: Program) -> FitResult:
    """Train on `task.share` of train for all epochs; early stopping and best epochs do not apply.

    A fit that was finished before, and whose result still lies in `task.checkpoints`, is read.
    """
    started = time.perf_counter()
    path = task.checkpoint
    found = checkpoints.read(path, _restored) if path else None
    if found is None:
        found = _fitted(task, resident, program)
        if path:
            checkpoints.write(vars(found), path)
    seconds = time.perf_counter() - started
    accuracy = found.val_probabilities.argmax(1) == resident.data.val.labels
    loss = scores.cross_entropy(found.val_probabilities.astype(float), resident.data.val.labels)
    row = {"epoch": task.train.epochs, "split": "val"}
    row |= {"loss": float(loss.mean()), "accuracy": float(accuracy.mean())}
    return FitResult(
        seed=task.seed,
        history=Fit(pd.DataFrame([{"seed": task.seed, **row}]), seed=task.seed),
        best_epoch=task.train.epochs,
        seconds=seconds,
        num_parameters=program.num_parameters,
        probabilities=found.val_probabilities,
        failed=None if found.loss.mean() <= EXPLODED else f"the loss is {found.loss.mean():.3g}",
        of_train=found,
    )


def _fitted(task: FitTask, resident: Resident, program: Program) -> OfTrain:
    labels = resident.data.train.labels
    chosen = rows(len(labels), task.share, task.seed)
    rates = schedules.rates(task.train.schedule, task.train.learning_rate, task.train.epochs)
    for epoch, rate in enumerate(rates, start=1):
        program.train_epoch(resident, epoch, task.seed, rate, chosen)
    logits = program.logits(resident.images[: len(labels)])
    inside = np.zeros(len(labels), bool)
    inside[chosen] = True
    return OfTrain(
        inside=inside,
        probabilities=scores.softmax(logits).astype(np.float16),
        loss=scores.cross_entropy_of_logits(logits, labels).astype(np.float32),
        val_probabilities=scores.softmax(program.logits(resident.val_images)).astype(np.float16),
    )


def _restored(arrays: Mapping[str, np.ndarray]) -> OfTrain:
    return OfTrain(**{field.name: arrays[field.name] for field in fields(OfTrain)})
