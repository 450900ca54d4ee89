"""Workers forked from one process that has imported TensorFlow already.

Python's forkserver does it. It imports what fits need while the stage reads its data and reaches
MLflow, or under DVC is itself forked from a process that has done so for an earlier stage (`warm`);
workers, and those that replace lost ones, then start at once. TensorFlow is imported there
and nothing more: the server has one thread and no device, which begin in the workers. Only on
Linux, for other systems' libraries do not stand a fork; there every worker imports for itself.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver

from pipeline.quiet import THREADS
from pipeline.training import warm

METHOD = "forkserver" if sys.platform == "linux" else "spawn"
PRELOADED = "pipeline.training.preloaded"
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # the server is to have one thread
    "PYTHONHASHSEED": "0",
    **dict.fromkeys(THREADS, "1"),
}
"""Of a worker, from before its first import on: a process a core, so one thread each."""


def start() -> None:
    """Let the server begin to import, if it does not run yet; returns at once.

    It ends with this process, however that ends, within a second or so. Should it be killed, the
    next worker starts another one.
    """
    if METHOD != "forkserver":
        return
    multiprocessing.get_context(METHOD).set_forkserver_preload([PRELOADED])
    with environment():
        if not warm.adopt():
            forkserver.ensure_running()


@contextmanager
def environment() -> Iterator[None]:
    """This process has a worker's variables inside the block, and its own again after it."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
