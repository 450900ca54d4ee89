"""Fits on a Dask cluster of two hosts, one of which is lost: network namespaces stand for hosts.

Each has its own address and working folder, and sees the other through one cable alone. Needs
rights of root; skipped without.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.params import Workers
from pipeline.training import workers
from tests.fits import dense_task

HERE, THERE = "10.77.0.1", "10.77.0.2"
NAMES = {HERE: f"atlas-{os.getpid()}-a", THERE: f"atlas-{os.getpid()}-b"}
SCHEDULER = f"tcp://{HERE}:8786"
CLIENT = """
import json, sys
from tests.training.test_two_hosts import fits, numbers
from pipeline.params import Workers
from pipeline.training import workers

found = {}
with workers.pool(Workers(scheduler=sys.argv[2])) as pool:
    for index, result in pool.run(fits(sys.argv[1]), "dense"):
        found[index] = numbers(result)
json.dump(found, open(sys.argv[3], "w"))
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None,
        reason="needs root and network namespaces: apt install iproute2",
    ),
]


def fits(data):
    """Four fits, each long enough for a cable to be pulled meanwhile."""
    first = dense_task(Path(data), epochs=80, units=[6])
    return [replace(first, seed=seed) for seed in range(4)]


def numbers(result):
    """All that a fit measured, as text that JSON gives back bit for bit."""
    return result.history.curves.to_csv(index=False)


@pytest.fixture
def hosts() -> Iterator[None]:
    """Two network namespaces, joined by a cable."""
    ends = dict(zip(NAMES, ("atlas-end-a", "atlas-end-b"), strict=True))
    with ExitStack() as stack:
        for name in NAMES.values():
            made = subprocess.run(("ip", "netns", "add", name), capture_output=True, text=True)
            if made.returncode:
                pytest.skip(f"no network namespace can be made here: {made.stderr}")
            stack.callback(_ip, "netns", "del", name)
        first, second = ends.values()
        _ip("link", "add", first, "type", "veth", "peer", "name", second)
        for address, name in NAMES.items():
            _ip("link", "set", ends[address], "netns", name)
            _ip("-n", name, "address", "add", f"{address}/24", "dev", ends[address])
            for device in ("lo", ends[address]):
                _ip("-n", name, "link", "set", device, "up")
        yield


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True)


@contextmanager
def _on(address: str, folder: Path, *command: str) -> "Iterator[subprocess.Popen[str]]":
    """A command on one host, in a working folder of its own, ended with the block."""
    folder.mkdir(parents=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "TMPDIR": str(folder),
        "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",  # after which a silent host is lost
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ("ip", "netns", "exec", NAMES[address], sys.executable, *command),
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _registered(worker, log):
    while "Registered to" not in log.read_text():
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended with {worker.wait(0.1)}: {log.read_text()}")


def test_fits_of_a_host_that_is_lost_end_with_the_same_numbers_on_the_other(
    hosts, digits_folder, tmp_path
):
    with workers.pool(Workers(count=0)) as pool:
        expected = {index: numbers(one) for index, one in pool.run(fits(digits_folder), "dense")}
    worker = ("-m", "dask", "worker", SCHEDULER, "--nthreads", "1", "--no-dashboard")
    written = tmp_path / "numbers.json"
    scheduler = ("-m", "dask", "scheduler", "--host", HERE, "--port", "8786", "--no-dashboard")
    with (
        _on(HERE, tmp_path / "scheduler", *scheduler),
        _on(HERE, tmp_path / "here", *worker, "--host", HERE) as here,
        _on(THERE, tmp_path / "there", *worker, "--host", THERE) as there,
    ):
        _registered(here, tmp_path / "here" / "log")
        _registered(there, tmp_path / "there" / "log")
        client = ("-c", CLIENT, str(digits_folder), SCHEDULER, str(written))
        with _on(HERE, tmp_path / "client", *client) as process:
            assert any(line.startswith("[1/4]") for line in process.stdout)
            _ip("-n", NAMES[THERE], "link", "set", "atlas-end-b", "down")
            process.communicate(timeout=240)
            assert process.returncode == 0, (tmp_path / "client" / "log").read_text()
        removed = f"Remove worker addr: tcp://{THERE}"
        assert removed in (tmp_path / "scheduler" / "log").read_text()
    found = json.loads(written.read_text())
    assert {int(index): text for index, text in found.items()} == expected
