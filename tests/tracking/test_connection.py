"""Whether MLflow is there is known at once, in one sentence, and without importing it."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import params
from pipeline.tracking import TrackingError, check, connection, reading, stage_run, views
from pipeline.tracking.service import Service
from tests.servers import free_port

UNKNOWN = json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST"}).encode()
Serve = Callable[[int, bytes], tuple[str, list[Any]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that always answers the same, and notes what it is asked."""
    servers = []

    def serving(status: int, body: bytes) -> tuple[str, list[Any]]:
        asked: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, self.headers.get("Authorization")))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}", asked

    yield serving
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "body"), [(200, b"{}"), (404, UNKNOWN)])
def test_a_server_that_answers_as_mlflow_is_there(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    place, asked = serve(status, body)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{place}/below")
    check()
    assert asked == [(f"/below{connection.ASKED}", None)]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"<html>", "it answers 404 Not Found"),
        (404, b"[]", "it answers 404 Not Found"),
        (503, b"", "it answers 503 Service Unavailable"),
        (401, b"", "it answers 401 Unauthorized; set MLFLOW_TRACKING_USERNAME and"),
    ],
)
def test_what_is_no_mlflow_or_refuses_us_is_one_sentence(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, said: str
) -> None:
    place, _ = serve(status, body)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://anna:hunter2@{place}")
    with pytest.raises(TrackingError, match=f"cannot be used: {said}") as error:
        check()
    assert "hunter2" not in str(error.value) and "\n" not in str(error.value)


def test_it_is_asked_with_the_credentials_mlflow_uses(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, asked = serve(200, b"{}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://anna:a%2Fb@{place}")
    check()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "otto")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    check()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abc")
    check()
    basic = [f"Basic {base64.b64encode(given).decode()}" for given in (b"anna:a/b", b"otto:secret")]
    assert [header for _, header in asked] == [*basic, "Bearer abc"]


def test_other_ways_to_say_who_one_is_are_left_to_mlflow(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _ = serve(403, b"")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{place}")
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "a plugin")
    check()


def test_a_server_that_is_down_at_the_start_stops_the_stage_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://anna:hunter2@127.0.0.1:{free_port()}")
    with (
        pytest.raises(TrackingError, match=r"http://\*\*\*@127.0.0.1:\d+ cannot be used") as error,
        stage_run(params.parse({}), "train", "demo"),
    ):
        pytest.fail("work began")
    assert "Connection refused" in str(error.value)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mysql://anna:hunter2@127.0.0.1/x", "its driver is missing .*MySQLdb"),
        ("mssql+pymssql://anna:hunter2@127.0.0.1/x", "its driver is missing .*pymssql"),
        ("postgresql+other://anna:hunter2@127.0.0.1:{port}/x", "no address of a database"),
        ("postgresql+other://127.0.0.1:hunter2/x", "no address of a database"),
        ("./mlruns", "MLflow no longer keeps runs in plain folders"),
        ("file:///tmp/mlruns", "MLflow no longer keeps runs in plain folders"),
        ("sqlite:////no/where/mlflow.db", "there is no folder /no/where"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, uri: str, said: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(port=free_port()))
    with pytest.raises(TrackingError, match=said) as error:
        check()
    assert "anna:hunter2" not in str(error.value) and "\n" not in str(error.value)


def test_a_database_elsewhere_and_what_we_do_not_know_are_let_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for uri in (f"sqlite:///{tmp_path}/mine.db", "databricks", "someones-plugin://place"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        check()


def test_the_view_is_saved_beside_the_runs_and_names_what_is_logged(project: Any) -> None:
    with stage_run(params.parse({}), "train@dense", "demo") as run:
        run.log_curves(pd.DataFrame({"seed": [0], "epoch": [1], "split": ["val"], "loss": [0.5]}))
    ((kept,),) = project.rows(f"SELECT value FROM experiment_tags WHERE key = '{views.TAG}'")
    assert kept == views.saved()
    assert len(kept) < 5000  # the most that a server takes
    state = json.loads(json.loads(kept)["state"])
    drawn = [
        name for one in state["compareRunCharts"] for name in one.get("selectedMetricKeys", ())
    ]
    assert drawn == ["probe/loss", "val/loss", "probe/accuracy", "val/accuracy"]
    service = Service("demo")
    service.client.delete_experiment_tag(service.experiment, views.TAG)
    assert reading.newest_view() == views.place(service.experiment)
    assert project.rows("SELECT value FROM experiment_tags WHERE key LIKE '%View%'") == [(kept,)]


def test_the_experiment_explains_itself_until_a_user_writes_there(project: Any) -> None:
    query = "SELECT value FROM experiment_tags WHERE key = 'mlflow.note.content'"
    service = Service("demo")
    assert project.rows(query) == [(connection.ABOUT,)]
    assert len(connection.ABOUT.splitlines()) <= 12
    text = f"{connection.ABOUT}\n| model |"
    connection.describe(service.client, service.experiment, text)
    Service("demo")  # leaves the table there
    assert project.rows(query) == [(text,)]
    service.client.set_experiment_tag(service.experiment, connection.NOTE_TAG, "mine")
    connection.describe(service.client, service.experiment, text)
    assert project.rows(query) == [("mine",)]
