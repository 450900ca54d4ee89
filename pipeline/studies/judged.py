"""What the fits of one point of a map say together, in words too; what its trial keeps of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from overfit_atlas.estimates import finite_or_none
from overfit_atlas.facts import Facts
from overfit_atlas.judgement import judge
from overfit_atlas.record import Judgement
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import Fit
from pipeline.studies.ruling import SAID, packed, spoken
from pipeline.studies.scoring import OF_FIT, Scored, head, in_order, rounded, row_of, scored
from pipeline.training.task import FitResult

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
Heads = Mapping[int, Sequence[Fit]]
"""The fits of a point as if training had ended after each budget of epochs, by budget."""


def heads(results: Sequence[FitResult], budgets: Sequence[int]) -> Heads:
    """The fits of one point after each budget of epochs."""
    return {
        budget: [head(result.history, budget) for result in results] for budget in sorted(budgets)
    }


def judge_point(fits: Heads, rules: Rules, facts: Facts) -> dict[int, Judgement]:
    """The judgement on the fits of one point after each budget."""
    return {budget: judge("trial", own, rules, facts) for budget, own in fits.items()}


def fit_rows(
    results: Sequence[FitResult], fits: Heads, judged: Mapping[int, Judgement]
) -> list[dict[str, Any]]:
    """The scores of each fit of a point at the end of each budget of epochs, one row each.

    Columns: those of `scoring.row_of`, epochs (the budget), and `OF_POINT`, the judgement on all
    fits of the point at that budget: verdict, kind, probability (of the verdict), p_underfit, the
    interval of the mean gap, damage of the scores, onset by loss (its status), onset_epoch with its
    interval. Scores of a fit that broke down are None.
    """
    rows = []
    for place, result in enumerate(results):
        for budget, found in judged.items():
            row = row_of(result, fits[budget][place], found.rules.smoothing)
            said = dict.fromkeys(OF_POINT) if row["failed"] else _of_point(found)
            rows.append({**row, "epochs": budget, **said})
    return rows


def score_point(
    results: Sequence[FitResult],
    budgets: Sequence[int],
    value: str,
    rules: Rules,
    facts: Facts,
) -> Scored:
    """The fits of one point, one a seed, together.

    Attributes: those of `scoring.scored`, all scores of `Judgement.metrics` (of the last budget),
    verdict, kind, onset. Kept: also `draws`, by budget, what the verdict beside all other points
    needs (see `ruling`); `fits` are the rows of `fit_rows`.
    """
    ordered = in_order(results)
    fits = heads(ordered, budgets)
    judged = judge_point(fits, rules, facts)
    rows, last = fit_rows(ordered, fits, judged), max(budgets)
    found = judged[last]
    numbers = {name.replace("/", "_"): finite_or_none(one) for name, one in found.metrics().items()}
    draws = {str(budget): packed(one.draws) for budget, one in judged.items()}
    return scored(
        ordered,
        [row for row in rows if row["epochs"] == last],
        value,
        {**numbers, **found.tags()},
        {"fits": rows, "draws": draws},
    )


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
    return {name: rounded(scores[name]) for name in OF_POINT}
