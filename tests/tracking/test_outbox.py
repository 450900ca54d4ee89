import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline.tracking import TrackingError, outbox
from pipeline.tracking.outbox import Box, Outbox
from pipeline.tracking.records import End, File, Point, Start, Values

START = Start("a", "train", None, 1, {})


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sends."""
    monkeypatch.setattr(outbox, "wake", lambda: None)


def _only() -> Box:
    (box,) = outbox.boxes()
    return box


def _lines(box: Box) -> list[dict[str, Any]]:
    return [json.loads(line) for line, _ in box.lines(box.sent())]


def test_what_is_put_is_there_at_once_with_its_files(
    project: Any, asleep: None, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("kept")
    box = Outbox("demo")
    box.put(START)
    box.put(File("a", "note.txt", "notes"), tmp_path)
    (tmp_path / "note.txt").unlink()
    found = _only()
    assert (found.dataset, found.host) == ("demo", outbox.host())
    start, file = _lines(found)
    assert (start["kind"], file["kind"], file["folder"]) == ("Start", "File", "notes")
    assert (found.folder / file["path"]).read_text() == "kept"
    assert outbox.num_unsent() == 2
    assert found.is_open()
    box.close()
    assert not found.is_open()


def test_a_box_that_was_just_deleted_has_no_lines(project: Any, asleep: None) -> None:
    Outbox("demo").put(START)
    found = _only()
    shutil.rmtree(found.folder)
    assert list(found.lines(0)) == []


def test_lines_of_many_threads_stay_whole(project: Any, asleep: None) -> None:
    box = Outbox("demo")

    def tell(thread: int) -> None:
        for step in range(50):
            box.put(Values("a", (Point(f"m{thread}", 0.5, step, 1),)))

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    told = [(line["points"][0]["name"], line["points"][0]["step"]) for line in _lines(_only())]
    assert sorted(told) == sorted((f"m{thread}", step) for thread in range(8) for step in range(50))


def test_a_folder_that_cannot_be_made_is_one_sentence(project: Any) -> None:
    (project.root / "mlruns" / "unsent").write_text("in the way")
    with pytest.raises(TrackingError, match=r"unsent: File exists. Make mlruns/ writable") as error:
        Outbox("demo")
    assert "\n" not in str(error.value)


def test_a_full_disk_loses_whole_records_and_says_so_once(
    project: Any, asleep: None, caplog: pytest.LogCaptureFixture
) -> None:
    box = Outbox("demo")
    box.put(START)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_only().size() + 30, before[1]))
        for step in range(3):
            box.put(Values("a", (Point("loss", 0.5, step, 1),)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    box.put(Values("a", (Point("loss", 0.5, 9, 1),)))
    box.put(End("a", "FINISHED", 2))
    assert [line["kind"] for line in _lines(_only())] == ["Start", "End"]
    assert caplog.text.count("MLflow will lack part of this run") == 1


def test_a_box_of_another_machine_is_open_while_it_grows(project: Any, asleep: None) -> None:
    Outbox("demo").put(START)
    box = _only()
    other = Box(box.folder, "demo", "elsewhere", "1:1")
    assert other.is_open()
    long_ago = (box.folder / outbox.RECORDS).stat().st_mtime - outbox.SILENT_SECONDS - 1
    os.utime(box.folder / outbox.RECORDS, (long_ago, long_ago))
    assert not other.is_open()
    assert box.is_open()


def test_boxes_of_another_address_and_strange_folders_are_left_alone(
    project: Any, asleep: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Outbox("demo")
    (outbox.unsent() / "1-1").mkdir()
    (outbox.unsent() / "2-2").mkdir()
    (outbox.unsent() / "2-2" / outbox.RECORDS).write_text("[]\n")
    assert len(outbox.boxes()) == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert outbox.boxes() == []


def test_no_password_is_written(project: Any, asleep: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:hunter2@127.0.0.1:9")
    box = Outbox("demo")
    box.put(START)
    box.close()
    files = [path for path in (project.root / "mlruns").rglob("*") if path.is_file()]
    assert any(path.name == outbox.RECORDS for path in files)
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []


def test_only_one_process_sends(project: Any) -> None:
    with outbox.sending() as mine, outbox.sending() as other:
        assert mine and not other
    with outbox.sending() as mine:
        assert mine


def test_waiting_ends_when_nobody_sends(project: Any, asleep: None) -> None:
    assert outbox.drained() is None
    Outbox("demo").put(START)
    assert outbox.drained(patience=0.2) == (
        f"nothing was sent for 0.2 s; see {project.root}/mlruns/sender.log"
    )


def test_waiting_ends_when_mlflow_does_not_answer(project: Any, asleep: None) -> None:
    Outbox("demo").put(START)
    (_only().folder / "trouble").write_text("Connection refused")
    assert outbox.drained() == "Connection refused"


def test_this_process_is_alive() -> None:
    assert outbox.is_alive(outbox.mark())


def test_another_process_of_the_same_number_is_not_this_one() -> None:
    assert not outbox.is_alive(f"{os.getpid()}:1")


def test_nothing_is_not_alive() -> None:
    assert not outbox.is_alive("")
    assert not outbox.is_alive("x:1")
    assert not outbox.is_alive("999999999:")


def test_a_process_that_ended_is_not_alive_even_before_it_is_reaped() -> None:
    code = "from pipeline.tracking import outbox; print(outbox.mark(), flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout and child.stdin
    owner = child.stdout.readline().strip()
    assert outbox.is_alive(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not outbox.is_alive(owner)
    child.communicate()
    assert not outbox.is_alive(owner)
