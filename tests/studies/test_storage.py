import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from pipeline.studies import designs, storage

SPACE = {"width": IntDistribution(1, 64, log=True), "dropout": FloatDistribution(0.0, 0.8)}
POINTS = designs.grid({"width": [1, 2, 4], "dropout": [0.0, 0.5]})


def opened(folder, name="map-dense-0", url=None):
    return storage.study(
        name,
        optuna.samplers.RandomSampler(seed=0),
        optuna.pruners.NopPruner(),
        Path(folder),
        url,
    )


def test_a_name_follows_from_what_decides_the_numbers():
    name = storage.study_name("map", "dense", {"epochs": 40, "data": "abc"})
    assert name == storage.study_name("map", "dense", {"data": "abc", "epochs": 40})
    assert name.startswith("map-dense-") and len(name) == len("map-dense-") + 12
    assert name != storage.study_name("map", "dense", {"epochs": 41, "data": "abc"})
    assert name != storage.study_name("search", "dense", {"epochs": 40, "data": "abc"})


def test_a_trial_can_be_begun_at_a_chosen_point(tmp_path):
    with opened(tmp_path) as study:
        trials = [storage.begin(study, SPACE, point) for point in POINTS]
        assert [trial.params for trial in trials] == POINTS
        assert all(trial.user_attrs[storage.HOST] for trial in trials)


def test_what_a_dead_process_left_in_the_queue_is_not_taken_for_the_chosen_point(tmp_path):
    with opened(tmp_path) as study:
        study.enqueue_trial(POINTS[0])
        assert storage.begin(study, SPACE, POINTS[3]).params == POINTS[3]
        assert [trial.params for trial in storage.kept(study)] == [POINTS[3]]


def test_unfinished_trials_of_a_dead_process_fail_and_can_be_queued_again(tmp_path):
    with opened(tmp_path) as study:
        finished, *lost = (storage.begin(study, SPACE, point) for point in POINTS[:3])
        study.tell(finished, 0.5)
    with opened(tmp_path) as study:
        states = [trial.state for trial in study.trials]
        assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL]
        storage.requeue(study)
        storage.requeue(study)
        assert len(storage.kept(study, TrialState.WAITING)) == 2
        again = [storage.ask(study, SPACE) for _ in range(2)]
        assert [trial.params for trial in again] == POINTS[1:3]
        assert [trial.user_attrs[storage.RETRIES] for trial in again] == [
            trial.number for trial in lost
        ]


def test_a_trial_that_is_lost_twice_is_queued_twice(tmp_path):
    with opened(tmp_path) as study:
        storage.begin(study, SPACE, POINTS[0])
    for _ in range(2):
        with opened(tmp_path) as study:
            storage.requeue(study)
            assert storage.ask(study, SPACE).params == POINTS[0]
    with opened(tmp_path) as study:
        storage.requeue(study)
        assert [storage.planned(trial) for trial in storage.kept(study)] == [POINTS[0]]


def test_a_process_killed_in_the_middle_of_a_trial_loses_that_trial_only(tmp_path):
    script = (
        "import os, signal, sys\n"
        "from tests_storage import *\n"
        "with opened(sys.argv[1]) as study:\n"
        "    study.tell(storage.begin(study, SPACE, POINTS[0]), 0.5)\n"
        "    storage.begin(study, SPACE, POINTS[1])\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "tests_storage.py").write_text(Path(__file__).read_text())
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, timeout=120, check=False
    )
    assert done.returncode == -signal.SIGKILL
    with opened(tmp_path) as study:
        states = [trial.state for trial in study.trials]
        assert states == [TrialState.COMPLETE, TrialState.FAIL]
        assert storage.planned(study.trials[1]) == POINTS[1]


def test_processes_that_open_it_first_at_the_same_time_all_succeed(tmp_path):
    def open_one(index):
        with opened(tmp_path, name=f"map-dense-{index}") as study:
            return study.study_name

    with ThreadPoolExecutor(4) as threads:
        names = list(threads.map(open_one, range(4)))
    assert names == [f"map-dense-{index}" for index in range(4)]


def test_trials_that_run_on_another_machine_are_left_alone(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    with opened(tmp_path, url=url) as study:
        storage.ask(study, SPACE).set_user_attr(storage.HOST, "elsewhere")
    with (
        pytest.raises(storage.StorageError, match="1 trials .* run on elsewhere"),
        opened(tmp_path, url=url),
    ):
        pass


@pytest.mark.parametrize(
    "url",
    ["nonsense://name:secret@host/database", "sqlite:////nowhere/at/all.db", "no url at all"],
)
def test_a_database_that_cannot_be_used_is_one_sentence_without_passwords(tmp_path, url):
    with (
        pytest.raises(storage.StorageError, match="tune.storage") as caught,
        opened(tmp_path, url=url),
    ):
        pass
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_of_mlflow_is_refused(tmp_path):
    import sqlite3
    from contextlib import closing

    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('bda7b8c39065')")
        connection.commit()
    with (
        pytest.raises(storage.StorageError, match="not MLflow's"),
        opened(tmp_path, url=f"sqlite:///{path}"),
    ):
        pass


def test_two_clones_that_share_a_study_share_its_lock(tmp_path):
    from filelock import FileLock, Timeout

    (tmp_path / "shared").mkdir()
    url = f"sqlite:///{tmp_path}/shared/studies.db"
    with opened(tmp_path / "one", url=url):
        lock = FileLock(tmp_path / "shared" / ".map-dense-0.lock")
        with pytest.raises(Timeout):
            lock.acquire(timeout=0)
    with lock.acquire(timeout=0):
        pass
    assert storage._locks(url, tmp_path / "two") == tmp_path / "shared"


def test_the_lock_of_a_study_on_a_server_is_the_same_for_all_clones(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    url = "postgresql://u:p@h/d"
    found = storage._locks(url, tmp_path / "one")
    assert found == storage._locks(url, tmp_path / "two")
    assert found.stat().st_mode & 0o777 == 0o700
    found.chmod(0o777)
    with pytest.raises(storage.StorageError, match="not a folder of yours alone"):
        storage._locks(url, tmp_path / "one")
    found.rmdir()
    found.symlink_to(tmp_path)
    with pytest.raises(storage.StorageError, match="not a folder of yours alone"):
        storage._locks(url, tmp_path / "one")
