"""One fit, epoch by epoch, with clean scores after each; start at `fit`."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.scoring.fits import Fit, PerImage, smoothed
from pipeline.training import checkpoints, schedules
from pipeline.training.checkpoints import State
from pipeline.training.clean import calibrated, clean
from pipeline.training.export import delivered, keras_bytes
from pipeline.training.program import Program, Resident
from pipeline.training.task import FitResult, FitTask, Progress

EXPLODED = 1e6  # nats; the loss of a model that guesses among a million classes is 14


Watch = Callable[[Progress], None]


def fit(
    task: FitTask,
    resident: Resident,
    program: Program,
    watch: Watch | None = None,
    begun: State | None = None,
) -> FitResult:
    """Train `task.model` with `task.seed` and score it on probe and val after every epoch.

    A killed fit that goes on after its last finished epoch (`kept`) gives the numbers of an
    undisturbed one: every epoch is seeded by its number.

    Args:
        task: what to fit.
        resident: the data set that `task` names.
        program: compiled for this kind of task, and at its initial weights (`Program.begin`).
        watch: called after every epoch.
        begun: the state to go on from; its optimizer's variables may be missing, and then are
            those of a fresh one.
    """
    traces = program.num_traces
    state = advanced(task, resident, program, watch, begun)
    return _result(state, task, program, program.num_traces - traces)


def kept(task: FitTask) -> State | None:
    """The state after the last finished epoch of the same task, data and code, if there is one."""
    path = task.checkpoint
    return checkpoints.load(path) if path else None


def advanced(
    task: FitTask,
    resident: Resident,
    program: Program,
    watch: Watch | None = None,
    begun: State | None = None,
) -> State:
    """The state at the end of `fit`, whose arguments these are."""
    path = task.checkpoint
    state = begun or State()
    if state.epoch:
        program.restore(state.variables, state.slots)
    while not _finished(state, task):
        started = time.perf_counter()
        _advance(state, task, resident, program)
        state.seconds += time.perf_counter() - started
        if path:
            state.variables, state.slots = program.weights(), program.slots()
            checkpoints.save(state, path)
        if watch:
            watch(_progress(state, task))
    return state


def _finished(state: State, task: FitTask) -> bool:
    if state.failed or state.epoch >= task.train.epochs:
        return True
    patience = task.train.early_stopping
    if patience is None or not state.epoch:
        return False
    losses = state.series("val", "loss")
    return state.epoch - 1 - int(np.argmin(losses)) >= patience


def _advance(state: State, task: FitTask, resident: Resident, program: Program) -> None:
    epoch = state.epoch + 1
    train = task.train
    rate = schedules.rate(
        train.schedule, train.learning_rate, train.epochs, state.series("val", "loss")
    )
    running = program.train_epoch(resident, epoch, task.seed, rate)
    extra = {"penalty": program.penalty(), "learning_rate": rate}
    extra |= schedules.phase(train.schedule, train.epochs, epoch)
    rows = [{"epoch": epoch, "split": "running", **running, **extra}]
    splits = {name: resident.data.split(name) for name in ("probe", "val")}
    images = {"probe": resident.probe_images, "val": resident.val_images}
    logits = {name: program.logits(images[name]) for name in splits}
    fitted = calibrated(logits, splits, state.temperature)
    for name, split in splits.items():
        row, per_image = clean(logits[name], split)
        more, of_images = fitted[name]
        rows.append({"epoch": epoch, "split": name, **row, **more})
        probabilities = per_image.pop("probabilities")
        for score, values in (per_image | of_images).items():
            state.scores.setdefault(f"{name}_{score}", []).append(values)
    state.failed = _failure(epoch, rows)
    state.rows += rows
    if _best(state, task) == epoch or not state.best:
        state.best, state.best_epoch = program.model.get_weights(), epoch
        state.probabilities = [probabilities]


def _best(state: State, task: FitTask) -> int:
    """The epoch, from 1, whose weights are delivered, of those so far."""
    if task.train.best_by == "last" or state.failed:
        return state.epoch if task.train.best_by == "last" else state.best_epoch
    scores = np.array(state.series("val", task.train.best_by))
    lower = -scores if task.train.best_by == "accuracy" else scores
    return 1 + int(np.argmin(smoothed(lower, task.smoothing)))


def _failure(epoch: int, rows: list[dict[str, Any]]) -> str | None:
    for row in rows:
        if not np.isfinite(row["loss"]) or row["loss"] > EXPLODED:
            return f"epoch {epoch}: the {row['split']} loss is {row['loss']:.3g}"
    return None


def _progress(state: State, task: FitTask) -> Progress:
    running, probe, val = state.rows[-3:]
    return Progress(
        task.model,
        task.seed,
        state.epoch,
        task.train.epochs,
        running["loss"],
        probe["loss"],
        val["loss"],
        val["accuracy"],
        tuple(_plain(row) for row in (running, probe, val)),
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row that travels between processes: numbers of Python, not of NumPy."""
    return {name: x.item() if isinstance(x, np.generic) else x for name, x in row.items()}


def _result(state: State, task: FitTask, program: Program, num_traces: int) -> FitResult:
    curves = pd.DataFrame(state.rows)
    curves.insert(0, "seed", task.seed)
    per_image = PerImage(**{name: np.stack(epochs) for name, epochs in state.scores.items()})
    result = FitResult(
        seed=task.seed,
        history=Fit(curves=curves, per_image=per_image, seed=task.seed),
        best_epoch=state.best_epoch,
        temperature=state.series("val", "temperature")[state.best_epoch - 1],
        seconds=state.seconds,
        num_parameters=program.num_parameters,
        probabilities=state.probabilities[0],
        failed=state.failed,
        num_traces=num_traces,
    )
    if not task.keep_weights:
        return result
    last = keras_bytes(delivered(program.model, state.temperature))
    program.model.set_weights(state.best)
    return replace(
        result, last=last, best=keras_bytes(delivered(program.model, result.temperature))
    )
