"""Logging to a run that somebody else began, wherever that run lives."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from overfit_atlas.errors import AtlasError

if TYPE_CHECKING:
    import pandas as pd

LARGEST_BATCH = 1000
WITHOUT_SPLIT = {"learning_rate": "learning_rate", "seconds": "epoch_seconds"}


class NoRun(AtlasError):
    """Something is to be logged, but no MLflow run is active, or MLflow is not installed."""


def require_run() -> str:
    """The id of the active MLflow run.

    Raises:
        NoRun: no run is active.
    """
    run = _mlflow().active_run()
    if run is None:
        raise NoRun("no MLflow run is active; begin one with mlflow.start_run().")
    return str(run.info.run_id)


def log_to_active_run(
    table: "pd.DataFrame", metrics: Mapping[str, float], tags: Mapping[str, str]
) -> None:
    """Log curves (`probe/loss`, ... by epoch), scalars and tags to the active run.

    The tracking address stays as the caller has set it.

    Raises:
        NoRun: no run is active.
    """
    from mlflow.entities import Metric, RunTag

    run, now = require_run(), int(time.time() * 1000)
    logged = [Metric(name, value, now, step) for name, step, value in curve_points(table)]
    logged += [Metric(name, float(value), now, 0) for name, value in metrics.items()]
    client = _mlflow().MlflowClient()
    for start in range(0, len(logged), LARGEST_BATCH):
        client.log_batch(run, metrics=logged[start : start + LARGEST_BATCH])
    client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])


def _mlflow() -> Any:
    """MLflow as the caller left it, bound to no address of ours."""
    try:
        import mlflow
    except ImportError:
        raise NoRun('log_to_mlflow needs MLflow: pip install "overfit-atlas[mlflow]".') from None
    return mlflow


def named(rows: Iterable[Mapping[Any, Any]]) -> Iterator[tuple[str, int, float]]:
    """Metric name, epoch and value for every finite number in rows of curves.

    The names are the same in every run, so that MLflow lays curves of one name over each other.

    Args:
        rows: each with `split`, `epoch` and scores; a `seed` is passed over.
    """
    for row in rows:
        split, epoch = row["split"], int(row["epoch"])
        for column, value in row.items():
            if column not in ("split", "epoch", "seed") and math.isfinite(value):
                yield WITHOUT_SPLIT.get(column, f"{split}/{column}"), epoch, float(value)


def curve_points(table: "pd.DataFrame") -> Iterator[tuple[str, int, float]]:
    """Metric name, epoch and value for every number in a table of curves, seeds averaged.

    A seed that stopped earlier counts in the mean as far as it came.
    """
    means = table.drop(columns="seed", errors="ignore").groupby(["split", "epoch"]).mean()
    yield from named(means.reset_index().to_dict("records"))
