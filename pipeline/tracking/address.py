"""Where runs are kept: a database in mlruns/, or the server MLFLOW_TRACKING_URI names."""

import os
import re
import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from overfit_atlas.addresses import masked as masked
from overfit_atlas.errors import AtlasError

LOCK_SECONDS = 20.0
DATABASES = ("postgresql", "mysql", "mariadb", "mssql", "oracle")
MOVABLE = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)


class TrackingError(AtlasError):
    """Runs cannot be recorded or read; says where, why, and what to do."""


def root() -> Path:
    """The project's main folder, also inside the temporary copies of `dvc exp run --temp`."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def runs_folder() -> Path:
    """The folder of the local database, its artifacts, and records a server has yet to get."""
    return root() / "mlruns"


def is_local() -> bool:
    """Whether runs go to mlruns/ rather than to a server."""
    return not os.environ.get("MLFLOW_TRACKING_URI")


def backend_uri() -> str:
    """The address MLflow is to use: MLFLOW_TRACKING_URI, else the database in mlruns/.

    Raises:
        TrackingError: it is a database whose driver is not installed, or none that is known.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if not given:
        return f"sqlite:///{runs_folder() / 'mlflow.db'}"
    if given.lower().startswith(DATABASES):
        _check_driver(given)
    return given


def database_file() -> Path | None:
    """The SQLite file that keeps the runs, ours or one that MLFLOW_TRACKING_URI names, if any."""
    uri = backend_uri()
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]).resolve()


@lru_cache(maxsize=4)
def _check_driver(uri: str) -> None:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except ImportError as error:
        raise TrackingError(
            f"MLFLOW_TRACKING_URI={masked(uri)}: its driver is missing ({error}). Install it (pip "
            "install psycopg2-binary for postgresql://, pymysql for mysql+pymysql://), or name "
            "another place; unset, runs go to the database in mlruns/."
        ) from None
    except (ArgumentError, ValueError) as error:  # the latter of a port that is no number
        raise TrackingError(
            f"MLFLOW_TRACKING_URI={masked(uri)}: no address of a database ({error}). Expected "
            "postgresql://USER:PASSWORD@HOST/DATABASE, with / and @ in a password as %2F and %40."
        ) from None


def project_name(dataset: str) -> str:
    """The name that experiment and registered model of one data set share."""
    return "overfit-atlas-" + re.sub(r"[^\w.-]+", "-", dataset)


def check_database() -> None:
    """Fail early, and in plain words, where the local database cannot be written.

    Raises:
        TrackingError: mlruns/ or its database is read-only, locked, or no database.
    """
    database = runs_folder() / "mlflow.db"
    try:
        runs_folder().mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE writable (value)")  # a read-only one lets us begin
            connection.rollback()
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(f"{database}: {error}. {_remedy(str(error))}") from None


def _remedy(reason: str) -> str:
    if "locked" in reason:
        return "Another program holds it; close that program and run again."
    if "not a database" in reason or "malformed" in reason:
        return "Move the file away: a new one is made, and the runs in the old one are lost."
    return "Make mlruns/ writable, or set MLFLOW_TRACKING_URI to a server."


def follow_move() -> None:
    """Point the local database at its own artifacts, after the project's folder was moved.

    MLflow stores absolute paths, and would go on writing to the old place without a word.
    """
    artifacts = str(runs_folder() / "artifacts")
    with closing(sqlite3.connect(runs_folder() / "mlflow.db", timeout=LOCK_SECONDS)) as connection:
        query = "SELECT artifact_location FROM experiments WHERE artifact_location LIKE ?"
        found = connection.execute(query, ("%/mlruns/artifacts",)).fetchone()
        if not found or found[0] == artifacts:
            return
        for table, column in MOVABLE:
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?)"
                f" WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (artifacts, len(found[0]) + 1, found[0], len(found[0]) + 1, found[0] + "/"),
            )
        connection.commit()
