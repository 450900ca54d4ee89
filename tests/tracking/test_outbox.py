import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import params
from pipeline.tracking import TrackingError, send_kept, stage_run
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.records import Champion, End, File, Point, Record, Start, Values
from pipeline.tracking.service import Refused, Service
from tests.servers import free_port, mlflow_server

DEFAULTS = params.parse({})
STORY: list[Record] = [
    Start("a", "train", None, 1, {"stage": "train"}),
    Start("b", "seed 0", "a", 2, {}),
    Values("b", (Point("val/loss", 0.5, 1, 3), Point("val/loss", 0.25, 2, 4)), {"p": "1"}),
    File("b", "note.txt", "notes"),
    End("b", "FINISHED", 5),
    End("a", "FINISHED", 6),
]


class Flaky:
    """A service that is out of reach from its `lives`-th record on."""

    def __init__(self, service: Service, lives: int) -> None:
        self.service, self.lives, self.dataset = service, lives, service.dataset

    def apply(self, record: Record, folder: Path) -> None:
        if self.lives <= 0:
            raise Refused("out of reach")
        self.lives -= 1
        self.service.apply(record, folder)


def _tell(outbox: Outbox, folder: Path) -> None:
    (folder / "note.txt").write_text("kept")
    for record in STORY:
        outbox.put(record, folder)
    (folder / "note.txt").unlink()


@pytest.mark.parametrize("lives", range(len(STORY) + 1))
def test_nothing_is_lost_or_doubled_whenever_mlflow_goes(
    project: Any, tmp_path: Path, lives: int
) -> None:
    service: Any = Flaky(Service("demo"), lives)
    outbox = Outbox(service)
    _tell(outbox, tmp_path)
    assert outbox.online == (lives == len(STORY))
    outbox.close()
    assert project.runs() == {"train": "FINISHED", "seed 0": "FINISHED"}
    assert project.points("seed 0") == {("val/loss", 1, 0.5), ("val/loss", 2, 0.25)}
    assert project.params("seed 0") == {"p": "1"}
    assert project.artifact("seed 0", "notes/note.txt").read_text() == "kept"
    assert project.rows("SELECT end_time FROM runs ORDER BY end_time") == [(5,), (6,)]
    parent = project.rows("SELECT run_uuid FROM runs WHERE name = 'train'")[0][0]
    assert project.tags("seed 0")["mlflow.parentRunId"] == parent
    assert list((project.root / "mlruns").glob("unsent/*")) == []


def test_sending_everything_twice_changes_nothing(project: Any, tmp_path: Path) -> None:
    service = Service("demo")
    for _ in range(2):
        _tell(Outbox(service), tmp_path)
        service = Service("demo")
    assert len(project.rows("SELECT * FROM runs")) == 2
    assert len(project.rows("SELECT * FROM metrics")) == 2


def test_what_a_killed_process_kept_is_sent_without_its_torn_last_line(
    project: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service: Any = Flaky(Service("demo"), 0)
    outbox = Outbox(service)
    _tell(outbox, tmp_path)
    assert outbox._kept is not None
    outbox._kept.close()
    (folder,) = (project.root / "mlruns" / "unsent").iterdir()
    with (folder / "records.jsonl").open("a") as file:
        file.write('{"kind": "Values", "run"')
    assert send_kept() == len(STORY)
    assert project.runs() == {"train": "FINISHED", "seed 0": "FINISHED"}
    (aside,) = (project.root / "mlruns" / "unsent").iterdir()
    assert aside.name.startswith("refused-")
    assert send_kept() == 0


def test_records_of_a_running_stage_are_left_alone(project: Any, tmp_path: Path) -> None:
    service: Any = Flaky(Service("demo"), 0)
    outbox = Outbox(service)
    _tell(outbox, tmp_path)
    assert send_kept() == 0
    outbox.close()
    assert len(project.runs()) == 2


def test_records_for_another_server_wait_for_it(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service: Any = Flaky(Service("demo"), 0)
    outbox = Outbox(service)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        _tell(outbox, tmp_path)
    outbox.close()
    assert project.runs() == {}
    assert len(list((project.root / "mlruns" / "unsent").iterdir())) == 1


def test_what_mlflow_will_never_take_does_not_stop_the_rest(
    project: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(Service("demo"))
    outbox.put(Champion("overfit-atlas-demo", "0123"))
    assert "no version has the weights 0123" in caplog.text
    assert outbox.online
    _tell(outbox, tmp_path)
    assert project.runs() == {"train": "FINISHED", "seed 0": "FINISHED"}


def test_training_goes_on_when_records_can_be_neither_sent_nor_kept(
    project: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (project.root / "mlruns" / "unsent").write_text("in the way")
    service: Any = Flaky(Service("demo"), 1)
    outbox = Outbox(service)
    _tell(outbox, tmp_path)
    outbox.close()
    assert "MLflow will lack part of this run" in caplog.text
    assert not outbox.online
    assert project.runs() == {"train": "RUNNING"}


@pytest.mark.slow
def test_first_stages_of_all_may_start_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from pipeline import params, tracking\n"
        "with tracking.stage_run(params.parse({}), 'train', 'demo') as run:\n"
        "    run.log_metrics({'a': 1})\n"
    )
    environment = {**os.environ, "DVC_ROOT": str(tmp_path)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    stages = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(4)]
    assert [stage.wait(120) for stage in stages] == [0, 0, 0, 0]
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    service = Service("demo")
    runs = service.client.search_runs([service.experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4


def test_a_server_that_is_down_at_the_start_stops_the_stage_at_once(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://anna:hunter2@127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        pytest.raises(TrackingError, match=r"http://\*\*\*@127.0.0.1:\d+ cannot be used") as error,
        stage_run(DEFAULTS, "train", "demo"),
    ):
        pytest.fail("work began")
    assert "Connection refused" in str(error.value)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_server_killed_in_the_middle_gets_the_rest_when_it_is_back(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with mlflow_server(tmp_path, port) as kill, stage_run(DEFAULTS, "train", "demo") as run:
        run.log_metrics({"loss": 0.5}, step=1)
        kill()
        run.log_metrics({"loss": 0.25}, step=2)
        with run.child("seed 0") as child:
            child.log_text("good fit", "verdict.txt")
        assert not run.online
        assert run.id is None
    assert caplog.messages[0].startswith(f"MLflow at http://127.0.0.1:{port} failed")
    with mlflow_server(tmp_path, port):
        assert send_kept() > 3
        service = Service("demo")
        runs = {one.info.run_name: one for one in service.client.search_runs([service.experiment])}
        assert {name: one.info.status for name, one in runs.items()} == {
            "train": "FINISHED",
            "seed 0": "FINISHED",
        }
        points = service.client.get_metric_history(runs["train"].info.run_id, "loss")
        assert [(one.step, one.value) for one in points] == [(1, 0.5), (2, 0.25)]
        (file,) = service.client.list_artifacts(runs["seed 0"].info.run_id)
        assert file.path == "verdict.txt"
    assert project.runs() == {}
    assert list((project.root / "mlruns" / "unsent").iterdir()) == []
