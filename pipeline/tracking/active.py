"""Logging to a run that somebody else began, wherever that run lives."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.tracking import curves
from pipeline.tracking.address import TrackingError

if TYPE_CHECKING:
    import pandas as pd

LARGEST_BATCH = 1000


def require_run() -> str:
    """The id of the active MLflow run.

    Raises:
        TrackingError: no run is active.
    """
    run = _mlflow().active_run()
    if run is None:
        raise TrackingError("no MLflow run is active; begin one with mlflow.start_run().")
    return str(run.info.run_id)


def log_to_active_run(
    table: "pd.DataFrame", metrics: Mapping[str, float], tags: Mapping[str, str]
) -> None:
    """Log curves (`probe/loss`, ... by epoch), scalars and tags to the active run.

    The tracking address stays as the caller has set it.

    Raises:
        TrackingError: no run is active.
    """
    from mlflow.entities import Metric, RunTag

    run, now = require_run(), int(time.time() * 1000)
    points = [Metric(name, value, now, step) for name, step, value in curves.points(table)]
    points += [Metric(name, float(value), now, 0) for name, value in metrics.items()]
    client = _mlflow().MlflowClient()
    for start in range(0, len(points), LARGEST_BATCH):
        client.log_batch(run, metrics=points[start : start + LARGEST_BATCH])
    client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])


def _mlflow() -> Any:
    """MLflow as the caller left it: not bound to our address, unlike `connection.load_mlflow`."""
    import mlflow

    return mlflow
