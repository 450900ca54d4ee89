"""From the table of a log to its fits."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import rows, suspicions
from overfit_atlas.readers.names import ROLES, meaning
from overfit_atlas.readers.raw import Part, Raw, joined
from overfit_atlas.readers.records import Floats, Ints, LoggedFit, Note
from overfit_atlas.readers.roles import Curve, Roles, choose, named_groups
from overfit_atlas.readers.table import Bools, Table

MAX_FITS, MAX_EPOCHS = 1000, 50_000
MAX_NUMBER = 2.0**53  # of an epoch: above it one cannot be told from the next


def assemble(raw: Raw) -> Part:
    """The fits of one table; refuses where it cannot be told which rows are epochs of which fit."""
    raw = replace(raw, table=rows.with_epoch_numbers(raw.table))
    whole = rows.wide(raw)
    parts: list[Part] = []
    labels: set[str] = set()
    for member in rows.members(whole):
        labels |= {*whole.table.numbers, *whole.table.texts} - {
            *member.table.numbers,
            *member.table.texts,
        }
        for group in named_groups(rows.without_summaries(member)):
            parts += _fits(group)
            if len(parts) > MAX_FITS:
                raise ReadError(f"{raw.name}: more than {MAX_FITS} fits in one log")
    part = joined(parts)
    used = {name for fit in part.fits for name in fit.columns.values()}
    known = {*_named_columns(raw.table), *_named_columns(whole.table)} - used - labels
    left = [name for name in (*whole.table.numbers, *whole.table.texts) if name in known]
    return replace(part, not_used=(*raw.not_used, *dict.fromkeys(left)))


def _named_columns(table: Table) -> list[str]:
    """Columns to be named as not used: all but those that count rows."""
    names = (*table.numbers, *table.texts)
    return [n for n in names if meaning(n).kind != "epoch" and n.strip().lower() not in rows._INDEX]


def _fits(raw: Raw) -> list[Part]:
    """One part a run of the rows of `raw`."""
    roles = choose(raw)
    at, numbered = rows.epochs(raw.table)
    if (np.abs(at) > MAX_NUMBER).any():
        raise ReadError(f"{raw.name}: an epoch of the number {np.nanmax(np.abs(at)):g}")
    train, held = _given(raw.table, roles, "train"), _given(raw.table, roles, "val")
    found, notes = rows.runs(raw.name, at, train & held)
    parts = []
    for i, run in enumerate(found):
        if not held[run].any():
            notes.append(Note("run_without_validation", {"run": i + 1}))
            continue
        name = raw.name if len(found) == 1 else f"{raw.name} (run {i + 1})"
        model = raw.model if len(found) == 1 and raw.model else name
        own = replace(raw, table=raw.table.rows(run), name=name, model=model)
        fit, said = _fit(own, roles, at[run], numbered)
        parts.append(Part(raw.format, (fit,), (), (*raw.notes, *roles.notes, *notes, *said)))
    return parts


def _given(table: Table, roles: Roles, split: str) -> Bools:
    own = [curve.name for role, curve in roles.curves.items()
           if role.startswith("val_") == (split == "val")]  # fmt: skip
    given = [table.numbers[name].given for name in own]
    return np.any(given, axis=0) if given else np.zeros(table.num_rows, dtype=np.bool_)


def _fit(raw: Raw, roles: Roles, at: Floats, numbered: bool) -> tuple[LoggedFit, list[Note]]:
    held, train = _given(raw.table, roles, "val"), _given(raw.table, roles, "train")
    collapsed, epochs, notes = _epochs(raw, roles, at, numbered)
    epochs, collapsed, cut = _whole_epochs(epochs, collapsed, split=not (held & train).any())
    collapsed, percent = _fractions(raw.table, roles, collapsed)
    notes = [*notes, *cut, *([Note("percent", {"columns": percent})] if percent else [])]
    return _finished(raw, roles, epochs, collapsed, notes)


def _epochs(
    raw: Raw, roles: Roles, at: Floats, numbered: bool
) -> tuple[dict[str, tuple[Floats, Bools]], Ints, list[Note]]:
    """The values of each role by epoch, with whether the log has one; and the epochs' numbers."""
    train, held = _given(raw.table, roles, "train"), _given(raw.table, roles, "val")
    fractions = bool(numbered and np.any(at != np.round(at)))
    apart = held.any() and train.any() and (train & held).sum() < 0.5 * held.sum()
    if held.any() and (fractions or (apart and not numbered)):
        bins = np.concatenate([[0], np.cumsum(held)[:-1]]).astype(np.int64)
        last = int(held.sum())
        whole = at[held] if fractions else np.array([0.5])
        unique = len(np.unique(whole)) == len(whole) and np.all(whole == np.round(whole))
        epochs = whole.astype(np.int64) if unique else np.arange(1, last + 1)
        notes = [] if unique else [Note("evaluations_as_epochs", {"evaluations": last})]
    elif numbered:
        unique_at, bins = np.unique(np.round(at), return_inverse=True)
        epochs, last, notes = unique_at.astype(np.int64), len(unique_at), []
    else:
        epochs, bins = np.arange(1, len(at) + 1), np.arange(len(at))
        last, notes = len(at), []
    found = {}
    for role, curve in roles.curves.items():
        column = raw.table.numbers[curve.name]
        mean = raw.facts.averaged and not role.startswith("val_") and curve.at != "epoch"
        how = _means if mean else _lasts
        found[role] = how(column.values, column.given, bins, last)
    steps = [c for r, c in roles.curves.items() if not r.startswith("val_") and c.at != "epoch"]
    sizes = [np.bincount(bins[raw.table.numbers[c.name].given], minlength=1) for c in steps]
    if any(size.max() > 1 for size in sizes):
        notes.append(Note("steps_averaged"))
    return found, epochs, notes


def _means(values: Floats, given: Bools, bins: Ints, count: int) -> tuple[Floats, Bools]:
    """Mean of what stands in each bin; not finite where any of it is not."""
    inside = given & (bins < count)
    sums = np.bincount(bins[inside], weights=values[inside], minlength=count)
    sizes = np.bincount(bins[inside], minlength=count)
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan), sizes > 0


def _lasts(values: Floats, given: Bools, bins: Ints, count: int) -> tuple[Floats, Bools]:
    out, there = np.full(count, np.nan), np.zeros(count, dtype=np.bool_)
    inside = given & (bins < count)
    out[bins[inside]] = values[inside]
    there[bins[inside]] = True
    return out, there


Collapsed = dict[str, tuple[Floats, Bools]]


def _whole_epochs(
    epochs: Ints, collapsed: Collapsed, split: bool
) -> tuple[Ints, Collapsed, list[Note]]:
    """Without epochs at the end that are none: a validation alone, or one that was not finished.

    The latter only where training and validation stand in rows of their own (`split`). The only
    validation that there is stays.
    """
    train = _any([x for role, x in collapsed.items() if not role.startswith("val_")], len(epochs))
    held = _any([x for role, x in collapsed.items() if role.startswith("val_")], len(epochs))
    keep = np.ones(len(epochs), dtype=np.bool_)
    curves = [values for role, (values, _) in collapsed.items() if role.startswith("val_")]
    notes = []
    for own, key, applies in ((train, "validated_after_training", True),
                              (held, "unfinished_epoch", split)):  # fmt: skip
        end = int(np.flatnonzero(own)[-1]) + 1 if own.any() else len(own)
        few = 0 < len(own) - end <= 2 and own[:end].mean() > 0.9
        if applies and few and any(np.isfinite(values[:end]).any() for values in curves):
            keep[end:] = False
            notes.append(Note(key, {"epochs": [int(e) for e in epochs[end:]]}))
    kept = {role: (values[keep], given[keep]) for role, (values, given) in collapsed.items()}
    return epochs[keep], kept, notes


def _any(curves: list[tuple[Floats, Bools]], size: int) -> Bools:
    return np.any([given for _, given in curves], axis=0) if curves else np.zeros(size, np.bool_)


def _fractions(table: Table, roles: Roles, collapsed: Collapsed) -> tuple[Collapsed, list[str]]:
    """Accuracies in 0..1: of percentages and error rates; with the columns that were in percent."""
    own = [role for role in ("accuracy", "val_accuracy") if role in collapsed]
    percent = {role: _in_percent(table, roles.curves[role], collapsed[role][0]) for role in own}
    if len(own) == 2 and percent[own[0]] != percent[own[1]]:
        small = next(role for role in own if not percent[role])
        large = next(role for role in own if percent[role])
        percent[small] = _nearer_as_percent(collapsed[small][0], collapsed[large][0] / 100)
    out, said = dict(collapsed), []
    for role in own:
        values, given = collapsed[role]
        if percent[role]:
            values = values / 100
            said.append(roles.curves[role].name)
        values = 1 - values if roles.curves[role].error else values
        out[role] = np.clip(values, 0, 1), given
    return out, said


def _in_percent(table: Table, curve: Curve, values: Floats) -> bool:
    top = np.nanmax(values) if np.isfinite(values).any() else 0.0
    signed = table.numbers[curve.name].percent
    return bool(top > 1.5 or signed)


def _nearer_as_percent(small: Floats, other: Floats) -> bool:
    """Whether values up to 1.5 beside percentages are percentages too, of an accuracy near 0."""
    if not np.isfinite(small).any():
        return False
    middle, against = float(np.nanmedian(small)), float(np.nanmedian(other))
    return abs(middle / 100 - against) < abs(middle - against)


def _finished(
    raw: Raw, roles: Roles, epochs: Ints, collapsed: Collapsed, notes: list[Note]
) -> tuple[LoggedFit, list[Note]]:
    if not len(epochs):
        raise ReadError(f"{raw.name}: no epoch with a loss or an accuracy")
    collapsed = {role: curve for role, curve in collapsed.items() if np.isfinite(curve[0]).any()}
    last = {role: _last(values) for role, (values, _) in collapsed.items()}
    _refuse_endless(raw, collapsed)
    end = _end_of_finite(collapsed, len(epochs))
    lost = [role for role in roles.curves if role.endswith("loss") and role not in collapsed]
    never = [role for role in lost if _not_finite(raw, roles.curves[role])]
    if end == 0 or never:
        what = " and ".join(roles.curves[role].name for role in never) or "the loss"
        raise ReadError(
            f"{raw.name}: {what} is not finite in any of its {len(epochs)} epochs, so there is "
            "no training to judge; look at learning rate, inputs and the loss"
        )
    from_epoch = int(epochs[end]) if end < len(epochs) else None
    if from_epoch is not None:
        notes = [*notes, Note("not_finite_from", {"epoch": from_epoch, "of": len(epochs)})]
    cut = {role: collapsed[role][0][:end] if role in collapsed else None for role in ROLES}
    fit = _logged(raw, {r: c.name for r, c in roles.curves.items() if r in collapsed}, cut)
    fit = replace(
        fit, epochs=epochs[:end], not_finite_from=from_epoch, last=last, num_logged=len(epochs)
    )
    return fit, [*notes, *_said_of(fit)]


def _refuse_endless(raw: Raw, collapsed: Collapsed) -> None:
    """Refuses more validations than a judgement has memory for: it draws hundreds of each."""
    held = [values for role, (values, _) in collapsed.items() if role.startswith("val_")]
    most = max((int(np.isfinite(values).sum()) for values in held), default=0)
    if most > MAX_EPOCHS:
        raise ReadError(
            f"{raw.name}: validated in {most} rows, more than {MAX_EPOCHS}: they are steps; give "
            "a row an epoch"
        )


def _not_finite(raw: Raw, curve: Curve) -> bool:
    column = raw.table.numbers[curve.name]
    return bool(column.given.any() and not np.isfinite(column.values).any())


def _last(values: Floats) -> float:
    return float(values[np.isfinite(values)][-1])


def _end_of_finite(collapsed: Collapsed, size: int) -> int:
    """How many epochs there are before the losses stop being finite, all where they do not.

    A NaN that stands in the log counts where it runs to the end and longer than any gap before;
    a blank counts so too where both losses end while an accuracy goes on (JSON has no NaN).
    """
    losses = {role: curve for role, curve in collapsed.items() if role.endswith("loss")}
    ends = [size]
    for values, given in losses.values():
        finite = np.isfinite(values)
        known = np.flatnonzero(finite)
        if not len(known):
            ends.append(0)
            continue
        tail = len(values) - 1 - int(known[-1])
        gap = int(np.max(np.diff(known), initial=1)) - 1
        others = [g for role, (_, g) in collapsed.items() if role.endswith("accuracy")]
        blank = bool(tail and len(losses) == 2 and gap == 0 and _all_end(losses, known[-1]))
        blank = blank and any(bool(g[known[-1] + 1 :].all()) for g in others)
        if tail > gap and (bool(given[known[-1] + 1 :].any()) or blank):
            ends.append(int(known[-1]) + 1)
    return min(ends)


def _all_end(losses: Collapsed, last: int) -> bool:
    return all(not np.isfinite(values[last + 1 :]).any() for values, _ in losses.values())


def _logged(raw: Raw, columns: dict[str, str], cut: dict[str, Floats | None]) -> LoggedFit:
    curves = (cut["loss"], cut["accuracy"], cut["val_loss"], cut["val_accuracy"])
    classes = raw.facts.num_classes
    other: Callable[[], bool] = lambda: suspicions.val_loss_on_other_scale(*curves, classes)  # noqa: E731
    comparable = not (raw.facts.other_loss_scale or other()
                      or suspicions.train_loss_on_other_scale(*curves))  # fmt: skip
    return LoggedFit(
        name=raw.name, model=raw.model or raw.name, phase=raw.phase, seed=raw.seed,
        epochs=np.empty(0, dtype=np.int64), loss=curves[0], accuracy=curves[1],
        val_loss=curves[2], val_accuracy=curves[3], columns=columns,
        num_val_images=raw.facts.num_val_images, num_classes=classes,
        penalty_in_loss=suspicions.penalty_suspected(*curves, classes),
        val_loss_comparable=comparable,
    )  # fmt: skip


def _said_of(fit: LoggedFit) -> list[Note]:
    """What the numbers of a fit give cause to say."""
    notes = []
    if fit.penalty_in_loss:
        notes.append(Note("penalty_suspected", {"fit": fit.name}))
    if not fit.val_loss_comparable:
        train = suspicions.train_loss_on_other_scale(
            fit.loss, fit.accuracy, fit.val_loss, fit.val_accuracy
        )
        notes.append(
            Note("train_loss_other_scale" if train else "other_loss_scale", {"fit": fit.name})
        )
    held = fit.val_loss if fit.val_loss is not None else fit.val_accuracy
    if held is not None and len(held) > 3:
        every = np.diff(np.flatnonzero(np.isfinite(held)))
        if len(every) and (k := int(np.median(every))) > 1:
            notes.append(Note("validation_every_k", {"k": k}))
    return notes
