"""What a finished fit, and the fits of one point together, say; what a trial keeps of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.estimates import finite_or_none
from overfit_atlas.scoring.fits import Fit
from pipeline.diagnosis import gaps, onset
from pipeline.diagnosis.diagnose import diagnose
from pipeline.diagnosis.verdict import Reference
from pipeline.params import Evaluate
from pipeline.training.task import FitResult

CURVES = (
    "epoch", "split", "loss", "accuracy", "ece", "brier", "true_accuracy", "penalty",
    "learning_rate",
)  # fmt: skip
"""What is kept of every epoch; seconds are not: they differ from run to run."""
MEANS = ("val_loss", "val_accuracy", "probe_loss", "probe_accuracy", "best_val_loss")
DIGITS = 9


def fit_rows(result: FitResult, budgets: Sequence[int], settings: Evaluate) -> list[dict[str, Any]]:
    """The scores of one fit at the end of each budget of epochs, one row each.

    Columns: seed, epochs (the budget), num_parameters, failed, gap_loss, gap_accuracy and their
    `_se` over images, excess_gap, running_gap, val_loss, val_accuracy, val_true_accuracy,
    probe_loss, probe_accuracy, probe_true_accuracy (clean, at the last epoch), best_epoch,
    best_val_loss, best_val_accuracy, best_gap_loss (at the best epoch), onset (its status),
    onset_epoch. Scores of a fit that broke down are None.
    """
    rows = []
    for budget in sorted(budgets):
        row = {"seed": result.seed, "epochs": budget, "num_parameters": result.num_parameters}
        history = head(result.history, budget)
        scores = dict.fromkeys(SCORES) if history.failed else _scores(history, settings)
        rows.append({**row, "failed": history.failed, **scores})
    return rows


SCORES = (
    "gap_loss", "gap_loss_se", "gap_accuracy", "gap_accuracy_se", "excess_gap", "running_gap",
    "val_loss", "val_accuracy", "val_true_accuracy", "probe_loss", "probe_accuracy",
    "probe_true_accuracy", "best_epoch", "best_val_loss", "best_val_accuracy", "best_gap_loss",
    "onset", "onset_epoch",
)  # fmt: skip


def best_loss(result: FitResult, settings: Evaluate) -> float:
    """The validation loss of a fit at its best epoch; NaN where the fit broke down."""
    if result.history.failed:
        return float("nan")
    loss = gaps.Fit.of(result.history, "loss", settings)
    return float(loss.of_loss.curve[loss.best])


def head(history: Fit, epochs: int) -> Fit:
    """The first `epochs` epochs of a history, as if training had ended there."""
    curves = history.curves[history.curves["epoch"] <= epochs]
    per_image = history.per_image.head(epochs) if history.per_image else None
    return replace(history, curves=curves, per_image=per_image)


def _scores(history: Fit, settings: Evaluate) -> dict[str, Any]:
    loss = gaps.Fit.of(history, "loss", settings)
    accuracy = gaps.Fit.of(history, "accuracy", settings)
    last, best = loss.index("last"), loss.best
    running = gaps.running_gap([history], "loss", settings)
    found = onset.onset(history, "loss", settings)
    scores = {
        "gap_loss": loss.curve[last],
        "gap_loss_se": loss.error(last),
        "gap_accuracy": accuracy.curve[last],
        "gap_accuracy_se": accuracy.error(last),
        "excess_gap": loss.curve[last] - loss.curve[best],
        "running_gap": running.value if running else None,
        "best_epoch": found.best_epoch,
        "best_val_loss": loss.of_loss.curve[best],
        "best_val_accuracy": history.series("val", "accuracy")[best],
        "best_gap_loss": loss.curve[best],
        "onset": found.status,
        "onset_epoch": found.epoch,
    }
    for split in ("val", "probe"):
        for metric in ("loss", "accuracy", "true_accuracy"):
            scores[f"{split}_{metric}"] = history.series(split, metric)[last]
    return {name: _rounded(scores[name]) for name in SCORES}


@dataclass(frozen=True)
class Scored:
    """A point of a study, judged: what its trial is to keep as user attributes.

    `value` is the mean over seeds of what the study is about, or None where every fit broke down.
    """

    value: float | None
    attributes: Mapping[str, Any]


def score_point(
    results: Sequence[FitResult],
    budgets: Sequence[int],
    value: str,
    settings: Evaluate,
    num_classes: int,
    reference: Reference | None = None,
) -> Scored:
    """The fits of one point, one a seed, together.

    Attributes: `value` and all scores of `Diagnosis.metrics` (means over seeds), verdict, onset,
    seconds, num_parameters; `<value>_by_seed`; `fits`: the rows of `fit_rows`; `curves`: every
    epoch of every seed, by column.
    """
    ordered = sorted(results, key=lambda result: result.seed)
    rows = [row for result in ordered for row in fit_rows(result, budgets, settings)]
    final = pd.DataFrame([row for row in rows if row["epochs"] == max(budgets)])
    values = [float(one) for one in final[value] if one is not None and np.isfinite(one)]
    histories = [result.history for result in ordered]
    found = diagnose("trial", histories, settings, reference, num_classes)
    numbers = {name: float(final[name].astype(float).mean()) for name in MEANS} | found.metrics()
    attributes: dict[str, Any] = {
        **{name.replace("/", "_"): finite_or_none(one) for name, one in numbers.items()},
        **found.tags(),
        "seconds": round(sum(result.seconds for result in ordered), 3),
        "num_parameters": ordered[0].num_parameters,
        f"{value}_by_seed": values,
        "fits": rows,
        "curves": curves(ordered),
    }
    return Scored(float(np.mean(values)) if values else None, attributes)


def curves(results: Sequence[FitResult]) -> dict[str, list[Any]]:
    """Every epoch of every seed as columns: seed and `CURVES`."""
    table = pd.concat([result.history.curves for result in results], ignore_index=True)
    table = table.reindex(columns=["seed", *CURVES])
    return {name: [_rounded(one) for one in table[name].tolist()] for name in table.columns}


def _rounded(number: Any) -> Any:
    """A JSON value with no more digits than are written, so that stored and fresh scores agree."""
    if number is None or isinstance(number, str | bool | int):
        return number
    found = finite_or_none(number)
    return found if found is None else float(f"{found:.{DIGITS}g}")
