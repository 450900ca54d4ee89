import os
import subprocess
import sys

from pipeline.tracking import process


def test_this_process_is_alive() -> None:
    assert process.is_alive(process.mark())


def test_another_process_of_the_same_number_is_not_this_one() -> None:
    assert not process.is_alive(f"{os.getpid()}:1")


def test_nothing_is_not_alive() -> None:
    assert not process.is_alive("")
    assert not process.is_alive("x:1")
    assert not process.is_alive("999999999:")


def test_a_process_that_ended_is_not_alive_even_before_it_is_reaped() -> None:
    code = "from pipeline.tracking import process; print(process.mark(), flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout and child.stdin
    owner = child.stdout.readline().strip()
    assert process.is_alive(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_alive(owner)
    child.communicate()
    assert not process.is_alive(owner)


def test_the_host_is_safe_inside_quotes() -> None:
    assert process.host() and "'" not in process.host()
