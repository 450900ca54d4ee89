"""`make ui` says where the table of runs with its charts is."""

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from overfit_atlas import addresses
from pipeline import params
from pipeline.stages import ui
from pipeline.tracking import stage_run, views


@pytest.fixture
def shown(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is served and opened; an empty project."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    found: list[Any] = []
    monkeypatch.setattr(ui, "_serve", lambda uri, port: found.append((uri, port)) or 0)
    monkeypatch.setattr(ui, "_open_when_up", lambda root, place: found.append(place))
    monkeypatch.setattr(ui, "_open", found.append)
    return found


def test_the_newest_experiment_is_shown_with_its_charts(
    shown: list[Any], tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for dataset in ("first", "second"):
        with stage_run(params.parse({}), "train", dataset):
            pass
    with pytest.raises(SystemExit, match="0"):
        ui.main(argparse.Namespace(port=5001))
    runs = "#/experiments/2/runs?workflowType=machine_learning&compareRunsMode=CHART"
    place = f"http://127.0.0.1:5001/{runs}&viewStateShareKey={views.KEY}"
    assert capsys.readouterr().out == f"MLflow: {place} (Ctrl-C ends it)\n"
    assert sorted(map(str, shown)) == sorted(
        [place, str((f"sqlite:///{tmp_path}/mlruns/mlflow.db", 5001))]
    )


def test_without_a_run_mlflow_opens_as_it_does(
    shown: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        ui.main(argparse.Namespace(port=5000))
    assert capsys.readouterr().out == "MLflow: http://127.0.0.1:5000/ (Ctrl-C ends it)\n"


def test_a_server_that_is_there_is_shown_and_none_is_started(
    shown: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:hunter2@example.org/mlflow/")
    monkeypatch.setattr(ui.tracking, "check", lambda: None)
    monkeypatch.setattr(ui.tracking, "newest_view", lambda: views.place("7"))
    ui.main(argparse.Namespace(port=5000))
    charts = f"example.org/mlflow/{views.place('7')}"
    assert capsys.readouterr().out == f"MLflow: http://***@{charts}\n"
    assert shown == [f"http://anna:hunter2@{charts}"]


def test_the_link_is_whole_though_all_output_is_filtered(
    shown: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ui.tracking, "newest_view", lambda: views.place("7"))
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    addresses.filter_output()
    with pytest.raises(SystemExit, match="0"):
        ui.main(argparse.Namespace(port=5000))
    assert f"http://127.0.0.1:5000/{views.place('7')} " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_it_ends_quietly_with_all_that_the_server_started(
    tmp_path: Path, sent: signal.Signals, status: int
) -> None:
    server = tmp_path / "server"
    server.write_text("#!/bin/sh\nsleep 60 &\necho $!\nwait\n", encoding="utf-8")
    server.chmod(0o755)
    body = f"import sys; from pipeline.stages import ui; sys.executable = {str(server)!r}; "
    body += "sys.exit(ui._serve('sqlite://', 1))"
    command = [sys.executable, "-c", body]
    ours = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert ours.stdout is not None
    started = int(ours.stdout.readline())
    time.sleep(0.5)  # until it waits
    os.killpg(ours.pid, sent)  # as a terminal does
    said, _ = ours.communicate(timeout=60)
    assert (ours.returncode, said) == (status, b"")
    with suppress(psutil.NoSuchProcess):
        assert psutil.Process(started).status() == psutil.STATUS_ZOMBIE  # where nobody reaps it
