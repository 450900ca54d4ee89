"""Real fits that maps are made of: every point of a grid, on many small data sets.

A data set is some images that no other one shares; each of its five folds is left out once, by one
fit a point. Any three of the five are a map as a user makes it. What is true of a point is the mean
over the fits on all other data sets, each scored on images that no data set holds.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth import images, scores
from benchmarks.truth.making import ONE_THREAD
from benchmarks.truth.nets import Floats, Integers, Stack
from benchmarks.truth.settings import Setting
from overfit_atlas.scoring import calibration
from pipeline.files import replacing

NUM_FOLDS = 5
DATASET = "fashion_mnist"
POOLING = 2
"""Images are made smaller by means over squares of so many pixels: a third of the time a fit."""
SEED = 17
CURVES = ("loss", "accuracy", "calibrated")


@dataclass(frozen=True)
class Design:
    """How large it all is.

    Attributes:
        num_images: of a data set; a fifth of them is its validation fold.
        num_unseen: images that each data set's nets are scored on after the last epoch, and
            `num_watched` of them after every epoch; no other data set's nets see them.
    """

    num_sets: int = 20
    num_images: int = 1000
    widths: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    dropouts: tuple[float, ...] = (0.0, 0.3, 0.6)
    epochs: int = 40
    num_unseen: int = 2000
    num_watched: int = 500

    @property
    def num_val(self) -> int:
        """Validation images of a fold, and as many of its training images."""
        return self.num_images // NUM_FOLDS

    @property
    def points(self) -> list[tuple[int, float]]:
        """Width and dropout of every point."""
        return [(width, dropout) for width in self.widths for dropout in self.dropouts]


@dataclass(frozen=True)
class Fitted:
    """The fits of one point; arrays begin with (sets, folds).

    val_loss, val_calibrated (cross-fitted), val_correct, probe_loss, probe_correct:
    (..., epochs, num_val). truth: (..., 3, epochs), means over the watched images of loss, accuracy
    and calibrated loss. unseen_loss: (...), mean over all unseen ones after the last epoch.
    """

    val_loss: NDArray[Any]
    val_calibrated: NDArray[Any]
    val_correct: NDArray[np.bool_]
    probe_loss: NDArray[Any]
    probe_correct: NDArray[np.bool_]
    truth: NDArray[np.float32]
    unseen_loss: NDArray[np.float32]


@dataclass(frozen=True)
class Order:
    """Where fits are made and kept; `source` is as `benchmarks.truth.images.read` takes it."""

    folder: Path
    source: Path | None = None
    workers: int = 2


@dataclass(frozen=True)
class Dealt:
    """Which images are whose: places in `pixels`; `folds` are (sets, folds, num_val)."""

    pixels: Floats
    labels: Integers
    folds: Integers
    unseen: Integers

    def train(self, number: int, fold: int) -> Integers:
        """All folds of a data set but one."""
        return np.delete(self.folds[number], fold, axis=0).ravel()

    def probe(self, number: int, fold: int) -> Integers:
        """Training images, as many as in a fold and of the same shares: those of the next fold."""
        return self.folds[number, (fold + 1) % NUM_FOLDS]


def workers(count: int) -> ProcessPoolExecutor:
    """Processes of one thread each."""
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    return ProcessPoolExecutor(count, get_context("spawn"))


def make(design: Design, order: Order, say: Callable[[str], None]) -> None:
    """Fit the points that are not kept yet, the widest first, in processes of one thread each."""
    missing = [point for point in design.points[::-1] if not _file(order.folder, point).exists()]
    with workers(order.workers) as processes:
        work = partial(_make_one, design, order)
        for place, point in enumerate(processes.map(work, missing), start=1):
            say(f"[{place}/{len(missing)}] width {point[0]}, dropout {point[1]:g}")


def _make_one(design: Design, order: Order, point: tuple[int, float]) -> tuple[int, float]:
    found = fit(design, _dealt(design, order.source), point)
    with replacing(_file(order.folder, point)) as temporary, temporary.open("wb") as file:
        np.savez(file, **vars(found))
    return point


def read(design: Design, folder: Path) -> dict[tuple[int, float], Fitted]:
    """The kept fits by point."""
    found = {}
    for point in design.points:
        with np.load(_file(folder, point)) as arrays:
            found[point] = Fitted(**arrays)
    return found


def _file(folder: Path, point: tuple[int, float]) -> Path:
    return folder / f"{point[0]}-{point[1]:g}.npz"


@cache
def _dealt(design: Design, source: Path | None) -> Dealt:
    """Data sets with equal shares of the classes, and the unseen images of each."""
    data = images.read(DATASET, source)
    needed = design.num_sets * (design.num_images + design.num_unseen)
    if needed > len(data.labels):
        raise ValueError(f"got {len(data.labels)} images, expected {needed}: fewer data sets.")
    generator = np.random.default_rng(SEED)
    by_class = [
        generator.permutation(np.flatnonzero(data.labels == label))
        for label in range(data.num_classes)
    ]
    each = design.num_val // data.num_classes
    blocks = [
        one[: each * design.num_sets * NUM_FOLDS].reshape(design.num_sets, NUM_FOLDS, each)
        for one in by_class
    ]
    folds = np.concatenate(blocks, axis=2)
    rest = generator.permutation(np.setdiff1d(np.arange(len(data.labels)), folds))
    unseen = rest[: design.num_sets * design.num_unseen].reshape(design.num_sets, -1)
    pixels = images.pooled(data.pixels.astype(np.float32), POOLING) / np.float32(255)
    return Dealt(pixels, data.labels, folds, unseen)


def fit(design: Design, dealt: Dealt, point: tuple[int, float]) -> Fitted:
    """The nets of one point on all data sets and folds, trained side by side."""
    members = [(number, fold) for number in range(design.num_sets) for fold in range(NUM_FOLDS)]
    # Orders and initial weights are those of the member, whatever the point: settings are paired.
    generators = [np.random.default_rng([SEED, *member]) for member in members]
    net = _setting(design, point)
    stack = Stack(net, dealt.pixels.shape[1], 10, len(members))
    stack.initialise([np.random.default_rng([SEED, *member, 1]) for member in members])
    trained_on = [dealt.train(*member) for member in members]
    dropping = np.random.default_rng([SEED, point[0], round(100 * point[1])])
    found: list[dict[str, NDArray[Any]]] = [{} for _ in members]
    for epoch in range(design.epochs):
        pairs = zip(generators, trained_on, strict=True)
        order = np.stack([each.permutation(places) for each, places in pairs])
        stack.train_epoch(dealt.pixels, dealt.labels, order, dropping)
        for place, member in enumerate(members):
            _score(design, dealt, _Net(stack, place), member, (epoch, found[place]))
    return _gathered(design, found, dealt)


def _setting(design: Design, point: tuple[int, float]) -> Setting:
    width, dropout = point
    return Setting(
        part="report", number=0, kind="clean", dataset=DATASET, units=(width,), activation="relu",
        dropout=dropout, optimizer="adam", learning_rate=3e-3, momentum=0.0, l2=0.0,
        label_noise=0.0, num_train=design.num_images - design.num_val, num_val=design.num_val,
        epochs=design.epochs, pooling=POOLING,
    )  # fmt: skip


@dataclass(frozen=True)
class _Net:
    """One member of a stack, to be asked about images of its own."""

    stack: Stack
    place: int

    def logits(self, pixels: Floats) -> Floats:
        hidden, last = (
            (layer.kernel[self.place], layer.bias[self.place]) for layer in self.stack.layers
        )
        return np.maximum(pixels @ hidden[0] + hidden[1], 0) @ last[0] + last[1]


def _score(
    design: Design,
    dealt: Dealt,
    net: _Net,
    member: tuple[int, int],
    into: tuple[int, dict[str, NDArray[Any]]],
) -> None:
    """Add what one net says after one epoch to what is kept of it."""
    epoch, kept = into
    number, fold = member
    unseen = dealt.unseen[number]
    whole = epoch == design.epochs - 1
    watched = unseen if whole else unseen[: design.num_watched]
    val, probe = dealt.folds[number, fold], dealt.probe(number, fold)
    every = net.logits(dealt.pixels[np.concatenate([val, probe, watched])])
    parts = np.split(every, [len(val), len(val) + len(probe)])
    if not kept:
        shape = (design.epochs, design.num_val)
        kept |= {"val_logits": np.empty((*shape, 10), np.float32)}
        kept |= {"probe_loss": np.empty(shape, np.float32), "probe_correct": np.empty(shape, bool)}
        kept["truth"] = np.empty((3, design.epochs), np.float32)
    kept["val_logits"][epoch] = parts[0]
    of_probe = scores.of(parts[1], dealt.labels[probe])
    kept["probe_loss"][epoch], kept["probe_correct"][epoch] = of_probe.loss, of_probe.correct
    first, labels = parts[2][: design.num_watched], dealt.labels[unseen[: design.num_watched]]
    of_first = scores.of(first, labels)
    calibrated = scores.calibrated(first, labels)[0].mean()
    kept["truth"][:, epoch] = of_first.loss.mean(), of_first.correct.mean(), calibrated
    if whole:
        kept["unseen_loss"] = scores.of(parts[2], dealt.labels[unseen]).loss.mean()


def _gathered(design: Design, found: list[dict[str, NDArray[Any]]], dealt: Dealt) -> Fitted:
    labels = dealt.labels[dealt.folds].reshape(len(found), -1)
    for kept, own in zip(found, labels, strict=True):
        logits = kept.pop("val_logits")
        each = [scores.of(one, own) for one in logits]
        kept["val_loss"] = np.stack([one.loss for one in each])
        kept["val_correct"] = np.stack([one.correct for one in each])
        kept["val_calibrated"] = calibration.cross_fitted(logits, own).loss
    shape = (design.num_sets, NUM_FOLDS)
    arrays = {
        name: np.stack([kept[name] for kept in found]).reshape(*shape, *np.shape(found[0][name]))
        for name in found[0]
    }
    kept_small = ("val_loss", "val_calibrated", "probe_loss")
    return Fitted(**{
        name: array.astype(np.float16) if name in kept_small else array
        for name, array in arrays.items()
    })  # fmt: skip
