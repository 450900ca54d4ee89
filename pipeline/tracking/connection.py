"""The way to MLflow: whether it is there at all, and MLflow itself, imported late and kept quiet.

`check` imports nothing of it, so that a stage knows at once; what imports it is for the sender and
for what is asked of MLflow.
"""

import base64
import json
import logging
import os
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from pipeline.tracking import address, views
from pipeline.tracking.address import TrackingError, masked

if TYPE_CHECKING:
    from mlflow import MlflowClient

TIMEOUT = 10.0  # seconds an address may take to answer before any work
ROOM = 4_000_000  # bytes: MLflow's empty tables take one million
ASKED = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=overfit-atlas"
DATABASES = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

NOTE_TAG = "mlflow.note.content"
"""What MLflow shows, as Markdown, on the page of an experiment or a run."""

ABOUT = f"""\
**Overfit Atlas**: where, when and why an image classifier overfits, and which remedy helps.

- `train@NAME`, `tuned`: one model. Its curves are means over seeds; below it is a run a seed.
  `probe/loss` and `val/loss` are clean: the same weights, nothing random, no penalty, on training
  images and on held-out ones. Their distance is the gap. `running/loss` is what Keras prints.
- `final/val/loss`, `final/test/accuracy`, ...: scores of the delivered weights, for the run table.
- Tags `verdict`, `onset`, ...: what `evaluate` made of it. `judge@NAME`, `evaluate`: the figures.
- `tune`, `search`: one run a trial below each; `compare@NAME`: one run a remedy.
- `report`: the page of it all.

See it: open the view *{views.TITLE}* (*Views*, top right): all losses on one axis.
"""

REMEDY = (
    "Start or mend it, or choose another place with MLFLOW_TRACKING_URI (unset: the database in "
    "mlruns/)."
)

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


def check() -> None:
    """Fail before any work, in one sentence, where runs can hardly be recorded. Imports no MLflow.

    What answers may still refuse us later: then records are kept, and sent when it does not.

    Raises:
        TrackingError: the database cannot be written or its driver is missing, or no MLflow server
            answers.
    """
    uri = address.backend_uri()
    parts = urlsplit(uri)
    if address.is_local():
        address.check_database()
        _check_room(address.runs_folder())
    elif parts.scheme in ("http", "https"):
        _ask_server(parts)
    elif parts.scheme == "sqlite":
        _check_sqlite(Path(uri.removeprefix("sqlite:///").partition("?")[0]))
    elif parts.scheme.partition("+")[0] in DATABASES:
        _ask_database(parts)
    elif parts.scheme in ("", "file") and not _is_allowed(parts.path):
        raise _refused("MLflow no longer keeps runs in plain folders")


def _is_allowed(path: str) -> bool:
    return path.startswith("databricks") or bool(os.environ.get("MLFLOW_ALLOW_FILE_STORE"))


def _refused(reason: str) -> TrackingError:
    return TrackingError(
        f"MLflow at {masked(address.backend_uri())} cannot be used: {reason}. {REMEDY}"
    )


def _check_room(folder: Path) -> None:
    """A new database needs room for its tables; in a full disk MLflow would leave half of them."""
    database = folder / "mlflow.db"
    free = shutil.disk_usage(folder).free
    if free < ROOM and (not database.exists() or database.stat().st_size < ROOM // 4):
        raise TrackingError(
            f"{database}: the disk is full, it has {free / 1e6:.1f} MB left. Make room, or set "
            "MLFLOW_TRACKING_URI to a server."
        )


def _check_sqlite(database: Path) -> None:
    place = database if database.exists() else database.parent
    if not place.exists():
        raise _refused(f"there is no folder {place}")
    if not os.access(place, os.W_OK):
        raise _refused(f"{place} cannot be written")


def _ask_database(parts: SplitResult) -> None:
    try:
        place = parts.hostname, parts.port or DATABASES[parts.scheme.partition("+")[0]]
        if place[0]:  # else a socket of this machine, or what its driver has in mind
            socket.create_connection(place, timeout=TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise _refused(str(error)) from None


def _ask_server(parts: SplitResult) -> None:
    """One request, with the credentials and certificates by which MLflow itself would ask."""
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    asked = urllib.request.Request(place.geturl().rstrip("/") + ASKED, headers=_credentials(parts))  # noqa: S310 (http or https: see check)
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT, context=_certificates(parts.scheme)):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        with error:
            if _answers_as_mlflow(error):
                return
            reason = f"it answers {error.code} {error.reason}"
        if error.code in (401, 403):
            reason += "; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    except urllib.error.URLError as error:
        reason = str(error.reason)
    except (OSError, ValueError, HTTPException) as error:
        reason = str(error)
    raise _refused(masked(reason))


def _answers_as_mlflow(error: urllib.error.HTTPError) -> bool:
    """Whether it is MLflow that says there is no such experiment, or asks as only MLflow can."""
    if error.code in (401, 403):
        ways = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")
        return any(os.environ.get(name) for name in ways)
    try:
        return error.code == 404 and "error_code" in json.loads(error.read(10_000))
    except (ValueError, TypeError):
        return False


def _credentials(parts: SplitResult) -> dict[str, str]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or unquote(parts.username or "")
    secret = os.environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(parts.password or "")
    if not user:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


def _certificates(scheme: str) -> ssl.SSLContext | None:
    if scheme != "https":
        return None
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        return ssl._create_unverified_context()  # noqa: S323 (the user's wish)
    known = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or os.environ.get(
        "REQUESTS_CA_BUNDLE"
    )
    context = ssl.create_default_context(cafile=known)
    if own := os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"):
        context.load_cert_chain(own)
    return context


def connect(dataset: str) -> Connection:
    """The experiment of `dataset`, made if need be.

    Raises:
        TrackingError: the database or the server cannot be used.
    """
    load_mlflow()
    try:
        return _local(dataset) if address.is_local() else _experiment(dataset, None)
    except errors() as error:
        raise _refused(short(error)) from None


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
    if NOTE_TAG not in found.tags:
        client.set_experiment_tag(found.experiment_id, NOTE_TAG, ABOUT)
    views.keep(client, found)
    return Connection(client, found.experiment_id)


def describe(client: "MlflowClient", experiment: str, text: str) -> None:
    """Let the page of the experiment say `text`, unless a user has written something else there."""
    present = client.get_experiment(experiment).tags.get(NOTE_TAG, "")
    if present.startswith(ABOUT.splitlines()[0]):
        client.set_experiment_tag(experiment, NOTE_TAG, text)


def unless_it_exists(error: Any) -> None:
    """Raises the MLflow `error`, except where it only says that another made the thing first."""
    if error.error_code != "RESOURCE_ALREADY_EXISTS":
        raise error


def errors() -> tuple[type[Exception], ...]:
    """What MLflow and the layers below it raise when they cannot do their work."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return (MlflowException, RequestException, SQLAlchemyError, OSError, ImportError)


def short(error: Exception) -> str:
    """What `error` says, or the failed system call below it, on one line without passwords."""
    deepest: BaseException = error
    while inner := deepest.__cause__ or deepest.__context__:
        deepest = inner
    reason = deepest if isinstance(deepest, OSError) else error
    text = " ".join(masked(str(reason)).split())
    return text if len(text) <= 300 else text[:297] + "..."
