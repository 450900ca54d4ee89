"""Which image ends up in which split, with which label: everything preprocess decides."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.images.near_duplicates import Pair
from pipeline.data import DataError, copies, doubts, splits, spoil
from pipeline.data.copies import Copies, Duplicate
from pipeline.data.decoding import Decoded, Skipped
from pipeline.data.doubts import Contradiction
from pipeline.data.prepared import SPLITS, Labels, count
from pipeline.data.splits import Indices
from pipeline.params import Preprocess

TRAIN, VAL, TEST = range(3)


@dataclass(frozen=True)
class Plan:
    """The rows of each split (ascending places in Decoded), and what was left out.

    labels: of train, as trained on, one for each of its rows. true_labels: of all images, in the
    numbering of `class_names`. probe: places in train. duplicates: every pair of copies.
    copied: of val and test, the ids with a copy in an earlier part that is used. counts: of copies,
    see `copies.counted`.
    """

    class_names: tuple[str, ...]
    rows: dict[str, Indices]
    labels: Labels
    true_labels: Labels
    probe: Indices
    duplicates: Sequence[Duplicate]
    repeated: dict[str, int]
    skipped: Sequence[Skipped]
    dropped_classes: Sequence[str]
    contradictions: Sequence[Contradiction] = ()
    notes: Sequence[str] = ()
    copied: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def left_out(self) -> int:
        """How many train images left for a copy in val or test."""
        return int(self.counts["left_out_of_train"])


def plan(
    decoded: Decoded,
    class_names: Sequence[str],
    settings: Preprocess,
    seed: int,
    near: Sequence[Pair] = (),
) -> Plan:
    """The splits of `decoded`: cut, freed of copies, checked, spoiled if asked for, probed.

    Args:
        near: pairs of images that are nearly one (`copies.near`), in rows of `decoded`.

    Raises:
        DataError: a class has too few images for every split, and `on_bad_image` is not skip; or
            fewer than two classes are left; or a part is a copy of an earlier one; or `imbalance`
            asks for more images than there are.
    """
    same = copies.copies(decoded.digests, near)
    ranks = assigned(decoded, settings, seed, same)
    _refuse_copied_parts(decoded)
    repeated = splits.num_repeated(decoded.digests, ranks)
    leaving = same.left_out(ranks) & (settings.duplicates == "drop_from_train")
    usable = ~leaving
    copied = _copied(same, ranks, usable, decoded)
    counts = copies.counted(same, ranks, copied, int(leaving.sum()))
    scarce = _scarce(decoded.labels[usable], ranks[usable], class_names)
    if scarce and settings.on_bad_image != "skip":
        raise DataError(
            f"{next(iter(scarce.values()))} Add images of it, take the class away, or set "
            "preprocess.on_bad_image to skip, which leaves such classes out."
        )
    usable &= ~np.isin(decoded.labels, list(scarce))
    names = tuple(name for label, name in enumerate(class_names) if label not in scarce)
    if len(names) < 2:
        raise DataError(f"{len(names)} classes with enough images; to tell apart, there must be 2.")
    left = [f"class left out: {sentence}" for sentence in scarce.values()]
    true_labels = _renumbered(decoded.labels, len(class_names), scarce)
    rows = {split: np.flatnonzero(usable & (ranks == i)) for i, split in enumerate(SPLITS)}
    made = Plan(
        class_names=names,
        rows=rows,
        labels=true_labels[rows["train"]],
        true_labels=true_labels,
        probe=np.zeros(0, np.int64),
        duplicates=copies.named(same, decoded, ranks, class_names, leaving),
        repeated={split: repeated[i] for i, split in enumerate(SPLITS)},
        skipped=[*decoded.skipped, *_left_out(decoded, ranks, class_names, scarce)],
        dropped_classes=[class_names[label] for label in scarce],
        contradictions=doubts.contradictions(decoded, ranks, class_names),
        notes=(
            *copies.notes(counts, len(ranks)),
            *left,
            *doubts.notes(decoded, rows, true_labels, names),
        ),
        copied=copied,
        counts=counts,
    )
    return _probed(_spoiled(made, decoded, settings, seed), decoded, seed)


def assigned(decoded: Decoded, settings: Preprocess, seed: int, same: Copies) -> NDArray[np.int8]:
    """The split of each image as its place in SPLITS: the official one, or cut from train.

    val is cut from the official train part; where there is no test part, test is cut before it.
    Copies of one image draw one number, and so go to the same side of a cut, but for those at its
    very edge.
    """
    drawn = decoded.ids[same.group]
    ranks = decoded.official.copy()
    cuts: tuple[tuple[int, Literal["test", "val"], float], ...] = (
        (TEST, "test", settings.test_fraction),
        (VAL, "val", settings.val_fraction),
    )
    for rank, purpose, fraction in cuts:
        if not np.any(decoded.official == rank):
            pool = np.flatnonzero(ranks == TRAIN)
            chosen = splits.cut(decoded.labels[pool], drawn[pool], fraction, seed, purpose)
            ranks[pool[chosen]] = rank
    return ranks


def _refuse_copied_parts(decoded: Decoded) -> None:
    """Raise DataError where all images of a part of the source are in an earlier part too."""
    official = decoded.official
    later, earlier = splits.duplicates(decoded.digests, official)
    for rank in (VAL, TEST):
        size, name = int(np.sum(official == rank)), SPLITS[rank]
        ours = official[later] == rank
        num, where = int(ours.sum()), sorted({SPLITS[r] for r in official[earlier[ours]]})
        if num and num == size:
            raise DataError(
                f"all {size} images of {name} are in {' and '.join(where)} as well: {name} is a "
                f"copy, and no score on it says anything. Take {name} away (it is then cut from "
                "train), or put images there that are nowhere else."
            )


def _copied(
    same: Copies, ranks: NDArray[np.int8], usable: NDArray[np.bool_], decoded: Decoded
) -> dict[str, tuple[int, ...]]:
    """Of val and test, the ids of images that have a copy in an earlier part that is used."""
    found = same.in_both(ranks, usable)
    return {
        SPLITS[rank]: tuple(decoded.ids[found & (ranks == rank)].tolist()) for rank in (VAL, TEST)
    }


def _spoiled(plan: Plan, decoded: Decoded, settings: Preprocess, seed: int) -> Plan:
    train = plan.rows["train"]
    labels, ids = plan.true_labels[train], decoded.ids[train]
    kept = spoil.kept(labels, ids, settings.train_fraction, settings.imbalance, seed)
    labels = spoil.noisy(labels[kept], ids[kept], settings.label_noise, len(plan.class_names), seed)
    return replace(plan, labels=labels, rows={**plan.rows, "train": train[kept]})


def _probed(plan: Plan, decoded: Decoded, seed: int) -> Plan:
    train, val = plan.rows["train"], plan.rows["val"]
    like = count(plan.true_labels[val], len(plan.class_names))
    return replace(
        plan, probe=splits.probe(plan.true_labels[train], decoded.ids[train], like, seed)
    )


def _scarce(labels: Labels, ranks: NDArray[np.int8], names: Sequence[str]) -> dict[int, str]:
    """Classes that a split has no image of, with a sentence on each."""
    tables = [count(labels[ranks == rank], len(names)) for rank in range(len(SPLITS))]
    found = {}
    for label, sizes in enumerate(zip(*tables, strict=True)):
        if min(sizes) == 0:
            where = ", ".join(f"{n} in {split}" for n, split in zip(sizes, SPLITS, strict=True))
            usable = f"{sum(sizes)} usable image{'s' * (sum(sizes) != 1)}"
            found[label] = (
                f"class {names[label]!r} has {usable} ({where}), expected at least one in each, so "
                f"3 in all where the parts are cut here."
            )
    return found


def _renumbered(labels: Labels, num_classes: int, dropped: dict[int, str]) -> Labels:
    kept = np.array([label not in dropped for label in range(num_classes)])
    numbers = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    return numbers[labels]


def _left_out(
    decoded: Decoded, ranks: NDArray[np.int8], names: Sequence[str], scarce: dict[int, str]
) -> Iterator[Skipped]:
    for row in np.flatnonzero(np.isin(decoded.labels, list(scarce))).tolist():
        label = int(decoded.labels[row])
        split = SPLITS[ranks[row]]
        yield Skipped(_path(decoded, row), split, names[label], scarce[label])


def _path(decoded: Decoded, row: int) -> str:
    return decoded.names[row] if decoded.names else f"image {decoded.ids[row]}"
