"""Another part of train and val together as val, and the rest as train: folds that turn.

Fold 0 is the data as prepared. With K = (train + val) / val, folds 0 to K - 1 have no image in
common; from K on the images are dealt anew. Every fold has the class tables of the prepared data,
so that scores of all folds are of one kind.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import spoil
from pipeline.data.prepared import Labels, Prepared, Split
from pipeline.data.splits import Indices, draws


def num_folds(prepared: Prepared) -> int:
    """How many parts as large as val there are, val among them; at least 1."""
    return (len(prepared.train) + len(prepared.val)) // len(prepared.val)


def turned(prepared: Prepared, fold: int) -> Prepared:
    """`prepared` with fold number `fold` (0 or more) as val, in memory; test is the same object.

    Images whose exact copy is in train or val as well stay where they are where there are enough
    others, so that no copy gets to the other side. Images that come into val get their true labels,
    and those that come into train as much label noise as train has.
    """
    if fold == 0:
        return prepared
    whole = _together(prepared.train, prepared.val)
    before = np.arange(len(whole)) >= len(prepared.train)
    inside = np.zeros(len(whole), bool)
    single = ~prepared.repeated
    inside[_chosen(whole, before, single, *divmod(fold, num_folds(prepared)))] = True
    rows = np.flatnonzero(~inside)
    labels = _labels(prepared, whole, before, fold)[rows]
    train = replace(whole.take(rows, "train"), labels=labels)
    val = whole.take(np.flatnonzero(inside), "val")
    val = replace(val, labels=val.true_labels)
    return spoil.with_parts(prepared, train, val, f"fold {fold}")


def varied(prepared: Prepared, fold: int = 0, **changes: Any) -> Prepared:
    """`turned` to that fold, and then changed as `spoil.vary` says; what every fit learns from."""
    return spoil.vary(turned(prepared, fold), **changes)


def _chosen(
    whole: Split, before: NDArray[np.bool_], single: NDArray[np.bool_], turn: int, place: int
) -> Indices:
    """The images of val in one fold: of each class as many as the prepared val has.

    Args:
        before: which images are in the prepared val; they are the first ones of the first turn.
        single: which images have no exact copy.
    """
    order = draws(whole.ids, turn, "fold") + (~before if turn == 0 else 0)
    chosen = []
    for label in np.unique(whole.true_labels):
        members = np.flatnonzero(whole.true_labels == label)
        own = members[before[members]]
        free = members[single[members]]
        if len(free) < len(own):
            chosen.append(own)
            continue
        ranked = free[np.argsort(order[free], kind="stable")]
        chosen.append(ranked[(place * len(own) + np.arange(len(own))) % len(ranked)])
    return np.sort(np.concatenate(chosen))


def _labels(prepared: Prepared, whole: Split, before: NDArray[np.bool_], fold: int) -> Labels:
    """Labels to train on; the images of val get the noise that those of train have."""
    manifest, ids = prepared.manifest, whole.ids[before]
    true_labels = whole.true_labels[before]
    noisy = spoil.noisy(true_labels, ids, manifest.label_noise, manifest.num_classes, fold)
    labels: Labels = whole.labels.copy()
    labels[before] = noisy
    return labels


def _together(train: Split, val: Split) -> Split:
    def joined(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(train, name), getattr(val, name)])

    arrays = (joined(name) for name in ("images", "labels", "true_labels", "ids"))
    return Split("train and val", *arrays)  # type: ignore[arg-type]
