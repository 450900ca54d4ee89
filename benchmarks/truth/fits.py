"""The fits of one setting, all seeds side by side, scored after every epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth import images, scores
from benchmarks.truth.images import Drawn, Images, Side
from benchmarks.truth.nets import Convolved, Floats, Stack
from benchmarks.truth.settings import NUM_FRESH, NUM_JUDGED, Setting
from benchmarks.truth.stored import Curves, StoredSetting

DROPOUT, MEMBER = 1, 2
"""Purposes of random numbers, see `Setting.generator`; 0 is that of `images.draw`."""
Score = tuple[float, float]
Array = NDArray[Any]


@dataclass(frozen=True)
class _Epoch:
    """One epoch's scores: per member means, and what is kept of the judged ones.

    `truth_images` (3, num_truth): loss, calibrated loss and error, means over the fresh seeds.
    """

    truth_images: Floats
    truth: list[tuple[float, float, float, float]]
    val: list[Score]
    probe: list[Score]
    val_logits: Floats
    probe_scores: list[scores.Scores]


def fit(setting: Setting, data: Images) -> StoredSetting:
    """Train and score the setting's `NUM_JUDGED` + `NUM_FRESH` nets."""
    drawn = images.draw(setting, data)
    members = NUM_JUDGED + NUM_FRESH
    generators = [setting.generator(MEMBER, member) for member in range(members)]
    made = Convolved if setting.kind == "cnn" else Stack
    stack = made(setting, drawn.train.pixels.shape[1], drawn.num_classes, members)
    stack.initialise(generators)
    dropping = setting.generator(DROPOUT)
    epochs: list[_Epoch] = []
    for _ in range(setting.epochs):
        order = np.stack([each.permutation(setting.num_train) for each in generators])
        stack.train_epoch(drawn.train.pixels, drawn.train.labels, order, dropping)
        starts = [found[3] for found in epochs[-1].truth] if epochs else [1.0] * members
        epochs.append(_scored(stack, drawn, starts))
    return _kept(setting, drawn, epochs)


def _scored(stack: Stack, drawn: Drawn, starts: Sequence[float]) -> _Epoch:
    train, where = drawn.train, drawn.probe
    probe = Side(train.pixels[where], train.labels[where], train.true_labels[where])
    truth_logits, val_logits, probe_logits = (
        stack.logits(side.pixels) for side in (drawn.truth, drawn.val, probe)
    )
    probe_scores = [scores.of(logits, probe.labels) for logits in probe_logits]
    means, images_mean = _true_scores(truth_logits, drawn.truth, starts)
    return _Epoch(
        truth_images=images_mean,
        truth=means,
        val=[_means(scores.of(logits, drawn.val.labels)) for logits in val_logits],
        probe=[_means(found) for found in probe_scores],
        val_logits=val_logits[:NUM_JUDGED],
        probe_scores=probe_scores[:NUM_JUDGED],
    )


def _true_scores(
    all_logits: Floats, side: Side, starts: Sequence[float]
) -> tuple[list[tuple[float, float, float, float]], Floats]:
    means, total = [], np.zeros((3, len(side.labels)), np.float32)
    for member, (logits, start) in enumerate(zip(all_logits, starts, strict=True)):
        raw = scores.of(logits, side.labels)
        loss, temperature = scores.calibrated(logits, side.labels, start)
        means.append((*_means(raw), float(loss.mean()), temperature))
        if member >= NUM_JUDGED:
            total += np.stack([raw.loss, loss, ~raw.correct])
    return means, total / np.float32(NUM_FRESH)


def _means(found: scores.Scores) -> Score:
    return float(found.loss.mean()), float(found.correct.mean())


def _kept(setting: Setting, drawn: Drawn, epochs: Sequence[_Epoch]) -> StoredSetting:
    train, val, where = drawn.train, drawn.val, drawn.probe
    logits = np.stack([epoch.val_logits for epoch in epochs], axis=1)
    logits -= logits.max(-1, keepdims=True)
    return StoredSetting(
        setting=setting,
        val_labels=val.labels.astype(np.int16),
        val_true_labels=val.true_labels.astype(np.int16),
        probe_labels=train.labels[where].astype(np.int16),
        probe_true_labels=train.true_labels[where].astype(np.int16),
        val_logits=_halved(logits),
        probe_loss=_halved(_by_member(epochs, lambda found: found.loss)),
        probe_correct=_by_member(epochs, lambda found: found.correct),
        image_errors=_image_errors(np.stack([epoch.truth_images for epoch in epochs], axis=1)),
        curves=_curves(epochs),
    )


def _by_member(epochs: Sequence[_Epoch], take: Callable[[scores.Scores], Array]) -> Array:
    """(judged, epochs, num_probe) of one kind of score."""
    return np.stack([[take(found) for found in epoch.probe_scores] for epoch in epochs], axis=1)


def _image_errors(found: Floats) -> Floats:
    """(3, epochs) from (3, epochs, num_truth)."""
    change = found - found[:, -1:]
    return np.asarray(change.std(axis=-1, ddof=1) / np.float32(np.sqrt(found.shape[-1])))


def _halved(values: Floats) -> NDArray[np.float16]:
    largest = np.finfo(np.float16).max
    return np.clip(values, -largest, largest).astype(np.float16)


def _curves(epochs: Sequence[_Epoch]) -> Curves:
    sides = {
        "truth": ("loss", "accuracy", "calibrated", "temperature"),
        "val": ("loss", "accuracy"),
        "probe": ("loss", "accuracy"),
    }
    found = {}
    for side, names in sides.items():
        values = np.array([getattr(epoch, side) for epoch in epochs], np.float32)
        for position, name in enumerate(names):
            found[f"{side}_{name}"] = np.ascontiguousarray(values[:, :, position].T)
    return Curves(**found)
