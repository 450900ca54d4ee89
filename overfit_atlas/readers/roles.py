"""Which column is which curve: training or validation, loss or accuracy."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import names
from overfit_atlas.readers.names import ROLES, Meaning, is_curve, meaning
from overfit_atlas.readers.raw import Raw, named
from overfit_atlas.readers.records import Note
from overfit_atlas.readers.table import Table

HELD = {"val", "test"}


@dataclass(frozen=True)
class Curve:
    """A column chosen for a role."""

    name: str
    error: bool  # an error rate: one minus it is the accuracy
    at: str | None  # "epoch" or "step" where its name says so


@dataclass(frozen=True)
class Roles:
    """The curves of one fit by role, and what is to be said of the choice."""

    curves: dict[str, Curve]
    notes: tuple[Note, ...]


def named_groups(raw: Raw) -> Iterator[Raw]:
    """`raw` by what its names hold beside split and quantity: runs, folds, phases.

    Where plain names make a whole fit, other names are outputs or derived curves and are left,
    unless they name a phase; where there are none, each group with a validation curve is a fit.
    """
    groups: dict[str, list[str]] = {}
    for name in raw.table.numbers:
        if is_curve(name):
            groups.setdefault(meaning(name).group, []).append(name)
    groups = _without_counters(groups)
    if list(groups) == [""] or not groups:
        yield raw
        return
    plain = groups.get("", [])
    validated = {g: own for g, own in groups.items() if g and _holds_out(own)}
    phases = {g: own for g, own in validated.items() if _words(g) & names.PHASES}
    if _holds_out(plain):
        yield _keeping(raw, plain + _only_accuracy(plain, validated))
        for group, own in phases.items():
            yield replace(_keeping(raw, own), name=f"{raw.name} {group}", phase=group,
                          model=raw.model or raw.name)  # fmt: skip
        return
    yield from _separate(raw, plain, groups, validated)


def _only_accuracy(plain: list[str], validated: dict[str, list[str]]) -> list[str]:
    """The accuracies of the only output that has them, where the plain names have none."""
    if any(_kind(meaning(name)) == "accuracy" for name in plain):
        return []
    own = {group: [name for name in names_ if meaning(name).kind == "accuracy"]
           for group, names_ in validated.items() if not _words(group) & names.PHASES}  # fmt: skip
    found = [names_ for names_ in own.values() if names_]
    return found[0] if len(found) == 1 else []


def _separate(
    raw: Raw, plain: list[str], groups: dict[str, list[str]], validated: dict[str, list[str]]
) -> Iterator[Raw]:
    """One fit a group, where no plain names make a whole one."""
    if len(groups) == 1 or (
        len(validated) == 1 and all(not group or group in validated for group in groups)
    ):
        yield _keeping(raw, plain + [name for own in groups.values() for name in own])
        return
    if plain and len(validated) > 1:
        raise ReadError(
            f"{raw.name}: several validation sets for one training curve ({named(validated)}); "
            "keep the columns of one of them"
        )
    if not validated:
        yield raw
    for group, own in validated.items():
        member = replace(_keeping(raw, own), name=group, model=group)
        if _words(group) & names.SEEDS and (digits := [w for w in group.split("_") if w.isdigit()]):
            member = replace(member, name=f"{raw.name} {group}", model=raw.model or raw.name,
                             seed=int(digits[0][:9]))  # fmt: skip
        yield member


def _words(group: str) -> set[str]:
    return set(group.split("_"))


def _without_counters(groups: dict[str, list[str]]) -> dict[str, list[str]]:
    """Groups in which "accuracy_1" beside "loss" (Keras counts metrics up) is no run of its own."""
    plain = groups.get("", [])
    merged = {"": list(plain)} if plain else {}
    for group, own in groups.items():
        if not group:
            continue
        lacking = {meaning(name).kind for name in own} - {meaning(name).kind for name in plain}
        if plain and group.isdigit() and lacking:
            merged[""] += [name for name in own if meaning(name).kind in lacking]
        else:
            merged[group] = own
    return merged


def _holds_out(own: list[str]) -> bool:
    return any(meaning(name).split in HELD for name in own)


def _keeping(raw: Raw, own: list[str]) -> Raw:
    kept = [name for name in (*raw.table.numbers, *raw.table.texts) if not is_curve(name)]
    return replace(raw, table=raw.table.only([*kept, *own]))


def choose(raw: Raw) -> Roles:
    """The curve of each role; refuses a log without any validation curve."""
    means = {name: meaning(name) for name in raw.table.numbers
             if is_curve(name) and raw.table.numbers[name].given.any()}  # fmt: skip
    means, notes = _only_total_losses(means)
    means = _without_final_scores(raw.table, means)
    splits = {m.split for m in means.values()}
    held = "test" if "test" in splits and "val" not in splits else "val"
    means, more = _placed(raw, means, held)
    chosen: dict[str, Curve] = {}
    for role in ROLES:
        split = held if role.startswith("val_") else "train"
        kind = role.removeprefix("val_")
        found = _best(raw.table, means, split, kind)
        if found is not None:
            chosen[role] = found
    notes = [*notes, *more]
    _refuse_without_validation(raw, chosen)
    if held == "test":
        notes.append(Note("test_as_val"))
    if any(curve.error for curve in chosen.values()):
        notes.append(Note("error_rate"))
    return Roles(chosen, tuple(notes))


def _only_total_losses(means: dict[str, Meaning]) -> tuple[dict[str, Meaning], list[Note]]:
    """Without squared errors and the like where a loss is there; said where they stand for it."""
    losses = [m for m in means.values() if m.kind == "loss"]
    if any(m.rank < 8 for m in losses):
        return {n: m for n, m in means.items() if m.kind != "loss" or m.rank < 8}, []
    said = [name for name, m in means.items() if m.kind == "loss"]
    return means, [Note("score_as_loss", {"columns": said})] if said else []


def _without_final_scores(table: Table, means: dict[str, Meaning]) -> dict[str, Meaning]:
    """Without scores of test or training that were taken once, after training."""
    rows = max((int(table.numbers[name].given.sum()) for name in means), default=0)
    return {
        name: m for name, m in means.items()
        if m.split not in {"test", "train"} or table.numbers[name].given.sum() > 1 or rows == 1
    }  # fmt: skip


def _placed(
    raw: Raw, means: dict[str, Meaning], held: str
) -> tuple[dict[str, Meaning], list[Note]]:
    """Curves whose names tell no split, placed: training's, as in Keras, or validation's.

    An accuracy is validation's where the format says so, where both losses name their split but
    no accuracy does, where training has an accuracy by name and validation none, and where it
    stands in few of the rows in which the loss stands.
    """
    placed = dict(means)
    has = {(m.split, _kind(m)) for m in means.values()}
    free = {kind: [n for n, m in means.items() if m.split is None and _kind(m) == kind]
            for kind in ("loss", "accuracy")}  # fmt: skip
    notes: list[Note] = []
    for name in free["loss"]:
        placed[name] = replace(means[name], split=None if ("train", "loss") in has else "train")
    for name in free["accuracy"]:
        split: str | None = "train"
        if _is_validation(raw, name, has, free, held):
            split = held
            notes.append(Note("accuracy_taken_as_val", {"column": name}))
        elif ("train", "accuracy") in has:
            split = None
        placed[name] = replace(means[name], split=split)
    if raw.facts.accuracy_is_val:
        notes = []
    return placed, notes


def _kind(m: Meaning) -> str:
    return "accuracy" if m.kind == "error" else m.kind


def _is_validation(
    raw: Raw, name: str, has: set[tuple[str | None, str]], free: dict[str, list[str]], held: str
) -> bool:
    if (held, "accuracy") in has:
        return False
    if raw.facts.accuracy_is_val or ("train", "accuracy") in has:
        return True
    if ("train", "loss") in has and (held, "loss") in has:
        return True
    given = raw.table.numbers[name].given
    losses = [raw.table.numbers[n].given for n in free["loss"]]
    return any(0 < given.sum() <= 0.5 * loss.sum() for loss in losses)


def _best(table: Table, means: dict[str, Meaning], split: str, kind: str) -> Curve | None:
    has_loss = any(m.kind == "loss" and m.rank < 8 for m in means.values())
    found = [
        (m.at == "step", m.rank, i, name)
        for i, (name, m) in enumerate(means.items())
        if m.split == split and _kind(m) == kind and _in_range(table, name, m, has_loss)
    ]
    if not found:
        return None
    name = min(found)[3]
    return Curve(name, means[name].kind == "error", means[name].at)


def _in_range(table: Table, name: str, m: Meaning, has_loss: bool) -> bool:
    """Whether an accuracy may be one: within 0..1 or 0..100.

    "error" alone may also mean a squared one: in 0..100 it is a rate only beside a loss, and where
    it begins above 10.
    """
    if m.kind == "loss":
        return True
    values = table.numbers[name].values
    values = values[np.isfinite(values)]
    if not len(values):
        return False
    share = m.rank < 7 or (has_loss and values.max() > 10) or m.percent
    top = 100.5 if share or table.numbers[name].percent else 1.0
    return bool(values.min() >= -1e-6 and values.max() <= top)


def _refuse_without_validation(raw: Raw, chosen: dict[str, Curve]) -> None:
    if any(role.startswith("val_") for role in chosen):
        return
    there = named({curve.name: None for curve in chosen.values()})
    table = raw.table
    if chosen:
        raise ReadError(
            f"{raw.name}: training scores only ({there}), no validation loss or accuracy; "
            "log scores on images that were not trained on (in Keras: fit(..., validation_data))"
        )
    raise ReadError(
        f"{raw.name}: no column of a loss or an accuracy among "
        f"{named({**table.numbers, **table.texts})}; "
        "expected names such as loss, accuracy, val_loss, val_accuracy"
    )
