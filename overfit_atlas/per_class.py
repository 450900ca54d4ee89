"""Which classes are learned, which only by heart: precision, recall, F1 and gap of each class.

Seeds are pooled in one way throughout: a score is computed for each seed and averaged; intervals
come from resampling the images within their class, the same ones for all seeds, and the seeds. In
one call: `class_tables`; one by one: `scores_table`, `confusion_table`, `pairs_table`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from overfit_atlas import resampling
from overfit_atlas.estimates import Json, finite_or_none, wilson
from overfit_atlas.resampling import Floats
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.scores import Predictions

Splits = Mapping[str, Predictions]
DEFAULT = Rules()
ALL_PAIRS = 50
"""Classes; of more, most pairs are never confused, and 1,000 have a million of them."""
OUTCOMES = ("tp", "fp", "fn", "tn")
RULE_OF_THREE = 1.5
"""An error that n images did not show may still have a rate of 3/n (95 %): 1.5/n is the standard
error that goes with it, and no class is taken to be known better than that."""


@dataclass(frozen=True)
class ClassTables:
    """The tables of one model, and how unequal its classes are.

    Attributes:
        scores: one row a class and split (`scores_table`).
        confusions: one row a split, true and predicted class (`confusion_table`).
        pairs: the confused pairs of the held-out split (`pairs_table`).
        imbalance: by split: worst_class, worst_class_f1, spread, worst_over_mean, macro_f1.
    """

    scores: pd.DataFrame
    confusions: pd.DataFrame
    pairs: pd.DataFrame
    imbalance: Mapping[str, Json]


def class_tables(
    splits: Splits, class_names: Sequence[str], rules: Rules = DEFAULT, held: str = "test"
) -> ClassTables:
    """Everything by class for one model.

    Args:
        splits: predictions by split; `probe` is the one `held` is compared with.
    """
    scores = scores_table(splits, class_names, rules, held)
    confusions = confusion_table(splits, class_names, rules)
    return ClassTables(
        scores=scores,
        confusions=confusions,
        pairs=pairs_table(confusions, held),
        imbalance={str(split): imbalance(rows) for split, rows in scores.groupby("split")},
    )


def scores_table(
    splits: Splits, class_names: Sequence[str], rules: Rules = DEFAULT, held: str = "test"
) -> pd.DataFrame:
    """Precision, recall and F1 (means over seeds) of each class on each split.

    Columns: class, class_name, split, precision, recall, f1, support, f1_low, f1_high, num_seeds;
    and where both `probe` and `held` are there, the same on all rows of a class: class_gap (F1 on
    probe minus F1 on `held`), class_gap_low, class_gap_high, class_gap_p (one-sided, adjusted over
    classes after Benjamini and Hochberg) and flagged (p below 1 - confidence and low above 0).
    NaN where a class has no images, or its precision no predictions. Sorted by split, then by the
    lower bound of the gap, largest first.
    """
    resampled = {
        split: _ClassResamples.of(one, rules, seed)
        for seed, (split, one) in enumerate(splits.items())
    }
    tables = []
    for split, predictions in splits.items():
        table = _point_scores(predictions, class_names)
        table["f1_low"], table["f1_high"] = resampled[split].interval()
        tables.append(table.assign(split=split, num_seeds=predictions.num_seeds))
    table = pd.concat(tables, ignore_index=True)
    if "probe" not in splits or held not in splits:
        return table
    gaps = _gaps(resampled["probe"], resampled[held], rules)
    table = table.merge(gaps, on="class", how="left")
    table["split"] = pd.Categorical(table["split"], categories=list(splits), ordered=True)
    order = ["split", "class_gap_low", "class"]
    table = table.sort_values(order, ascending=[True, False, True], ignore_index=True)
    return table.assign(split=table["split"].astype(str))


def _point_scores(predictions: Predictions, class_names: Sequence[str]) -> pd.DataFrame:
    from sklearn.metrics import precision_recall_fscore_support

    classes = np.arange(predictions.num_classes)
    seeds = [
        precision_recall_fscore_support(
            predictions.labels, predicted, labels=classes, zero_division=np.nan
        )
        for predicted in predictions.predicted
    ]
    precision, recall, f1 = np.array([seed[:3] for seed in seeds]).transpose(1, 0, 2)
    support = seeds[0][3]
    table = pd.DataFrame({"class": classes, "class_name": list(class_names)})
    table["precision"] = _mean_of_known(precision)
    table["recall"] = recall.mean(0)
    table["f1"] = np.where(support > 0, f1.mean(0), np.nan)
    table["support"] = support
    return table


def _mean_of_known(values: Floats) -> Floats:
    """Means over seeds, leaving out those that never predicted the class; NaN if none did."""
    known = np.isfinite(values)
    counts = known.sum(0)
    totals = np.where(known, values, 0).sum(0)
    mean: Floats = np.divide(totals, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return mean


@dataclass(frozen=True)
class _ClassResamples:
    """F1 of each class, pooled over seeds, on resampled images `(num_resamples, num_classes)`."""

    drawn: Floats
    value: Floats
    support: NDArray[np.intp]
    confidence: float

    @classmethod
    def of(cls, predictions: Predictions, rules: Rules, seed: int) -> "_ClassResamples":
        labels, num_classes = predictions.labels, predictions.num_classes
        predicted = predictions.predicted
        found = resampling.resample(labels, predicted, num_classes, rules.num_resamples, seed=seed)
        value = resampling.f1(labels, predicted, num_classes).mean(0)
        support = np.bincount(labels, minlength=num_classes)
        drawn = resampling.over_fits(found.f1, seed)
        return cls(drawn, value, support, rules.confidence)

    @property
    def error(self) -> Floats:
        """Standard error, at least what the rule of three leaves open; NaN without images."""
        spread = self.drawn.std(0, ddof=1)
        error: Floats = np.maximum(spread, RULE_OF_THREE / np.maximum(self.support, 1))
        return error

    def interval(self) -> tuple[Floats, Floats]:
        """Percentile interval, widened to the least standard error, within 0..1."""
        low, high = _widened(self.drawn, self.value, self.error, self.confidence)
        return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _widened(
    drawn: Floats, value: Floats, error: Floats, confidence: float
) -> tuple[Floats, Floats]:
    from scipy import stats

    low, high = resampling.percentiles(drawn, confidence)
    half = stats.norm.ppf((1 + confidence) / 2) * error
    is_floor = error > drawn.std(0, ddof=1)
    low = np.where(is_floor, np.minimum(low, value - half), low)
    return low, np.where(is_floor, np.maximum(high, value + half), high)


def _gaps(probe: _ClassResamples, held: _ClassResamples, rules: Rules) -> pd.DataFrame:
    """The gap of each class; the two splits are other images, so their resamples are independent.

    The p-value is of the gap over its standard error; counting resamples below 0 could not go under
    1 / num_resamples, too coarse to be adjusted over 100 classes.
    """
    from scipy import stats

    value = probe.value - held.value
    error = np.hypot(probe.error, held.error)
    low, high = _widened(probe.drawn - held.drawn, value, error, rules.confidence)
    known = np.isfinite(value)
    adjusted = np.full(len(value), np.nan)
    raw = stats.norm.sf(value[known] / error[known])
    adjusted[known] = stats.false_discovery_control(raw) if known.any() else raw
    return pd.DataFrame(
        {
            "class": np.arange(len(value)),
            "class_gap": value,
            "class_gap_low": low,
            "class_gap_high": high,
            "class_gap_p": adjusted,
            "flagged": (adjusted <= 1 - rules.confidence) & (low > 0),
        }
    )


def imbalance(scores: pd.DataFrame) -> Json:
    """How unequal the classes of one split are, from its rows of `scores_table`.

    worst_class (its name), worst_class_f1, spread (standard deviation over classes), macro_f1, and
    worst_over_mean; None where no class has images.
    """
    known = scores[scores["f1"].notna()]
    if known.empty:
        names = ("worst_class", "worst_class_f1", "spread", "macro_f1", "worst_over_mean")
        return dict.fromkeys(names)
    worst = known.iloc[int(known["f1"].argmin())]
    mean = float(known["f1"].mean())
    return {
        "worst_class": str(worst["class_name"]),
        "worst_class_f1": float(worst["f1"]),
        "spread": float(known["f1"].std(ddof=0)),
        "macro_f1": mean,
        "worst_over_mean": finite_or_none(worst["f1"] / mean) if mean else None,
    }


def confusion_table(
    splits: Splits, class_names: Sequence[str], rules: Rules = DEFAULT
) -> pd.DataFrame:
    """How often each true class is taken for each class.

    All pairs of up to 50 classes; of more, each class with itself, and the pairs that are confused
    on any split. Columns: split, true, predicted (class numbers), true_name, predicted_name, count
    (over all seeds), rate (count over the images of the true class), low, high (Wilson's interval
    for the number of images, not of predictions: seeds see the same images). A class without images
    has count 0 and rate NaN.
    """
    counts = {split: _counts(predictions) for split, predictions in splits.items()}
    shown = np.eye(len(class_names), dtype=bool) | (len(class_names) <= ALL_PAIRS)
    for one in counts.values():
        shown |= one > 0
    tables = [
        _confusions(splits[split], one, shown, rules.confidence).assign(split=split)
        for split, one in counts.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    names = np.asarray(class_names, dtype=object)
    for side in ("true", "predicted"):
        table[f"{side}_name"] = names[table[side]]
    columns = ["split", "true", "predicted", "true_name", "predicted_name"]
    return table[[*columns, "count", "rate", "low", "high"]]


def _counts(predictions: Predictions) -> NDArray[np.int64]:
    """Predictions by true and predicted class, `(num_classes, num_classes)`, all seeds."""
    size = predictions.num_classes
    pairs = (predictions.labels.astype(np.int64) * size + predictions.predicted).ravel()
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def _confusions(
    predictions: Predictions,
    counts: NDArray[np.int64],
    shown: NDArray[np.bool_],
    confidence: float,
) -> pd.DataFrame:
    true, predicted = np.nonzero(shown)
    support = np.bincount(predictions.labels, minlength=len(counts))[true]
    present = support > 0
    mean = counts[shown] / predictions.num_seeds
    low, high = wilson(mean / np.maximum(support, 1), np.maximum(support, 1), confidence)
    arrays = {"true": true, "predicted": predicted, "count": counts[shown]}
    arrays["rate"] = np.divide(mean, support, out=np.full(mean.shape, np.nan), where=present)
    arrays |= {"low": np.where(present, low, np.nan), "high": np.where(present, high, np.nan)}
    return pd.DataFrame(arrays)


def outcomes_table(confusions: pd.DataFrame) -> pd.DataFrame:
    """What became of each class against all others, from `confusion_table`.

    Columns: split, class, tp, fp, fn, tn: true and false positives and negatives, counts over all
    seeds; together they are all predictions of the split.
    """
    keys = ["split", "class"]
    rows = confusions.assign(right=(confusions["true"] == confusions["predicted"]))
    rows["tp"] = rows["count"].where(rows["right"], 0)
    truths = rows.groupby(["split", "true"])[["count", "tp"]].sum().rename_axis(keys)
    taken = rows.groupby(["split", "predicted"])["count"].sum().rename_axis(keys)
    table = truths.assign(fp=taken - truths["tp"], fn=truths["count"] - truths["tp"])
    totals = rows.groupby("split")["count"].sum()
    table["tn"] = totals.reindex(table.index, level="split") - table[["tp", "fp", "fn"]].sum(axis=1)
    return table.reset_index()[[*keys, *OUTCOMES]]


def pairs_table(confusions: pd.DataFrame, held: str = "test") -> pd.DataFrame:
    """The confused pairs of split `held`, surest first: by the lower end of their rate.

    The columns of `confusion_table`, and where the probe is there: probe_count, probe_rate,
    probe_low, probe_high, also_on_probe (not clearly rarer on training images: their interval
    reaches into that of `held`) and memorised (a boundary that only training images know). Both are
    False where the probe has no image of the class.
    """
    wrong = confusions[(confusions["true"] != confusions["predicted"]) & (confusions["count"] > 0)]
    pairs = wrong[wrong["split"] == held]
    probe = confusions[confusions["split"] == "probe"]
    if not probe.empty:
        scores = probe[["true", "predicted", "count", "rate", "low", "high"]]
        renamed = scores.rename(columns=lambda name: f"probe_{name}")
        keys = {"probe_true": "true", "probe_predicted": "predicted"}
        pairs = pairs.merge(renamed.rename(columns=keys), on=["true", "predicted"], how="left")
        pairs["also_on_probe"] = pairs["probe_high"] >= pairs["low"]
        pairs["memorised"] = pairs["probe_high"] < pairs["low"]
    return pairs.sort_values(["low", "rate"], ascending=False, ignore_index=True)
