"""From what a log says to judgements: `judge_read`, one a model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from overfit_atlas import judgement
from overfit_atlas.facts import Facts
from overfit_atlas.files import visible
from overfit_atlas.readers import LoggedFit, Read
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Fit, Floats

UNKNOWN = Facts()


def judge_read(
    read: Read, rules: Rules, facts: Facts = UNKNOWN, seeds: bool = False
) -> list[Judgement]:
    """One judgement a model: fits are seeds of one model only where the log or the user says so.

    Args:
        facts: what the user adds to the log: the number of classes, of validation images.
        seeds: whether all fits are seeds of one model.
    """
    return [
        judgement.judge(visible(name), [fit_of(one) for one in fits], rules, facts_of(fits, facts))
        for name, fits in _models(read.fits, seeds)
    ]


def _models(fits: Sequence[LoggedFit], seeds: bool) -> list[tuple[str, list[LoggedFit]]]:
    """Names and fits: together where they carry seeds of one model and phase, else apart."""
    if seeds:
        return [(fits[0].model, list(fits))]
    found: dict[tuple[str, ...], list[LoggedFit]] = {}
    for number, one in enumerate(fits):
        apart = () if one.seed is not None else (one.name, str(number))
        found.setdefault((one.model, one.phase or "", *apart), []).append(one)
    return [(_title(group), group) for group in found.values()]


def _title(fits: Sequence[LoggedFit]) -> str:
    first = fits[0]
    return first.name if len(fits) == 1 else first.model


def fit_of(logged: LoggedFit) -> Fit:
    """The epochs of a logged fit at which validation was scored, as a fit without single images."""
    import pandas as pd

    nothing = np.full(len(logged.epochs), np.nan)
    val_loss = _known(logged.val_loss, nothing)
    scored = np.isfinite(val_loss) if np.isfinite(val_loss).any() else np.ones(len(nothing), bool)
    tables = [
        pd.DataFrame(
            {
                "seed": logged.seed or 0,
                "epoch": logged.epochs[scored],
                "split": split,
                "loss": _known(loss, nothing)[scored],
                "accuracy": _known(accuracy, nothing)[scored],
            }
        )
        for split, loss, accuracy in (
            ("running", logged.loss, logged.accuracy),
            ("val", logged.val_loss, logged.val_accuracy),
        )
    ]
    return Fit(pd.concat(tables, ignore_index=True), None, logged.seed or 0)


def _known(values: Floats | None, nothing: Floats) -> Floats:
    return nothing if values is None else values


def facts_of(fits: Sequence[LoggedFit], given: Facts) -> Facts:
    """What the logs say of the data, under what the user says."""
    first = fits[0]
    return replace(
        given,
        num_images=given.num_images or first.num_val_images,
        num_classes=given.num_classes or first.num_classes,
        clean=not first.running_train,
        comparable=all(one.val_loss_comparable for one in fits),
        not_finite_from=next(
            (one.not_finite_from for one in fits if one.not_finite_from is not None), None
        ),
        penalty=any(one.penalty_in_loss for one in fits),
    )
