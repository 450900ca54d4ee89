"""What a finished fit, and the fits of one point together, say; what a trial keeps of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.estimates import finite_or_none, standard_error
from overfit_atlas.facts import Facts
from overfit_atlas.judgement import judge
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Fit, smoothed
from pipeline.studies.ruling import SAID, packed, spoken
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
OF_POINT = (
    *SAID,
    "gap_loss_low",
    "gap_loss_high",
    "damage_loss",
    "damage_calibrated_loss",
    "damage_accuracy",
    "onset",
    "onset_epoch",
    "onset_low",
    "onset_high",
)
SCORES = (*OF_FIT, *OF_POINT)
WORDS = ("verdict", "kind", "onset")
MEANS = ("val_loss", "val_accuracy", "probe_loss", "probe_accuracy", "best_val_loss")
DIGITS = 9


def fit_rows(results: Sequence[FitResult], judged: Mapping[int, Judgement]) -> list[dict[str, Any]]:
    """The scores of each fit of a point at the end of each budget of epochs, one row each.

    Columns: seed, epochs (the budget), num_parameters, failed; then `OF_FIT`: gap_loss,
    gap_accuracy and their `_se` over images, excess_gap, running_gap, val_loss, val_accuracy,
    val_true_accuracy, probe_loss, probe_accuracy, probe_true_accuracy (clean, at the last epoch),
    best_epoch, best_val_loss, best_val_accuracy, best_gap_loss (at the best epoch by loss); and
    `OF_POINT`, the judgement on all fits of the point at that budget: verdict, kind, probability
    (of the verdict), p_underfit, the interval of the mean gap, damage of the scores, onset by loss
    (its status), onset_epoch with its interval.
    Scores of a fit that broke down are None.

    Args:
        judged: the judgement on the point, by budget (`judge_point`).
    """
    rows = []
    for result in results:
        for budget, found in sorted(judged.items()):
            row = {"seed": result.seed, "epochs": budget, "num_parameters": result.num_parameters}
            fit = head(result.history, budget)
            nothing = dict.fromkeys(SCORES)
            scores = nothing if fit.failed else {**_of_fit(fit, found.rules), **_of_point(found)}
            rows.append({**row, "failed": fit.failed, **scores})
    return rows


def judge_point(
    results: Sequence[FitResult], budgets: Sequence[int], rules: Rules, facts: Facts
) -> dict[int, Judgement]:
    """The judgement on the fits of one point as if training had ended after each budget."""
    return {
        budget: judge("trial", [head(result.history, budget) for result in results], rules, facts)
        for budget in budgets
    }


def best_loss(result: FitResult, rules: Rules) -> float:
    """The validation loss of a fit at its best epoch; NaN where the fit broke down."""
    if result.history.failed:
        return float("nan")
    loss = result.history.series("val", "loss")
    return float(loss[_best(loss, rules)])


def head(history: Fit, epochs: int) -> Fit:
    """The first `epochs` epochs of a history, as if training had ended there."""
    curves = history.curves[history.curves["epoch"] <= epochs]
    per_image = history.per_image.head(epochs) if history.per_image else None
    return replace(history, curves=curves, per_image=per_image)


def _best(loss: np.ndarray, rules: Rules) -> int:
    return int(np.argmin(smoothed(loss, rules.smoothing)))


def _of_fit(fit: Fit, rules: Rules) -> dict[str, Any]:
    val, probe = (fit.series(split, "loss") for split in ("val", "probe"))
    val_right, probe_right = (fit.series(split, "accuracy") for split in ("val", "probe"))
    best, gap = _best(val, rules), val - probe
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
    return {name: _rounded(scores[name]) for name in OF_FIT}


def _error(fit: Fit, score: str) -> float | None:
    """Standard error over images of a gap at the last epoch: each split has its own images."""
    if fit.per_image is None:
        return None
    val, probe = (
        standard_error(fit.per_image.epoch(split, score, -1)) for split in ("val", "probe")
    )
    return float(np.hypot(val, probe))


def _of_point(found: Judgement) -> dict[str, Any]:
    onset = found.onset.get("loss")
    gap = found.estimate("gap/loss")
    scores: dict[str, Any] = {
        **spoken(found),
        "gap_loss_low": gap.low if gap else None,
        "gap_loss_high": gap.high if gap else None,
        "onset": onset.status if onset else None,
        "onset_epoch": onset.epoch if onset else None,
        "onset_low": onset.low if onset else None,
        "onset_high": onset.high if onset else None,
    }
    for score in ("loss", "calibrated_loss", "accuracy"):
        damage = found.damage.get(score)
        scores[f"damage_{score}"] = damage.value if damage else None
    return {name: _rounded(scores[name]) for name in OF_POINT}


@dataclass(frozen=True)
class Scored:
    """A point of a study, judged, and what its trial is to keep.

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


def score_point(
    results: Sequence[FitResult],
    budgets: Sequence[int],
    value: str,
    rules: Rules,
    facts: Facts,
) -> Scored:
    """The fits of one point, one a seed, together.

    Attributes: all scores of `Judgement.metrics` (of the last budget), `MEANS` over seeds, verdict,
    kind, onset, seconds, num_parameters; `<value>_by_seed` and its spread; val_loss_by_epoch. Kept:
    `fits`, the rows of `fit_rows`; `curves`, every epoch of every seed, by column; `draws`, by
    budget, what the verdict beside all other points needs (see `ruling`).
    """
    ordered = sorted(results, key=lambda result: result.seed)
    judged = judge_point(ordered, budgets, rules, facts)
    rows, found = fit_rows(ordered, judged), judged[max(budgets)]
    final = pd.DataFrame([row for row in rows if row["epochs"] == max(budgets)])
    values = [float(one) for one in final[value] if one is not None and np.isfinite(one)]
    numbers = {name: float(final[name].astype(float).mean()) for name in MEANS} | found.metrics()
    val, probe = (_mean_curve(ordered, split) for split in ("val", "probe"))
    attributes: dict[str, Any] = {
        **{name.replace("/", "_"): finite_or_none(one) for name, one in numbers.items()},
        **found.tags(),
        "seconds": round(sum(result.seconds for result in ordered), 3),
        "num_parameters": ordered[0].num_parameters,
        f"{value}_by_seed": values,
        f"{value}_spread": _rounded(np.std(values, ddof=1)) if len(values) > 1 else None,
        "val_loss_by_epoch": [round(float(one), 4) for one in val],
    }
    kept = {
        "fits": rows,
        "curves": curves(ordered),
        "draws": {str(budget): packed(one.draws) for budget, one in judged.items()},
    }
    mean = float(np.mean(values)) if values else None
    finite = min(len(val), len(probe))
    return Scored(mean, attributes, kept, (val[:finite] - probe[:finite]).tolist())


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
    return {name: [_rounded(one) for one in table[name].tolist()] for name in table.columns}


def _rounded(number: Any) -> Any:
    """A JSON value with no more digits than are written, so that stored and fresh scores agree."""
    if number is None or isinstance(number, str | bool | int):
        return number
    found = finite_or_none(number)
    return found if found is None else float(f"{found:.{DIGITS}g}")
