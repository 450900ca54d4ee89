"""Nothing is lost or doubled: MLflow goes, the sender is killed, stages are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import params
from pipeline.tracking import TrackingError, outbox, send_kept, sender, stage_run
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.records import (
    Champion,
    DataUsed,
    Described,
    End,
    File,
    Judged,
    Model,
    Point,
    Record,
    Start,
    Values,
)
from pipeline.tracking.sender import Sender
from pipeline.tracking.service import Refused, Service
from tests.servers import free_port, mlflow_server

WAKE = outbox.wake  # the tests' own sends at once, in this process
DEFAULTS = params.parse({})
STORY: list[Record] = [
    Start("a", "train", None, 1, {"stage": "train"}),
    DataUsed("a", "digits", "abc", "data/prepared", "{}"),
    Start("b", "seed 0", "a", 2, {}),
    Values("b", (Point("val/loss", 0.5, 1, 3), Point("val/loss", 0.25, 2, 4)), {"p": "1"}),
    File("b", "note.txt", "notes"),
    End("b", "FINISHED", 5),
    Values("a", (), {}, {"curves": "0f"}),
    Model("a", "net.keras", "cnn", "overfit-atlas-demo", "77", (8, 8, 1), ("cat", "dog")),
    Champion("overfit-atlas-demo", "77"),
    Judged("train", "0f", (Point("final/val/loss", 0.25, 0, 6),), {"verdict": "good fit"}),
    Described("**Overfit Atlas**"),
    End("a", "FINISHED", 6),
]


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sends unless a test says so."""
    monkeypatch.setattr(outbox, "wake", lambda: None)


def _told(folder: Path) -> None:
    """The whole story, in an outbox that is closed."""
    box = Outbox("demo")
    (folder / "note.txt").write_text("kept")
    (folder / "net.keras").write_text("weights")
    for record in STORY:
        box.put(record, folder)
    box.close()


def _check(project: Any) -> None:
    """The story is in MLflow, each thing once, and nothing waits."""
    assert sorted(project.rows("SELECT name, status FROM runs")) == [
        ("seed 0", "FINISHED"),
        ("train", "FINISHED"),
    ]
    assert project.rows("SELECT key, step, value FROM metrics ORDER BY key, step") == [
        ("final/val/loss", 0, 0.25),
        ("val/loss", 1, 0.5),
        ("val/loss", 2, 0.25),
    ]
    assert project.params("seed 0") == {"p": "1"}
    assert project.tags("train")["verdict"] == "good fit"
    assert project.artifact("seed 0", "notes/note.txt").read_text() == "kept"
    assert project.rows("SELECT end_time FROM runs ORDER BY end_time") == [(5,), (6,)]
    parent = project.rows("SELECT run_uuid FROM runs WHERE name = 'train'")[0][0]
    assert project.tags("seed 0")["mlflow.parentRunId"] == parent
    assert len(project.rows("SELECT * FROM inputs WHERE source_type = 'DATASET'")) == 1
    assert len(project.rows("SELECT * FROM inputs WHERE source_type = 'RUN_OUTPUT'")) == 1
    ((folder, status),) = project.rows("SELECT artifact_location, status FROM logged_models")
    assert (Path(folder) / "data" / "model.keras").read_text() == "weights"
    assert status == 2  # ready
    assert project.rows("SELECT name, version FROM model_versions") == [("overfit-atlas-demo", 1)]
    assert project.rows("SELECT alias, version FROM registered_model_aliases") == [("champion", 1)]
    assert list((project.root / "mlruns").glob("unsent/[!.]*")) == []


class Flaky:
    """A service that is out of reach from its `lives`-th record on."""

    def __init__(self, service: Service, lives: int) -> None:
        self.service, self.lives = service, lives

    def apply(self, record: Record, folder: Path) -> None:
        if self.lives <= 0:
            raise Refused("out of reach")
        self.lives -= 1
        self.service.apply(record, folder)


@pytest.mark.parametrize("lives", range(len(STORY) + 1))
def test_nothing_is_lost_or_doubled_whenever_mlflow_goes(
    project: Any, asleep: None, tmp_path: Path, lives: int
) -> None:
    _told(tmp_path)
    flaky: Any = Flaky(Service("demo"), lives)
    one = Sender(lambda dataset: flaky)
    assert one.once() == 0 or lives == len(STORY)
    waiting = len(STORY) - lives
    assert outbox.num_unsent() == waiting
    assert outbox.drained(0.1) == ("out of reach" if waiting else None)
    assert one.once() == 0  # it is not asked again at once
    assert send_kept() == waiting
    _check(project)


def test_nothing_is_lost_when_mlflow_is_away_from_the_first_record_on(
    project: Any, asleep: None, tmp_path: Path
) -> None:
    def away(dataset: str) -> Service:
        raise TrackingError("MLflow cannot be used: Connection refused")

    _told(tmp_path)
    assert Sender(away).once() == 0
    assert outbox.num_unsent() == len(STORY)
    assert "Connection refused" in str(outbox.drained())
    send_kept()
    _check(project)


class Picky:
    """A service that keeps what it takes, and takes nothing of the metric `bad`."""

    def __init__(self) -> None:
        self.taken: list[Record] = []

    def apply(self, record: Record, folder: Path) -> None:
        if isinstance(record, Values) and any(point.name == "bad" for point in record.points):
            raise Refused("no such name", lasting=True)
        self.taken.append(record)


def _curves(run: str, steps: Iterable[int], name: str = "val/loss") -> list[Values]:
    return [Values(run, (Point(name, 0.5, step, step),)) for step in steps]


def test_curves_of_several_fits_go_together_a_message_a_run(
    project: Any, asleep: None, tmp_path: Path
) -> None:
    picky, box = Picky(), Outbox("demo")
    begin, end = [Start(run, run, None, 1, {}) for run in "ab"], End("a", "FINISHED", 9)
    both = zip(_curves("a", range(5)), _curves("b", range(5)), strict=True)
    later = [*_curves("a", [5, 6]), Values("a", (), {"p": "1"}), *_curves("a", [7])]
    told = [*begin, *(one for pair in both for one in pair), *later, end]
    for record in told:
        box.put(record)
    taken: Any = picky
    assert Sender(lambda dataset: taken).once() == len(told)
    points = {run: tuple(Point("val/loss", 0.5, step, step) for step in range(7)) for run in "ab"}
    assert picky.taken == [
        *begin,
        Values("a", points["a"]),
        Values("b", points["b"][:5]),
        Values("a", (), {"p": "1"}),
        *_curves("a", [7]),
        end,
    ]
    assert outbox.num_unsent() == 0


def test_a_refused_point_takes_no_other_with_it(project: Any, asleep: None, tmp_path: Path) -> None:
    picky, box = Picky(), Outbox("demo")
    for record in [*_curves("a", [1]), *_curves("a", [2], "bad"), *_curves("a", [3])]:
        box.put(record)
    taken: Any = picky
    assert Sender(lambda dataset: taken).once() == 3
    assert picky.taken == _curves("a", [1, 3])
    assert "no such name" in (box.folder / "refused").read_text()


class Killed(BaseException):
    """The sender's process has ended here."""


class Mortal:
    """MLflow's client, until its `lives`-th call, before or after which its process is killed."""

    def __init__(self, client: Any, lives: int, after: bool) -> None:
        self.client, self.lives, self.after = client, lives, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*given: Any, **named: Any) -> Any:
            self.lives -= 1
            if self.lives < 0 and not self.after:
                raise Killed
            found = method(*given, **named)
            if self.lives < 0:
                raise Killed
            return found

        return call


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_nothing_is_lost_or_doubled_whichever_call_of_mlflow_is_the_senders_last(
    project: Any, asleep: None, tmp_path: Path, after: bool, fresh: Callable[[], None]
) -> None:
    lives, killed = 0, True
    while killed:
        fresh()
        _told(tmp_path)
        service = Service("demo")
        service.client = Mortal(service.client, lives, after)
        killed = False
        try:
            Sender(lambda dataset, made=service: made).once()  # type: ignore[misc]
        except Killed:
            killed = True
        send_kept()
        _check(project)
        lives += 1
    assert lives > 2 * len(STORY)


def test_sending_everything_twice_changes_nothing(
    project: Any, asleep: None, tmp_path: Path
) -> None:
    _told(tmp_path)
    (box,) = outbox.boxes()
    for record, _ in list(box.lines(0)):
        Service("demo").apply(outbox.records.from_line(record), box.folder)
    send_kept()
    _check(project)


@pytest.mark.long
def test_the_real_sender_killed_at_random_moments_loses_and_doubles_nothing(
    project: Any, asleep: None, tmp_path: Path
) -> None:
    """Stages go on telling meanwhile; each new one would start the next sender."""
    chance, kills = random.Random(3), 0
    for number in range(12):
        box = Outbox("demo")
        for kind, name in (("train", None), ("seed", f"t{number}")):
            box.put(Start(f"{kind[0]}{number}", f"{kind} {number}", name, 1, {}))
        for step in range(20):
            box.put(Values(f"s{number}", (Point("val/loss", 1 / (step + 1), step, step),)))
        for kind in ("s", "t"):
            box.put(End(f"{kind}{number}", "FINISHED", 9))
        box.close()
    while waiting := outbox.num_unsent():
        process = _sender(project.root)
        until = time.monotonic() + 60
        while outbox.num_unsent() == waiting and time.monotonic() < until:
            time.sleep(0.01)
        if kills < 4:
            time.sleep(chance.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            kills += 1
            process.wait(30)
        else:
            assert outbox.drained() is None
            process.kill()
            process.wait(30)
    assert kills >= 3
    send_kept()
    assert len(project.rows("SELECT * FROM runs WHERE status = 'FINISHED'")) == 24
    assert len(project.rows("SELECT * FROM runs")) == 24
    counted = project.rows(
        "SELECT name, count(*), sum(value) FROM metrics JOIN runs USING (run_uuid) GROUP BY name"
    )
    expected = sum(1 / (step + 1) for step in range(20))
    assert sorted(counted) == sorted(
        (f"seed {number}", 20, pytest.approx(expected)) for number in range(12)
    )
    assert list((project.root / "mlruns").glob("unsent/[!.]*")) == []


def _sender(root: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", outbox.SENDER, "--follow"]
    with (root / "mlruns" / "sender.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ})


@pytest.mark.slow
def test_epochs_are_in_mlflow_while_the_stage_runs_though_a_sender_died(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "wake", WAKE)
    with stage_run(DEFAULTS, "train", "demo") as run:
        run.log_metrics({"val/loss": 0.5}, step=1)
        _until(lambda: ("val/loss", 1, 0.5) in project.points("train"))
        (first,) = outbox._senders.values()
        assert os.getsid(first.pid) == first.pid != os.getsid(0)  # no Ctrl-C reaches it
        first.kill()
        first.wait(30)
        run.log_metrics({"val/loss": 0.25}, step=2)
        with stage_run(DEFAULTS, "next", "demo", last=True):
            pass
        assert project.points("train") == {("val/loss", 1, 0.5), ("val/loss", 2, 0.25)}
        assert project.runs() == {"train": "RUNNING", "next": "FINISHED"}
    assert outbox.drained() is None
    assert project.runs() == {"train": "FINISHED", "next": "FINISHED"}
    (second,) = outbox._senders.values()
    assert second.pid != first.pid
    assert second.wait(120) == 0  # nobody needs it any longer


def _until(done: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_stage_that_begins_as_the_sender_leaves_is_not_forgotten(
    project: Any, monkeypatch: pytest.MonkeyPatch, asleep: None, tmp_path: Path
) -> None:
    real = outbox.boxes
    calls: list[int] = []

    def boxes() -> list[outbox.Box]:
        found = real()
        calls.append(len(found))
        if len(calls) == 2:  # listed for the last time while the lock was held
            _told(tmp_path)
        return found

    monkeypatch.setattr(outbox, "boxes", boxes)
    assert sender.follow(idle=0) == len(STORY)
    monkeypatch.setattr(outbox, "boxes", real)
    _check(project)


def test_a_second_sender_leaves_at_once(project: Any, asleep: None, tmp_path: Path) -> None:
    _told(tmp_path)
    with outbox.sending():
        assert sender.follow(idle=0) == 0
    assert send_kept() == len(STORY)


def test_what_a_killed_process_kept_is_sent_without_its_torn_last_line(
    project: Any, asleep: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _told(tmp_path)
    (box,) = outbox.boxes()
    with (box.folder / outbox.RECORDS).open("a") as file:
        file.write('{"kind": "Values", "run"')
    assert send_kept() == len(STORY)
    (aside,) = (project.root / "mlruns" / "unsent").glob("[!.]*")
    assert aside.name == f"refused-{box.folder.name}"
    assert "cut off" in (aside / "refused").read_text()
    assert send_kept() == 0
    assert project.runs() == {"train": "FINISHED", "seed 0": "FINISHED"}


def test_a_line_that_a_broken_disk_changed_does_not_stop_the_rest(
    project: Any, asleep: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _told(tmp_path)
    (box,) = outbox.boxes()
    records = box.folder / outbox.RECORDS
    lines = records.read_bytes().splitlines(keepends=True)
    odd = [b"\xff\xfe\n", bytes(40) + b"\n", lines[-1][:-9] + b"\xc3\n"]
    records.write_bytes(b"".join([*lines[:3], *odd, *lines[3:]]))
    assert send_kept() == len(STORY) + len(odd)
    assert project.runs() == {"train": "FINISHED", "seed 0": "FINISHED"}
    (aside,) = (project.root / "mlruns" / "unsent").glob("refused-*")
    assert len((aside / "refused").read_text().splitlines()) == len(odd)
    assert send_kept() == 0


def test_a_line_that_is_being_written_is_waited_for(project: Any, asleep: None) -> None:
    box = Outbox("demo")
    box.put(STORY[0])
    line = outbox.records.to_line(End("a", "FINISHED", 7)).encode() + b"\n"
    records = box.folder / outbox.RECORDS
    with records.open("ab") as file:
        file.write(line[:20])
    assert send_kept() == 1
    assert project.runs() == {"train": "RUNNING"}
    with records.open("ab") as file:
        file.write(line[20:])
    assert send_kept() == 1
    assert project.runs() == {"train": "FINISHED"}
    box.close()


def test_records_for_another_server_wait_for_it(
    project: Any, asleep: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        _told(tmp_path)
    assert send_kept() == 0
    assert project.runs() == {}
    assert len(list((project.root / "mlruns" / "unsent").glob("[!.]*"))) == 1


def test_what_mlflow_will_never_take_does_not_stop_the_rest(
    project: Any, asleep: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Outbox("demo")
    box.put(Champion("overfit-atlas-demo", "0123"))
    box.put(Values("nobody", (), {}, {"a": "b"}))
    box.close()
    _told(tmp_path)
    assert send_kept() == 2 + len(STORY)
    assert "no version has the content 0123" in caplog.text
    (aside,) = (project.root / "mlruns" / "unsent").glob("[!.]*")
    assert len((aside / "refused").read_text().splitlines()) == 2
    aside.rename(project.root / "seen")
    _check(project)


def test_a_file_that_was_deleted_does_not_stop_the_rest(
    project: Any, asleep: None, tmp_path: Path
) -> None:
    _told(tmp_path)
    (box,) = outbox.boxes()
    (box.folder / "1" / "note.txt").unlink()
    send_kept()
    assert project.runs() == {"train": "FINISHED", "seed 0": "FINISHED"}


def test_a_verdict_on_curves_that_no_run_here_made_is_passed_over(
    project: Any, asleep: None
) -> None:
    box = Outbox("demo")
    box.put(Judged("train@cnn", "ff", (), {"verdict": "overfit"}))
    box.close()
    assert send_kept() == 1
    assert list((project.root / "mlruns").glob("unsent/[!.]*")) == []


def test_what_is_half_removed_is_removed(project: Any) -> None:
    (outbox.unsent() / f"{sender.GONE}1-1" / "2").mkdir(parents=True)
    send_kept()
    assert list(outbox.unsent().glob(f"{sender.GONE}*")) == []


def _run_at_once(code: str, clones: list[Path], within: float) -> None:
    """Run `code` in each of `clones` at the same time, in processes that end `within` seconds."""
    stages = [
        subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "DVC_ROOT": str(clone)}, cwd=clone
        )
        for clone in clones
    ]
    assert [stage.wait(within) for stage in stages] == [0] * len(clones)


@pytest.mark.slow
def test_first_stages_of_all_may_start_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from pipeline import params, tracking\n"
        "with tracking.stage_run(params.parse({}), 'train', 'demo', last=True) as run:\n"
        "    run.log_metrics({'a': 1})\n"
    )
    _run_at_once(code, [tmp_path] * 4, 120)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    service = Service("demo")
    runs = service.client.search_runs([service.experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4


@pytest.mark.long
def test_two_clones_may_make_a_database_at_once_and_artifacts_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from pipeline import params, tracking\n"
        "with tracking.stage_run(params.parse({}), 'train', 'demo', last=True) as run:\n"
        "    run.log_text('yes', 'verdict.txt')\n"
    )
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shared}/runs.db")
    clones = [tmp_path / "one", tmp_path / "two"]
    for clone in clones:
        clone.mkdir()
    _run_at_once(code, clones, 200)
    service = Service("demo")
    runs = service.client.search_runs([service.experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert len(list((shared / "artifacts").rglob("verdict.txt"))) == 2


@pytest.mark.long
def test_a_server_killed_in_the_middle_gets_the_rest_when_it_is_back(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with mlflow_server(tmp_path, port) as kill, stage_run(DEFAULTS, "train", "demo") as run:
        run.log_metrics({"loss": 0.5}, step=1)
        assert send_kept() > 1
        kill()
        run.log_metrics({"loss": 0.25}, step=2)
        with run.child("seed 0") as child:
            child.log_text("good fit", "verdict.txt")
    assert caplog.messages[-1].startswith(f"MLflow at http://127.0.0.1:{port} failed")
    with pytest.raises(TrackingError, match="Connection refused"), stage_run(DEFAULTS, "x", "demo"):
        pytest.fail("work began")
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
    assert list((project.root / "mlruns" / "unsent").glob("[!.]*")) == []


@pytest.fixture
def fresh(project: Any) -> Iterator[Callable[[], None]]:
    """Makes MLflow's database empty again: of runs, models and all."""
    database: bytes = project.database.read_bytes()

    def renewed() -> None:
        project.database.write_bytes(database)

    yield renewed
