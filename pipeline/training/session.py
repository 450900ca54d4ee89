"""What one process keeps between fits: its threads, its data sets and its compiled programs.

Imported where fits run: in a worker, or in the main process where no workers are wanted.
"""

import gc
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline import quiet
from pipeline.training.task import FitResult, FitTask, Vary

NUM_PROGRAMS = 2
NUM_DATA_SETS = 2
"""At least so many data sets, such as folds, are kept ..."""
KEPT_BYTES = 2**28
"""... and more as long as all of them together are no larger."""


def run(task: FitTask, watch: Any = None, told: Any = None) -> FitResult:
    """`fit` in this process, reusing the data and the compiled program of earlier tasks.

    One thread a process, and a process a core, beats one process with all cores on small batches;
    and numbers do not depend on how many cores there are.

    Args:
        watch: told of every epoch.
        told: told how many images have their features, where these are computed first.
    """
    quiet.tensorflow(threads=1)
    from pipeline.training import subset
    from pipeline.training.fitting import fit

    resident = _resident(task, told)
    if task.share < 1:
        return subset.fit(task, resident, _program(task, resident))
    begun = _begun(task, watch, told)
    result = fit(task, resident, _program(task, resident), watch, begun)
    if not task.on_features:
        return result
    from pipeline.training import features

    return features.delivered(task, result, resident.data.manifest)


def swept(task: FitTask, rates: Sequence[float], num_images: int) -> list[float]:
    """The training loss at each of the learning rates, in one fit that goes on from rate to rate.

    Args:
        num_images: learnt from at each rate, drawn anew.
    """
    quiet.tensorflow(threads=1)
    import numpy as np

    resident = _resident(task, None)
    program = _program(task, resident)
    generator = np.random.default_rng(task.seed)
    count = len(resident.data.train)
    found = []
    for step, rate in enumerate(rates, start=1):
        rows = generator.choice(count, min(num_images, count), replace=False).astype(np.int32)
        found.append(program.train_epoch(resident, step, task.seed, rate, rows)["loss"])
    return found


def _begun(task: FitTask, watch: Any, told: Any) -> Any:
    """The state to go on from: of a killed fit, or after a burn-in of the head alone; or None."""
    from pipeline.training import features, fitting

    kept, head = fitting.kept(task), task.head_alone
    if kept or head is None or task.on_features:
        return kept
    resident = _resident(head, told)
    program = _program(head, resident)
    state = fitting.advanced(head, resident, program, _as_part_of(task, watch))
    return features.burnt_in(task, state, program.weights(), resident.data.manifest)


def _as_part_of(task: FitTask, watch: Any) -> Any:
    """`watch`, told of the epochs of the burn-in as some of all of the task's."""
    if watch is None:
        return None
    return lambda progress: watch(replace(progress, epochs=task.train.epochs))


def assist(task: FitTask, told: Any = None) -> None:
    """Help to compute the features that `task` is trained on; nothing where it needs none."""
    head = task.head_alone
    if head is not None:
        quiet.tensorflow(threads=1)
        _resident(head, told)


@lru_cache(maxsize=2)
def _data(folder: Path, data_hash: str, vary: Vary) -> Any:
    from pipeline.data import folds

    return folds.varied(_prepared(folder, data_hash), **vars(vary))


@lru_cache(maxsize=1)
def _prepared(folder: Path, _data_hash: str) -> Any:
    """The data that all folds and doses are made of, with what is found out about them once."""
    from pipeline.data import prepared

    return prepared.read(folder)


_residents: OrderedDict[Any, Any] = OrderedDict()


def _resident(task: FitTask, told: Any) -> Any:
    """The images of the task's data in the device's memory, or their features."""
    from pipeline.training import features
    from pipeline.training.program import Resident

    key: Any = task.data, task.data_hash, task.vary
    if task.on_features:
        key = *key, features.key(task), features.passes(task)
    if key not in _residents:
        while len(_residents) >= NUM_DATA_SETS and _size() > KEPT_BYTES:
            _residents.popitem(last=False)
        data = _data(task.data, task.data_hash, task.vary)
        made = features.resident(task, data, told) if task.on_features else Resident.of(data)
        _residents[key] = made
    _residents.move_to_end(key)
    return _residents[key]


def _size() -> int:
    """Bytes of all data sets that are kept, and of one more like the largest."""
    sizes: list[int] = [one.num_bytes for one in _residents.values()]
    return sum(sizes) + max(sizes)


_programs: OrderedDict[str, Any] = OrderedDict()


def _program(task: FitTask, resident: Any) -> Any:
    """The compiled program for this kind of fit, at the initial weights of this one.

    What differs by seed, length or rate of dropout is not compiled.
    """
    from pipeline import models
    from pipeline.training.dropout import structure
    from pipeline.training.program import on_devices

    manifest, train = resident.data.manifest, _compiled_settings(task)
    # Of the data a program holds nothing but, here, the sizes of the classes.
    sizes = manifest.counts["train"] if train.balance == "augmentation" else ()
    shape, num_classes = resident.shape, manifest.num_classes
    net = models.build(task.model, task.section, shape, num_classes, task.seed)
    section = task.section.model_dump(exclude={"dropout"})
    key = repr((task.model, section, structure(net), train, num_classes, sizes))
    if key not in _programs:
        while len(_programs) >= NUM_PROGRAMS:
            _programs.popitem(last=False)
            gc.collect()  # programs are cycles, and a stage seldom looks for any by itself
        _programs[key] = on_devices(task, resident.data)
    _programs.move_to_end(key)
    _programs[key].begin(net)
    return _programs[key]


def _compiled_settings(task: FitTask) -> Any:
    """The training settings without those that no compiled program depends on."""
    return task.train.model_copy(update={"seeds": (0,), "epochs": 1, "early_stopping": None})
