"""The tables and records of a comparison, from its outcomes; the first outcome is the baseline."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.estimates import Estimate, Json, over_seeds
from overfit_atlas.remedies import Kind, kind
from overfit_atlas.rules import Rules
from pipeline.comparing import data_size
from pipeline.comparing.effects import Pair, as_row
from pipeline.comparing.effects import effects as effects_of
from pipeline.comparing.outcome import Outcome
from pipeline.comparing.scoring import MOMENTS, Moment, Scores

METRICS = (
    "val_accuracy",
    "val_loss",
    "val_calibrated_loss",
    "gap_loss",
    "gap_calibrated_loss",
    "gap_accuracy",
    "probe_loss",
    "probe_accuracy",
    "probe_true_accuracy",
    "val_ece",
    "val_brier",
    "macro_f1",
    "worst_class_f1",
    "f1_spread",
)
JUDGED = (
    "verdict", "kind", "probability", "title", "why", "onset", "damage", "gap", "num_epochs",
)  # fmt: skip
EFFECTS = ("name", "metric", "at", "effect", "low", "high", "kind", "num_seeds", "num_images")


def curves(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """One row a variant, seed, epoch and split, of those that have fits of their own."""
    tables = []
    for outcome in outcomes:
        if outcome.variant.members is not None or outcome.variant.temperature:
            continue
        table = pd.concat([result.history.curves for result in outcome.results])
        table.insert(0, "variant", outcome.name)
        tables.append(table.drop(columns="seconds", errors="ignore"))
    return pd.concat(tables, ignore_index=True)


def effects(outcomes: Sequence[Outcome], rules: Rules) -> pd.DataFrame:
    """Variant minus baseline, one row a variant, metric and moment (columns `EFFECTS`).

    `kind` classes the variant by validation loss and gap in loss, at that moment; what counts as
    equal is what is not material.
    """
    rows = []
    for moment in MOMENTS:
        found = paired(outcomes, moment, rules.confidence)
        classed = _classed(found, outcomes[0], rules)
        for name, by_metric in found.items():
            for metric in METRICS:
                if metric in by_metric:
                    start = {"name": name, "metric": metric, "at": moment, "kind": classed[name]}
                    rows.append({**start, **as_row(by_metric[metric])})
    order = {outcome.name: place for place, outcome in enumerate(outcomes)}
    rows.sort(key=lambda row: order[row["name"]])
    return pd.DataFrame(rows, columns=list(EFFECTS))


def paired(
    outcomes: Sequence[Outcome], moment: Moment, confidence: float
) -> dict[str, dict[str, Estimate]]:
    """The effects of each variant by metric; without those that have no scores."""
    pairs = {outcome.name: _pair(outcomes[0], outcome, moment) for outcome in outcomes[1:]}
    return effects_of({name: pair for name, pair in pairs.items() if pair}, confidence)


def kinds(outcomes: Sequence[Outcome], moment: Moment, rules: Rules) -> dict[str, Kind]:
    """The class of each variant that could be compared."""
    classed = _classed(paired(outcomes, moment, rules.confidence), outcomes[0], rules)
    return {name: sort for name, sort in classed.items() if sort is not None}


def _classed(
    found: Mapping[str, Mapping[str, Estimate]], base: Outcome, rules: Rules
) -> dict[str, Kind | None]:
    if not base.scores:
        return dict.fromkeys(found)
    margin = rules.material("loss", float(base.scores["best"].values["val_loss"].mean()))
    return {
        name: kind(by_metric.get("val_loss"), by_metric.get("gap_loss"), margin)
        for name, by_metric in found.items()
    }


def _pair(base: Outcome, other: Outcome, moment: Moment) -> Pair | None:
    if moment not in base.scores or moment not in other.scores:
        return None
    same = base.variant.vary(0) == other.variant.vary(0)
    return Pair(base.scores[moment], other.scores[moment], same)


def classes(
    outcomes: Sequence[Outcome], class_names: Sequence[str], confidence: float
) -> pd.DataFrame:
    """Per class and variant: F1 on validation at the best epoch, and what the variant changes."""
    columns = ["name", "class", "class_name", "f1", "f1_baseline", "effect", "low", "high"]
    rows = []
    for outcome in outcomes[1:]:
        pair = _pair(outcomes[0], outcome, "best")
        for label, found in enumerate(pair.class_effects(confidence) if pair else []):
            start = {"name": outcome.name, "class": label, "class_name": class_names[label]}
            f1 = {"f1": found.other, "f1_baseline": found.base}
            rows.append({**start, **f1, **as_row(found.effect)})
    return pd.DataFrame(rows, columns=[*columns, "num_seeds", "num_images"])


def variants(outcomes: Sequence[Outcome], rules: Rules) -> Json:
    """Everything known of each variant by name: settings, verdict, onset, scores, cost."""
    of_last, of_best = (kinds(outcomes, moment, rules) for moment in ("last", "best"))
    return {
        outcome.name: {
            **_judged(outcome),
            "baseline": outcome is outcomes[0],
            "changes": dict(outcome.variant.changes),
            "effect": {"last": of_last.get(outcome.name), "best": of_best.get(outcome.name)},
            "failures": outcome.failures,
            "values": {
                moment: _values(found, rules.confidence) for moment, found in outcome.scores.items()
            },
            "num_train": outcome.num_images,
            "num_parameters": outcome.results[0].num_parameters * (outcome.variant.members or 1),
            "num_updates": _mean(outcome.updates),
        }
        for outcome in outcomes
    }


def _judged(outcome: Outcome) -> Json:
    """The part of the judgement that differs between variants."""
    whole = outcome.judgement.as_json() if outcome.judgement else {}
    return {key: whole[key] for key in JUDGED if key in whole}


def _values(scores: Scores, confidence: float) -> Json:
    """Each score with its interval; for means over images that of the images too."""
    found = {}
    for metric, values in scores.values.items():
        if metric in METRICS and np.isfinite(values).all():
            images = scores.images.get(metric)
            errors, count = None, None
            if images is not None:
                count = int(images.shape[1])
                errors = list(images.std(axis=1, ddof=1) / np.sqrt(count))
            found[metric] = over_seeds(values, errors, confidence, count).as_json()
    return found


def _mean(numbers: Sequence[int]) -> float:
    return float(np.mean(numbers))


def sizes(outcomes: Sequence[Outcome], rules: Rules) -> Json:
    """The law of the gap over the number of training images, in loss and accuracy.

    At both moments; empty where fewer than four sizes are left.
    """
    whole = [outcome for outcome in outcomes if outcome.scores]
    if len({outcome.num_images for outcome in whole}) < data_size.FEWEST_SIZES:
        return {}
    found: dict[str, Any] = {}
    for moment in MOMENTS:
        for metric in ("gap_loss", "gap_accuracy"):
            measured = data_size.points(
                [outcome.num_images for outcome in whole],
                [outcome.scores[moment] for outcome in whole],
                metric,
                rules.num_resamples,
            )
            found[f"{metric}/{moment}"] = data_size.promise(measured, rules.confidence)
    return found


def size_points(outcomes: Sequence[Outcome], moment: Moment) -> pd.DataFrame:
    """One row a fit: num_images, gap_loss, gap_accuracy."""
    tables = [
        pd.DataFrame(
            {
                "num_images": outcome.num_images,
                **{
                    name: outcome.scores[moment].values[name]
                    for name in ("gap_loss", "gap_accuracy")
                },
            }
        )
        for outcome in outcomes
        if outcome.scores
    ]
    return pd.concat(tables, ignore_index=True)


def told(effect_table: pd.DataFrame, moment: Moment = "last") -> list[str]:
    """One line a variant: what it changes and its class, for the terminal."""
    rows = effect_table[effect_table["at"] == moment]
    lines = []
    for name, of_name in rows.groupby("name", sort=False):
        by_metric: Mapping[Any, Any] = of_name.set_index("metric").to_dict("index")
        parts = [
            f"{metric} {by_metric[metric]['effect']:+.3f} "
            f"[{by_metric[metric]['low']:+.3f}, {by_metric[metric]['high']:+.3f}]"
            for metric in ("val_accuracy", "val_loss", "gap_loss")
        ]
        lines.append(f"{name}: {of_name['kind'].iloc[0]}; {', '.join(parts)}")
    return lines
