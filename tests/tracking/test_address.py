import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.tracking import address
from pipeline.tracking.address import TrackingError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def test_runs_stay_in_the_main_folder_when_dvc_works_in_a_copy(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("copy"))
    assert address.backend_uri() == f"sqlite:///{root}/mlruns/mlflow.db"
    assert address.is_local()


def test_without_dvc_runs_stay_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert address.backend_uri() == f"sqlite:///{tmp_path}/mlruns/mlflow.db"


def test_a_server_is_used_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert address.backend_uri() == "http://127.0.0.1:5000"
    assert not address.is_local()
    assert list(root.iterdir()) == []


def test_names_hold_only_what_the_registry_allows() -> None:
    assert address.project_name("cifar10") == "overfit-atlas-cifar10"
    assert address.project_name("my images: a/b") == "overfit-atlas-my-images-a-b"


def test_a_locked_database_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "LOCK_SECONDS", 0.05)
    address.check_database()
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackingError, match=r"mlflow\.db: database is locked\. Another"):
            address.check_database()
    address.check_database()


def test_a_file_that_is_no_database_is_named(root: Path) -> None:
    (root / "mlruns").mkdir()
    (root / "mlruns" / "mlflow.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(TrackingError, match="not a database. Move the file away"):
        address.check_database()


def test_a_folder_that_cannot_be_made_is_named(root: Path) -> None:
    (root / "mlruns").write_text("in the way")
    with pytest.raises(TrackingError, match="Make mlruns/ writable, or set MLFLOW_TRACKING_URI"):
        address.check_database()


def test_a_moved_project_takes_its_artifacts_along(root: Path) -> None:
    (root / "mlruns").mkdir()
    old, new = "/old/place/mlruns/artifacts", f"{root}/mlruns/artifacts"
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as database:
        for table, column in address.MOVABLE:
            database.execute(f"CREATE TABLE IF NOT EXISTS {table} (a TEXT)")
            database.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT")
        database.execute("INSERT INTO experiments (artifact_location) VALUES ('/elsewhere')")
        database.execute("INSERT INTO experiments (artifact_location) VALUES (?)", (old,))
        database.execute("INSERT INTO runs (artifact_uri) VALUES (?)", (f"{old}/r1/artifacts",))
        database.execute("INSERT INTO runs (artifact_uri) VALUES (?)", (f"{old}-not/r2",))
        database.commit()
        for _ in range(2):
            address.follow_move()
            locations = database.execute("SELECT artifact_location FROM experiments").fetchall()
            assert locations == [("/elsewhere",), (new,)]
            uris = database.execute("SELECT artifact_uri FROM runs").fetchall()
            assert uris == [(f"{new}/r1/artifacts",), (f"{old}-not/r2",)]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("postgresql+pg8000://u:S3cr3t@h/d", r"://\*\*\*@h/d: its driver is missing .*pip install"),
        ("mysql+nothing://u:S3cr3t@h/d", r"no address of a database .*mysql\.nothing"),
        ("postgresql://u:S3cr3t@h:port/d", "no address of a database"),
    ],
)
def test_a_database_without_its_driver_is_one_sentence_before_any_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, uri: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, "pg8000", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match=said) as caught:
        address.backend_uri()
    assert "S3cr3t" not in str(caught.value) and "\n" not in str(caught.value)
