"""MLflow: a run by its id, and the folders of its file store."""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from overfit_atlas import addresses
from overfit_atlas.errors import ReadError
from overfit_atlas.readers.names import is_curve, meaning
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.single_curves import merged
from overfit_atlas.readers.source import opened

_RUN_ID = re.compile(r"^(?:mlflow:|runs:/)?([0-9a-f]{32})$")
MAX_LINES = 1_000_000
IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def run_id(source: str) -> str | None:
    """The id of a run that `source` names ("mlflow:ID", "runs:/ID" or the id), else None."""
    found = _RUN_ID.match(source.strip())
    return found[1] if found else None


def of_run(identifier: str) -> Raw:
    """The curves of a run in the store that MLflow is set to (MLFLOW_TRACKING_URI)."""
    try:
        import mlflow
    except ImportError:
        raise ReadError(
            f"{identifier} is read as the id of a run of MLflow, which is not installed; "
            'pip install "overfit-atlas[mlflow]"'
        ) from None
    _refuse_new(str(mlflow.get_tracking_uri()), identifier)
    try:
        with _impatient():
            client = mlflow.MlflowClient()
            run = client.get_run(identifier)
            keys = [k for k in run.data.metrics if is_curve(k) or meaning(k).kind == "epoch"]
            curves = {
                key: [(float(m.step), float(m.value)) for m in _by_time(client, identifier, key)]
                for key in keys
            }
    except Exception as error:  # of MLflow, of its database's driver, of the network
        raise ReadError(f"run {identifier} cannot be read from MLflow: {_first(error)}") from None
    if not curves:
        raise ReadError(f"run {identifier} of MLflow has no metric of a loss or an accuracy")
    return merged(curves, str(run.info.run_name or identifier), "mlflow")


def _refuse_new(address: str, identifier: str) -> None:
    """Refuse a database that is not there: MLflow would make one, to say that it is empty."""
    scheme, _, file = address.partition(":///")
    if scheme == "sqlite" and not Path(file.partition("?")[0]).exists():
        raise ReadError(
            f"{identifier} is read as the id of a run of MLflow, and there is no database at "
            f"{address}; set MLFLOW_TRACKING_URI to where the run is"
        )


@contextmanager
def _impatient() -> Iterator[None]:
    """MLflow gives up on a server that does not answer within seconds, not minutes."""
    set_here = [name for name in IMPATIENT if name not in os.environ]
    os.environ.update({name: IMPATIENT[name] for name in set_here})
    try:
        yield
    finally:
        for name in set_here:
            os.environ.pop(name, None)


def _by_time(client: Any, identifier: str, key: str) -> list[Any]:
    return sorted(client.get_metric_history(identifier, key), key=lambda m: (m.step, m.timestamp))


def _first(error: Exception) -> str:
    said = addresses.masked(str(error))  # whole: of a password cut in two nothing is found
    return said.splitlines()[0][:200] if said else type(error).__name__


def is_run(folder: Path) -> bool:
    """Whether a folder is a run of the file store: files without suffix in "metrics"."""
    metrics = folder / "metrics"
    if not metrics.is_dir() or metrics.is_symlink():
        return False
    first = next((path for path in sorted(metrics.rglob("*")) if path.is_file()), None)
    return first is not None and bool(_points(first))


def of_folder(folder: Path) -> Raw:
    """The curves of a run's folder."""
    metrics = folder / "metrics"
    files = [
        path for path in sorted(metrics.rglob("*")) if path.is_file() and not path.is_symlink()
    ]
    curves = {path.relative_to(metrics).as_posix(): _points(path) for path in files[:500]}
    name_file = folder / "tags" / "mlflow.runName"
    name = opened(name_file).text.strip()[:80] if name_file.is_file() else folder.name
    return merged(curves, name or folder.name, "mlflow")


def _points(path: Path) -> list[tuple[float, float]]:
    """Lines "time value step" of a file, none where it is other."""
    try:
        lines = opened(path).text.splitlines()[:MAX_LINES]
        found = [line.split() for line in lines if line.strip()]
        points = [(float(row[2]), float(row[1])) for row in found if len(row) == 3]
    except (ReadError, ValueError):
        return []
    whole = len(points) == len(found) and all(math.isfinite(step) for step, _ in points)
    return points if whole else []
