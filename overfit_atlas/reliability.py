"""Whether probabilities mean what they say: the reliability table behind the calibration error."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from overfit_atlas.estimates import wilson
from overfit_atlas.rules import Rules
from overfit_atlas.scoring import scores
from overfit_atlas.scoring.scores import NUM_BINS, Predictions

DEFAULT = Rules()


def reliability_table(splits: Mapping[str, Predictions], rules: Rules = DEFAULT) -> pd.DataFrame:
    """`reliability` of each split before the temperature, seeds pooled, with the column split."""
    tables = []
    for split, one in splits.items():
        confidence = one.raw.max(-1)
        table = reliability(confidence.ravel(), one.correct.ravel(), one.num_seeds, rules)
        table.insert(0, "split", split)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def reliability(
    confidence: ArrayLike,
    correct: ArrayLike,
    num_seeds: int = 1,
    rules: Rules = DEFAULT,
    num_bins: int = NUM_BINS,
) -> pd.DataFrame:
    """Mean confidence and accuracy in equal-mass bins of confidence (Guo et al. 2017).

    Columns: bin (0 is the least confident), confidence, accuracy, count, low, high (Wilson's
    interval of the accuracy, for count / num_seeds images, since seeds see the same ones). Bins
    without predictions, which equal confidences leave behind, are not listed.
    """
    sure = np.asarray(confidence, dtype=np.float64)
    bins = scores.bin_of(sure, num_bins)
    table = pd.DataFrame({"bin": bins, "confidence": sure, "accuracy": np.asarray(correct, float)})
    grouped = table.groupby("bin")
    found = grouped.mean().assign(count=grouped.size()).reset_index()
    images = found["count"] / num_seeds
    found["low"], found["high"] = wilson(found["accuracy"], images, rules.confidence)
    return found
