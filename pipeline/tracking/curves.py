"""Curves as metric names and values, the same names in every run, so that MLflow overlays them."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

WITHOUT_SPLIT = {"learning_rate": "learning_rate", "seconds": "epoch_seconds"}


def points(table: "pd.DataFrame") -> Iterator[tuple[str, int, float]]:
    """Metric name, epoch and value for every number in a table of curves, seeds averaged.

    A seed that stopped earlier counts in the mean as far as it came.
    """
    means = table.drop(columns="seed", errors="ignore").groupby(["split", "epoch"]).mean()
    for row in means.reset_index().to_dict("records"):
        split, epoch = row.pop("split"), int(row.pop("epoch"))
        for column, value in row.items():
            if math.isfinite(value):
                yield WITHOUT_SPLIT.get(str(column), f"{split}/{column}"), epoch, float(value)
