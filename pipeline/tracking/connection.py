"""The way to MLflow: imported late, kept quiet, reached quickly or not at all."""

import logging
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.tracking import address
from pipeline.tracking.address import TrackingError, masked

if TYPE_CHECKING:
    from mlflow import MlflowClient

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
QUIET = {
    "mlflow": logging.ERROR,
    "mlflow.store": logging.CRITICAL,
    "alembic": logging.WARNING,
    "urllib3.connectionpool": logging.ERROR,
}


class Connection(NamedTuple):
    """A client, and the id of one experiment."""

    client: "MlflowClient"
    experiment: str


def load_mlflow() -> Any:
    """The mlflow module, quiet and bound to our address. Costs about a second, once."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow

    for logger, level in QUIET.items():
        logging.getLogger(logger).setLevel(level)
    _set_address(mlflow)
    return mlflow


def _set_address(mlflow: Any) -> None:
    uri, given = address.backend_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    if mlflow.get_tracking_uri() == uri:
        return
    mlflow.set_tracking_uri(uri)
    # MLflow also sets the variable, which to us would mean that a server was asked for.
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if given is not None:
        os.environ["MLFLOW_TRACKING_URI"] = given


def connect(dataset: str) -> Connection:
    """The experiment of `dataset`, made if need be.

    Raises:
        TrackingError: the database or the server cannot be used.
    """
    if address.is_local():
        address.check_database()
    try:
        return _local(dataset) if address.is_local() else _experiment(dataset, None)
    except errors() as error:
        raise TrackingError(
            f"MLflow at {masked(address.backend_uri())} cannot be used: {short(error)}. "
            "Start or mend it, or choose another place with MLFLOW_TRACKING_URI "
            "(unset: the database in mlruns/)."
        ) from None


def _local(dataset: str) -> Connection:
    from filelock import FileLock

    # MLflow makes its tables without a lock: of four first stages at once, three would fail.
    with FileLock(address.runs_folder() / ".init.lock", timeout=120):
        load_mlflow().MlflowClient().search_experiments(max_results=1)
        address.follow_move()
        return _experiment(dataset, str(address.runs_folder() / "artifacts"))


def _experiment(dataset: str, artifacts: str | None) -> Connection:
    from mlflow.exceptions import MlflowException

    client = load_mlflow().MlflowClient()
    name = address.project_name(dataset)
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name, artifact_location=artifacts)
        except MlflowException as error:
            unless_it_exists(error)
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return Connection(client, found.experiment_id)


def unless_it_exists(error: Any) -> None:
    """Raises the MLflow `error`, except where it only says that another made the thing first."""
    if error.error_code != "RESOURCE_ALREADY_EXISTS":
        raise error


def errors() -> tuple[type[Exception], ...]:
    """What MLflow and the layers below it raise when they cannot do their work."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, RequestException, SQLAlchemyError, OSError)


def short(error: Exception) -> str:
    """What `error` says, or the failed system call below it, on one line without passwords."""
    deepest: BaseException = error
    while inner := deepest.__cause__ or deepest.__context__:
        deepest = inner
    reason = deepest if isinstance(deepest, OSError) else error
    text = " ".join(masked(str(reason)).split())
    return text if len(text) <= 300 else text[:297] + "..."
