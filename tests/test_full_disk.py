"""A disk that is really full, or read-only, while data, models and runs are written.

A small file system in memory stands for it, which needs the rights of root; skipped without.
"""

import argparse
import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.stages import cli, train, trials, tune
from pipeline.studies.storage import StorageError
from pipeline.tracking import TrackingError, stage_run
from pipeline.tracking.service import Service

SMALL = {
    "models": {"dense": {"units": [64]}},
    "train": {"epochs": 2, "seeds": [0]},
    "workers": {"count": 0},
}
Disk = Callable[[str], Path]
SENDER_ENDS = 60.0  # seconds; it stays some time after the stage

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root: it mounts a disk"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of a given size, or the same one with other options: `disk("size=64k")`."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mounted(options: str) -> Path:
        options = f"{'remount,' if folder.is_mount() else ''}{options}"
        command = ("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
        done = subprocess.run(command, capture_output=True, text=True)
        ends = time.monotonic() + SENDER_ENDS
        while "busy" in done.stderr and time.monotonic() < ends:  # the sender still writes there
            time.sleep(0.2)
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode and "remount" not in options:
            pytest.skip(f"no file system can be mounted here: {done.stderr}")
        assert done.returncode == 0, done.stderr
        return folder

    yield mounted
    if folder.is_mount():
        subprocess.run(("umount", "--lazy", str(folder)), check=True)  # MLflow holds it open


def test_data_that_do_not_fit_leave_the_old_ones(digits: Any, disk: Disk) -> None:
    folder = disk("size=64k") / "prepared"
    folder.mkdir()
    (folder / "manifest.json").touch()
    with pytest.raises(OSError) as caught:
        prepared.write(folder, digits)
    assert caught.value.errno == errno.ENOSPC
    assert sorted(folder.parent.rglob("*")) == [folder, folder / "manifest.json"]


@pytest.mark.slow
def test_models_that_do_not_fit_end_the_stage_in_one_line_and_the_next_one_goes_on(
    digits_folder: Path,
    disk: Disk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(SMALL, file)
    models = disk("size=24k")
    (models / "dense").mkdir()
    (models / "dense" / "old").touch()
    with pytest.raises(SystemExit, match="2"):
        _train(tmp_path, digits_folder, models)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        f"error: {models / 'dense'}: No space left on device. Make room there and run again: what "
        "is finished is kept."
    )
    assert [path.name for path in models.rglob("*")] == ["dense", "old"]
    disk("size=8m")
    _train(tmp_path, digits_folder, models)
    assert (models / "dense" / "seed-0.best.keras").exists()
    assert not (models / "dense" / "old").exists()
    service = Service("digits")
    runs = service.client.search_runs([service.experiment], "run_name = 'train@dense'")
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]


def _train(root: Path, data: Path, models: Path) -> None:
    arguments = ["train", "dense", "--data", data, "--models", models]
    arguments += ["--results", root / "results", "--params", root / "params.yaml"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", list(map(str, arguments)))
        cli.run(train.main, train._parser())


def test_no_room_for_the_database_of_runs_is_one_sentence_before_any_work(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(disk("size=64k")))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with (
        pytest.raises(TrackingError, match="mlflow.db: the disk is full") as caught,
        stage_run(parameters.parse({}), "train", "demo"),
    ):
        pytest.fail("work began")
    assert "\n" not in str(caught.value)


def test_a_read_only_disk_is_one_sentence_before_any_work(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(disk("size=16m")))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for kept in (False, True):  # no run yet, and one
        disk("ro")
        with (
            pytest.raises(TrackingError, match=r"[Rr]ead-?only.*Make mlruns/ writable") as caught,
            stage_run(parameters.parse({}), "train", "demo"),
        ):
            pytest.fail("work began")
        assert "\n" not in str(caught.value)
        disk("rw")
        if not kept:
            code = (
                "from pipeline import params, tracking\n"
                "from pipeline.tracking import outbox, sender\n"
                "outbox.wake = lambda: sender.follow(idle=0)  # no process that stays and writes\n"
                "with tracking.stage_run(params.parse({}), 'train', 'demo'): pass\n"
            )
            subprocess.run([sys.executable, "-c", code], check=True)


def test_training_goes_on_when_the_disk_of_the_database_gets_full(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = disk("size=16m")
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with stage_run(parameters.parse({}), "train", "demo") as run:
        run.log_metrics({"val/loss": 0.5}, step=1)
        _fill(folder)
        for step in range(2, 200):
            run.log_metrics({f"value {number}": step for number in range(50)}, step)
        (folder / "filler").unlink()
    assert "No space left on device. MLflow will lack part of this run" in caplog.text
    with stage_run(parameters.parse({}), "evaluate", "demo"):
        pass
    service = Service("demo")
    runs = service.client.search_runs([service.experiment])
    assert {one.info.run_name: one.info.status for one in runs} == {
        "train": "FINISHED",
        "evaluate": "FINISHED",
    }


@pytest.mark.long
def test_a_study_whose_disk_gets_full_keeps_its_trials_and_goes_on(
    digits_folder: Path, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study = {"widths": [2, 4], "dropouts": [0.0, 0.5], "seeds": [0], "epochs": 2}

    def tables(name: str, storage: Path) -> bytes:
        chosen = {**study, "storage": f"sqlite:///{storage / 'optuna.db'}"}
        with (tmp_path / "params.yaml").open("w") as file:
            YAML().dump({**SMALL, "tune": chosen, "evaluate": {"num_resamples": 100}}, file)
        out = tmp_path / name
        paths = {"params": tmp_path / "params.yaml", "data": digits_folder, "out": out}
        tune.main(argparse.Namespace(**paths))
        return (out / "map.csv").read_bytes()

    undisturbed = tables("undisturbed", tmp_path)
    folder, logged = disk("size=16m"), trials.log
    numbers: list[int] = []

    def logged_then_full(run: Any, purpose: Any, trial: Any) -> None:
        logged(run, purpose, trial)
        numbers.append(trial.number)
        if len(numbers) == 2:
            _fill(folder)

    with monkeypatch.context() as patch:
        patch.setattr(trials, "log", logged_then_full)
        with pytest.raises(StorageError, match="failed while a study ran.*(full|disk I/O)"):
            tables("disturbed", folder)
    assert numbers == [0, 1] and not (tmp_path / "disturbed").exists()
    (folder / "filler").unlink()
    assert tables("disturbed", folder) == undisturbed


def _fill(folder: Path) -> None:
    with pytest.raises(OSError), (folder / "filler").open("wb") as filler:
        while filler.write(bytes(4096)):
            filler.flush()
