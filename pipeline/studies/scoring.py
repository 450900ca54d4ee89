"""What a finished fit, and the fits of one point together, say; what a trial keeps of them.

Verdicts are none of it (see `judged`): what is searched for is a loss, whatever it is called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.estimates import finite_or_none, standard_error
from overfit_atlas.scoring.fits import Fit, smoothed
from pipeline.training.task import FitResult

CURVES = (
    "epoch", "split", "loss", "calibrated_loss", "accuracy", "ece", "brier", "true_accuracy",
    "temperature", "penalty", "learning_rate",
)  # fmt: skip
"""What is kept of every epoch; seconds are not: they differ from run to run."""
OF_FIT = (
    "gap_loss", "gap_loss_se", "gap_accuracy", "gap_accuracy_se", "excess_gap", "running_gap",
    "val_loss", "val_accuracy", "val_true_accuracy", "probe_loss", "probe_accuracy",
    "probe_true_accuracy", "best_epoch", "best_val_loss", "best_val_accuracy", "best_gap_loss",
)  # fmt: skip
MEANS = ("val_loss", "val_accuracy", "probe_loss", "probe_accuracy", "best_val_loss")
WORDS = ("verdict", "kind", "onset")
"""Attributes of a judged trial that are no numbers."""
DIGITS = 9


@dataclass(frozen=True)
class Scored:
    """A point of a study and what its trial is to keep.

    Attributes:
        value: the mean over seeds of what the study is about; None where every fit broke down.
        attributes: what people read beside a trial, in Optuna's views and in MLflow.
        kept: what the tables are made of, which no view needs to show.
        gaps: the mean gap over seeds after each epoch (nats), as far as it is finite.
    """

    value: float | None
    attributes: Mapping[str, Any]
    kept: Mapping[str, Any]
    gaps: Sequence[float]


def score_searched(results: Sequence[FitResult], value: str, smoothing: int) -> Scored:
    """The fits of a trial of the search, one a seed, at the end of their epochs.

    Args:
        value: which of `OF_FIT` the search is about.
    """
    ordered = in_order(results)
    rows = [row_of(result, result.history, smoothing) for result in ordered]
    return scored(ordered, rows, value)


def in_order(results: Sequence[FitResult]) -> list[FitResult]:
    """Results by seed, in whichever order they finished."""
    return sorted(results, key=lambda result: result.seed)


def row_of(result: FitResult, fit: Fit, smoothing: int) -> dict[str, Any]:
    """The scores of a fit, or of its first epochs: one row.

    Columns: seed, num_parameters, failed; then `OF_FIT`: gap_loss, gap_accuracy and their `_se`
    over images, excess_gap, running_gap, val_loss, val_accuracy, val_true_accuracy, probe_loss,
    probe_accuracy, probe_true_accuracy (clean, at the last epoch), best_epoch, best_val_loss,
    best_val_accuracy, best_gap_loss (at the best epoch by loss). Scores of a fit that broke down
    are None.
    """
    row = {"seed": result.seed, "num_parameters": result.num_parameters, "failed": fit.failed}
    return row | (dict.fromkeys(OF_FIT) if fit.failed else _of_fit(fit, smoothing))


def scored(
    results: Sequence[FitResult],
    rows: Sequence[Mapping[str, Any]],
    value: str,
    more: Mapping[str, Any] | None = None,
    kept: Mapping[str, Any] | None = None,
) -> Scored:
    """What the trial of `results`, in order of their seeds, is to keep.

    Attributes: `MEANS` over seeds, seconds, num_parameters; `<value>_by_seed` and its spread;
    val_loss_by_epoch; and `more`. Kept: `fits`, the rows; `curves`, every epoch of every seed, by
    column; and `kept`.

    Args:
        rows: `row_of` of each fit at its last epoch.
    """
    final = pd.DataFrame(rows)
    values = [float(one) for one in final[value] if one is not None and np.isfinite(one)]
    numbers = {name: float(final[name].astype(float).mean()) for name in MEANS}
    val, probe = (_mean_curve(results, split) for split in ("val", "probe"))
    attributes: dict[str, Any] = {
        **{name: finite_or_none(one) for name, one in numbers.items()},
        **(more or {}),
        "seconds": round(sum(result.seconds for result in results), 3),
        "num_parameters": results[0].num_parameters,
        f"{value}_by_seed": values,
        f"{value}_spread": rounded(np.std(values, ddof=1)) if len(values) > 1 else None,
        "val_loss_by_epoch": [round(float(one), 4) for one in val],
    }
    of_trial = {"fits": list(rows), "curves": curves(results), **(kept or {})}
    mean = float(np.mean(values)) if values else None
    finite = min(len(val), len(probe))
    return Scored(mean, attributes, of_trial, (val[:finite] - probe[:finite]).tolist())


def best_loss(result: FitResult, smoothing: int) -> float:
    """The validation loss of a fit at its best epoch; NaN where the fit broke down."""
    if result.history.failed:
        return float("nan")
    loss = result.history.series("val", "loss")
    return float(loss[_best(loss, smoothing)])


def head(history: Fit, epochs: int) -> Fit:
    """The first `epochs` epochs of a history, as if training had ended there."""
    curves = history.curves[history.curves["epoch"] <= epochs]
    per_image = history.per_image.head(epochs) if history.per_image else None
    return replace(history, curves=curves, per_image=per_image)


def _best(loss: np.ndarray, smoothing: int) -> int:
    return int(np.argmin(smoothed(loss, smoothing)))


def _of_fit(fit: Fit, smoothing: int) -> dict[str, Any]:
    val, probe = (fit.series(split, "loss") for split in ("val", "probe"))
    val_right, probe_right = (fit.series(split, "accuracy") for split in ("val", "probe"))
    best, gap = _best(val, smoothing), val - probe
    shown = val[-1] + np.nan_to_num(fit.series("running", "penalty")[-1])
    scores = {
        "gap_loss": gap[-1],
        "gap_loss_se": _error(fit, "loss"),
        "gap_accuracy": (probe_right - val_right)[-1],
        "gap_accuracy_se": _error(fit, "correct"),
        "excess_gap": gap[-1] - gap[best],
        "running_gap": shown - fit.series("running", "loss")[-1],
        "best_epoch": best + fit.first_epoch,
        "best_val_loss": val[best],
        "best_val_accuracy": val_right[best],
        "best_gap_loss": gap[best],
    }
    for split in ("val", "probe"):
        for metric in ("loss", "accuracy", "true_accuracy"):
            scores[f"{split}_{metric}"] = fit.series(split, metric)[-1]
    return {name: rounded(scores[name]) for name in OF_FIT}


def _error(fit: Fit, score: str) -> float | None:
    """Standard error over images of a gap at the last epoch: each split has its own images."""
    if fit.per_image is None:
        return None
    val, probe = (
        standard_error(fit.per_image.epoch(split, score, -1)) for split in ("val", "probe")
    )
    return float(np.hypot(val, probe))


def _mean_curve(results: Sequence[FitResult], split: str) -> np.ndarray:
    """The mean loss over seeds, as far as all of them came with finite numbers."""
    series = [result.history.series(split, "loss") for result in results]
    shortest = min(len(one) for one in series)
    mean = np.mean([one[:shortest] for one in series], axis=0)
    broken = np.flatnonzero(~np.isfinite(mean))
    return np.asarray(mean[: broken[0]] if len(broken) else mean)


def curves(results: Sequence[FitResult]) -> dict[str, list[Any]]:
    """Every epoch of every seed as columns: seed and `CURVES`."""
    table = pd.concat([result.history.curves for result in results], ignore_index=True)
    table = table.reindex(columns=["seed", *CURVES])
    return {name: [rounded(one) for one in table[name].tolist()] for name in table.columns}


def rounded(number: Any) -> Any:
    """A JSON value with no more digits than are written, so that stored and fresh scores agree."""
    if number is None or isinstance(number, str | bool | int):
        return number
    found = finite_or_none(number)
    return found if found is None else float(f"{found:.{DIGITS}g}")
