"""Metrics read back from MLflow, database or server."""

from typing import TYPE_CHECKING

from pipeline.tracking.address import TrackingError
from pipeline.tracking.connection import load_mlflow

if TYPE_CHECKING:
    import pandas as pd


def metric_history(run_id: str) -> "pd.DataFrame":
    """Every value of every metric of one run: columns metric, step, value, time; sorted.

    Raises:
        TrackingError: no such run.
    """
    import pandas as pd

    client = load_mlflow().MlflowClient()
    from mlflow.exceptions import MlflowException

    try:
        names = sorted(client.get_run(run_id).data.metrics)
        found = [(name, client.get_metric_history(run_id, name)) for name in names]
    except MlflowException as error:
        raise TrackingError(f"run {run_id}: {error}.") from None
    rows = [(name, one.step, one.value, one.timestamp) for name, ones in found for one in ones]
    table = pd.DataFrame(rows, columns=["metric", "step", "value", "time"])
    return table.sort_values(["metric", "step", "time"], ignore_index=True)
