"""Runs and studies on a real PostgreSQL that is killed once: nothing is lost, numbers are equal.

Skipped where there is no PostgreSQL, or no driver for it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.tracking.outbox import drained, num_unsent
from pipeline.tracking.service import Service
from tests.servers import Postgres, free_port, mlflow_server
from tests.stages.test_tune import PARAMS
from tests.test_faults import one_model_copy
from tests.test_repro import Copy

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(Postgres.missing() is not None, reason=str(Postgres.missing())),
]
NUM_POINTS = 6


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


def test_the_pipeline_on_a_server_whose_postgres_is_killed_in_the_middle(
    postgres: Postgres, tmp_path: Path, sources: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = one_model_copy(tmp_path / "project", sources)
    port = free_port()
    project.extra["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("DVC_ROOT", str(project.root))
    with mlflow_server(tmp_path, port, postgres.url("mlflow")):
        project.dvc("repro", "preprocess")
        training = _started(project, "dvc", "repro", "train@dense")
        _wait(lambda: _statuses().get("train@dense") == "RUNNING", training)
        postgres.kill()
        _, said = training.communicate(timeout=300)
        assert training.returncode == 0, said
        assert "going on without it" in said
        assert num_unsent() > 0
        postgres.start()
        project.dvc("repro")
        assert drained() is None
        assert _statuses() == dict.fromkeys(("preprocess", "train@dense", "evaluate"), "FINISHED")
        _check_whole()
    assert not (project.root / "mlruns" / "mlflow.db").exists()
    logged = b"".join(path.read_bytes() for path in _files(tmp_path / "served"))
    assert postgres.password.encode() not in logged


def _check_whole() -> None:
    """Every epoch of every seed is there, the champion too, and artifacts can be fetched."""
    service = Service("fashion_mnist_mini")
    runs = service.client.search_runs([service.experiment])
    trained = {run.info.run_id for run in runs if run.info.run_name == "train@dense"}
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") in trained]
    assert len(children) == 2
    for child in children:
        points = service.client.get_metric_history(child.info.run_id, "val/loss")
        assert [point.step for point in points] == [1, 2, 3]
    name = "overfit-atlas-fashion_mnist_mini"
    version = service.client.get_model_version_by_alias(name, "champion")
    assert service.client.list_artifacts(version.run_id)


def _statuses() -> dict[str, str]:
    service = Service("fashion_mnist_mini")
    found = service.client.search_runs([service.experiment])
    return {
        run.info.run_name: run.info.status
        for run in found
        if "mlflow.parentRunId" not in run.data.tags
    }


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _wait(done: Any, process: "subprocess.Popen[str]") -> None:
    while not done():
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended with {process.wait(0.2)} too early")


def _started(project: Copy, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        (sys.executable, "-m", *command),
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_study_on_postgres_ends_as_on_sqlite_though_stage_and_server_were_killed(
    postgres: Postgres, tmp_path: Path, digits_folder: Path
) -> None:
    here = Study(tmp_path / "here", digits_folder, None)
    here.run()
    url = postgres.url("optuna")
    there = Study(tmp_path / "there", digits_folder, url)

    stage = there.start()
    _wait(lambda: _finished(url) >= 1, stage)
    os.killpg(stage.pid, signal.SIGKILL)
    stage.communicate()
    known = _finished(url)
    assert 1 <= known < NUM_POINTS

    stage = there.start()
    _wait(lambda: _finished(url) > known, stage)
    postgres.kill()
    _, said = stage.communicate(timeout=300)
    assert stage.returncode == 2, said
    assert said.splitlines()[-1].startswith("error: tune.storage: postgresql://***@127.0.0.1")
    assert postgres.password not in said

    postgres.start()
    assert _finished(url) > known
    there.run()
    assert there.tables() == here.tables()


class Study:
    """The stage `tune` in a folder of its own."""

    def __init__(self, root: Path, data: Path, url: str | None) -> None:
        self.root, self.data = root, data
        root.mkdir()
        tune = {**PARAMS["tune"], "storage": url, "widths": [2, 8, 16]}
        with (root / "params.yaml").open("w") as file:
            YAML().dump({**PARAMS, "tune": tune}, file)

    def start(self) -> "subprocess.Popen[str]":
        environment = {**os.environ, "DVC_ROOT": str(self.root)}
        environment.pop("MLFLOW_TRACKING_URI", None)
        command = [sys.executable, "-m", "pipeline.stages.tune", "--data", str(self.data)]
        command += ["--params", str(self.root / "params.yaml"), "--out", str(self.root / "tune")]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self) -> None:
        stage = self.start()
        _, said = stage.communicate(timeout=300)
        assert stage.returncode == 0, said

    def tables(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.root / "tune").iterdir()}


def _finished(url: str) -> int:
    """The number of finished trials of the map."""
    import psycopg

    query = (
        "SELECT count(*) FROM trials JOIN studies USING (study_id)"
        " WHERE study_name LIKE 'map-%' AND state = 'COMPLETE'"
    )
    with psycopg.connect(url) as connection:
        try:
            return int(connection.execute(query).fetchone()[0])
        except psycopg.errors.UndefinedTable:
            return 0
