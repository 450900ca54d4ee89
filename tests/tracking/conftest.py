"""A project folder of its own for each test; MLflow's tables are made once and copied."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.tracking import connection
from pipeline.tracking.service import Service


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("DVC_ROOT", str(root))
        Service("demo")
    return root


@pytest.fixture
def project(
    tmp_path: Path, _template: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator["Project"]:
    for variable in ("MLFLOW_TRACKING_URI", "DVC_STAGE", "DVC_EXP_NAME"):
        monkeypatch.delenv(variable, raising=False)
    root = tmp_path / "a project"
    shutil.copytree(_template, root)
    monkeypatch.setenv("DVC_ROOT", str(root))
    connection.load_mlflow()
    yield Project(root)


class Project:
    """Reads straight from the database what runs it holds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "mlruns" / "mlflow.db"

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(query, values).fetchall()

    def runs(self) -> dict[str, str]:
        return dict(self.rows("SELECT name, status FROM runs"))

    def tags(self, run: str) -> dict[str, str]:
        query = "SELECT key, value FROM tags JOIN runs USING (run_uuid) WHERE name = ?"
        return dict(self.rows(query, run))

    def params(self, run: str) -> dict[str, str]:
        query = "SELECT key, value FROM params JOIN runs USING (run_uuid) WHERE name = ?"
        return dict(self.rows(query, run))

    def points(self, run: str) -> set[tuple[str, int, float]]:
        query = "SELECT key, step, value FROM metrics JOIN runs USING (run_uuid) WHERE name = ?"
        return {row for row in self.rows(query, run) if not row[0].startswith("system/")}

    def artifact(self, run: str, path: str) -> Path:
        folder = self.rows("SELECT artifact_uri FROM runs WHERE name = ?", run)[0][0]
        return Path(folder) / path
