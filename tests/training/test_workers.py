import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipeline.data import DataError
from pipeline.params import Workers
from pipeline.training import forking, workers
from pipeline.training.task import FitError
from tests.fits import dense_task


@pytest.fixture(scope="module")
def tasks(digits_folder):
    first = dense_task(digits_folder, epochs=3, keep_weights=True, units=[6])
    return [replace(first, seed=seed) for seed in range(4)]


@pytest.fixture(scope="module")
def sequential(tasks):
    with workers.pool(Workers(count=0)) as pool:
        return dict(pool.run(tasks, "dense"))


def _equal(found, expected):
    return sorted(found) == sorted(expected) and all(
        found[index].history.curves.equals(expected[index].history.curves)
        and found[index].best == expected[index].best
        for index in expected
    )


def test_parallel_fits_give_the_numbers_of_sequential_ones(tasks, sequential):
    with workers.pool(Workers(count=2)) as pool:
        assert _equal(dict(pool.run(tasks, "dense")), sequential)


def test_a_killed_worker_is_replaced_and_its_fit_retried(tasks, sequential):
    with workers.pool(Workers(count=2)) as pool:
        found = {}
        for index, result in pool.run(tasks, "dense"):
            if not found:
                _kill_one_worker()
            found[index] = result
    assert _equal(found, sequential)


def _kill_one_worker():
    mark = "multiprocessing.forkserver" if forking.METHOD == "forkserver" else "spawn_main"
    found = [child for child in _alive() if mark in " ".join(child.cmdline())]
    server = [] if mark == "spawn_main" else found[:1]  # the parent of those it forked
    os.kill(next(child.pid for child in found if child not in server), signal.SIGKILL)


def _alive():
    """Whatever this process started, but for what has ended and waits for its parent."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


FORKED = pytest.mark.skipif(forking.METHOD != "forkserver", reason="no fork on this system")
LOOK = """
import sys
import psutil
from tensorflow.python.eager import context
assert "pipeline.training.fitting" in sys.modules
assert context.context()._context_handle is None
assert psutil.Process().parent().num_threads() == 1
assert "distributed" in sys.modules and "sklearn" not in sys.modules
import sklearn.metrics  # left out by the server, but there for who wants it
"""
FORK = f"""
import sys
from multiprocessing import get_context
from pipeline.training import forking
forking.start()
process = get_context(forking.METHOD).Process(target=exec, args=({LOOK!r}, {{}}))
process.start()
process.join()
print("tensorflow" in sys.modules, process.exitcode)
"""
FIT = """
import os
import sys
from pathlib import Path
from pipeline.params import Workers
from pipeline.training import workers
from tests.fits import dense_task
if __name__ == "__main__":
    before = dict(os.environ)
    workers.prepare(Workers(count=1))
    with workers.pool(Workers(count=1)) as pool:
        found = dict(pool.run([dense_task(Path(sys.argv[1]), epochs=1, units=[4])], "dense"))
    left = {name for name in os.environ if os.environ[name] != before.get(name)}
    print(found[0].failed, left - {"__DASK_PARENT_PID"} or "nothing")
"""
SERVE = """
import signal
import psutil
from pipeline.training import forking
forking.start()
children = psutil.Process().children()
print(*(one.pid for one in children if "forkserver" in " ".join(one.cmdline())), flush=True)
signal.pause()
"""


@FORKED
def test_workers_are_forked_from_one_thread_with_tensorflow_imported_and_nothing_started():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "0"], done.stderr


def test_variables_of_workers_are_neither_the_users_nor_left_to_the_stage(digits_folder, tmp_path):
    (tmp_path / "script.py").write_text(FIT)
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "TF_NUM_INTRAOP_THREADS": "2"}
    run = [sys.executable, tmp_path / "script.py", digits_folder]
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["None nothing"], done.stderr


@FORKED
def test_the_server_ends_with_its_stage_even_while_it_imports():
    run = [sys.executable, "-c", SERVE]
    with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as stage:
        server = psutil.Process(int(stage.stdout.readline()))
        stage.kill()
    server.wait(30)


KNOCK = """
import asyncio
import os
import pickle
import sys
from distributed.core import rpc
from distributed.security import Security

async def answer(address, arguments):
    what = {"function": os.getpid, "args": (), "kwargs": {}}
    there = rpc(address, connection_args=arguments)
    return await there.run(**{name: pickle.dumps(one) for name, one in what.items()})

async def main(ports):
    other = Security.temporary().get_connection_args("worker")
    knocks = [answer(f"tcp://127.0.0.1:{port}", {}) for port in ports]
    knocks += [answer(f"tls://127.0.0.1:{port}", other) for port in ports]
    limited = (asyncio.wait_for(one, 5) for one in knocks)
    found = await asyncio.gather(*limited, return_exceptions=True)
    print(*(type(one).__name__ for one in found), flush=True)
    os._exit(0)

asyncio.run(main(sys.argv[1:]))
"""


def _knock(ports):
    """What asks for code to be run get from each port, first without a key, then with another."""
    run = [sys.executable, "-c", KNOCK, *map(str, ports)]
    return subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()


def _listening():
    found = [psutil.Process(), *_alive()]
    sockets = (one for process in found for one in process.net_connections("tcp"))
    return sorted({one.laddr for one in sockets if one.status == psutil.CONN_LISTEN})


def test_nobody_else_on_this_machine_runs_code_in_a_worker(capfd):
    before = set(_listening())
    with workers.pool(Workers(count=1)):
        own = [one for one in _listening() if one not in before]
        assert {address for address, _ in own} == {"127.0.0.1"}
        answers = _knock([port for _, port in own])
        assert len(answers) == 2 * len(own) >= 6
        assert "dict" not in answers and "int" not in answers  # as a scheduler or worker answers
    assert "Traceback" not in capfd.readouterr().err


def test_the_knock_does_run_code_in_a_worker_without_a_key():
    from distributed import LocalCluster

    settings = {"n_workers": 1, "processes": False, "dashboard_address": workers.LOOPBACK}
    with LocalCluster(protocol="tcp://", host="127.0.0.1", **settings) as cluster:
        port = cluster.workers[0].port
        assert _knock([port])[0] == "dict"


def test_what_a_fit_raises_is_raised_once_and_dask_says_nothing(tasks, tmp_path, capfd):
    lost = replace(tasks[0], data=tmp_path)
    odd = replace(tasks[0], section=None)
    with workers.pool(Workers(count=1)) as pool:
        with pytest.raises(DataError, match=r"manifest\.json: not found"):
            list(pool.run([lost], "dense"))
        with pytest.raises(AttributeError) as raised:
            list(pool.run([odd], "dense"))
    assert "in _units" in raised.value.__notes__[0]  # where it was
    assert "Compute Failed" not in "".join(capfd.readouterr())


def test_a_remote_scheduler_gets_the_data_with_the_work(tasks, sequential, tmp_path, monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": workers.LOOPBACK}
    with LocalCluster(**settings) as cluster:
        remote = Workers(scheduler=cluster.scheduler_address)
        with workers.pool(remote) as pool:
            assert _equal(dict(pool.run(tasks, "dense")), sequential)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(workers, "ANSWERS_WITHIN", "1s")
    with (
        pytest.raises(FitError, match="workers.scheduler='tcp://127.0.0.1:1'"),
        workers.pool(Workers(scheduler="tcp://127.0.0.1:1")),
    ):
        pass
