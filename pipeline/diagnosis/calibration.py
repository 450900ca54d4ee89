"""Whether probabilities mean what they say: the reliability table behind the calibration error."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pipeline.diagnosis import scores
from pipeline.diagnosis.scores import NUM_BINS, Predictions
from pipeline.params import Evaluate

DEFAULT = Evaluate()


def reliability_table(
    splits: Mapping[str, Predictions], settings: Evaluate = DEFAULT
) -> pd.DataFrame:
    """`reliability` of each split, seeds pooled, with the column split."""
    tables = []
    for split, one in splits.items():
        confidence = one.probabilities.max(-1)
        table = reliability(confidence.ravel(), one.correct.ravel(), one.num_seeds, settings)
        table.insert(0, "split", split)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def reliability(
    confidence: ArrayLike,
    correct: ArrayLike,
    num_seeds: int = 1,
    settings: Evaluate = DEFAULT,
    num_bins: int = NUM_BINS,
) -> pd.DataFrame:
    """Mean confidence and accuracy in equal-mass bins of confidence (Guo et al. 2017).

    Columns: bin (0 is the least confident), confidence, accuracy, count, low, high (Wilson's
    interval of the accuracy, for count / num_seeds images, since seeds see the same ones). Bins
    without predictions, which equal confidences leave behind, are not listed.
    """
    from statsmodels.stats.proportion import proportion_confint

    sure = np.asarray(confidence, dtype=np.float64)
    bins = scores.bin_of(sure, num_bins)
    table = pd.DataFrame({"bin": bins, "confidence": sure, "accuracy": np.asarray(correct, float)})
    grouped = table.groupby("bin")
    found = grouped.mean().assign(count=grouped.size()).reset_index()
    images = found["count"] / num_seeds
    found["low"], found["high"] = proportion_confint(
        found["accuracy"] * images, images, alpha=1 - settings.confidence, method="wilson"
    )
    return found
