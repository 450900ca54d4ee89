"""What is asked of MLflow: metrics of a run, and models. Imports MLflow on request."""

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.tracking import address, outbox, views
from pipeline.tracking.address import TrackingError
from pipeline.tracking.connection import errors, load_mlflow, short

if TYPE_CHECKING:
    import pandas as pd


def metric_history(run_id: str) -> "pd.DataFrame":
    """Every value of every metric of one run: columns metric, step, value, time; sorted.

    Raises:
        TrackingError: no such run.
    """
    import pandas as pd

    outbox.drained()
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


def newest_view() -> str:
    """What follows the server's address to show the experiment with the newest run in our view.

    The view is saved there first. "" where this project has no run.

    Raises:
        TrackingError: MLflow cannot be reached.
    """
    client = load_mlflow().MlflowClient()
    try:
        ours = client.search_experiments(filter_string=f"name LIKE '{address.project_name('')}%'")
        ids = [one.experiment_id for one in ours]
        order = ["attributes.start_time DESC"]
        found = client.search_runs(ids, max_results=1, order_by=order) if ids else []
        if not found:
            return ""
        newest = client.get_experiment(found[0].info.experiment_id)
        views.keep(client, newest)
    except errors() as error:
        raise TrackingError(f"MLflow cannot be asked: {short(error)}.") from None
    return views.place(newest.experiment_id)


def load_champion(dataset: str) -> Any:
    """The Keras model with the best validation score of `dataset`.

    Raises:
        TrackingError: there is none yet, or MLflow cannot be reached.
    """
    outbox.drained()
    mlflow = load_mlflow()
    from mlflow.exceptions import MlflowException

    uri = f"models:/{address.project_name(dataset)}@champion"
    try:
        return mlflow.keras.load_model(uri)
    except (MlflowException, OSError) as error:
        raise TrackingError(
            f"{uri}: {error}. Run `dvc repro evaluate` with this data set first: it elects "
            "the champion."
        ) from None


def model_file(uri: str, folder: Path) -> Path:
    """The `.keras` file of a registered model such as `models:/NAME@champion`, below `folder`.

    It is named by its content, so that another version under the same alias is another file.

    Raises:
        TrackingError: there is no such model, or MLflow cannot be reached.
    """
    outbox.drained()
    load_mlflow()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        try:
            fetched = Path(download_artifacts(artifact_uri=uri, dst_path=temporary))
        except (MlflowException, OSError) as error:
            raise TrackingError(
                f"{uri}: {error}. Give the name of a registered model, as the MLflow UI shows it, "
                "with a version or an alias: models:/NAME/1 or models:/NAME@champion."
            ) from None
        found = sorted(fetched.rglob("*.keras"))
        if not found:
            raise TrackingError(f"{uri}: holds no .keras file; only models logged here do.")
        name = hashlib.sha256(found[0].read_bytes()).hexdigest()[:24]
        return found[0].replace(folder / f"{name}.keras")
