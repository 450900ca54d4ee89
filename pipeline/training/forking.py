"""Workers forked from one process that has imported TensorFlow already.

Python's forkserver does it. It imports what fits need while the stage reads its data and reaches
MLflow; workers, and those that replace lost ones, then start at once. TensorFlow is imported there
and nothing more: its threads and devices begin in the workers. Only on Linux, for other systems'
libraries do not stand a fork; there every worker imports for itself.
"""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver

from pipeline.quiet import THREADS

METHOD = "forkserver" if sys.platform == "linux" else "spawn"
PRELOADED = "pipeline.training.preloaded"
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    **dict.fromkeys(THREADS, "1"),
}
"""Of a worker, from before its first import on: a process a core, so one thread each."""


def start() -> None:
    """Let the server begin to import, if it does not run yet; returns at once.

    It ends with this process, however that ends.
    """
    if METHOD != "forkserver":
        return
    multiprocessing.get_context(METHOD).set_forkserver_preload([PRELOADED])
    with _set(ENVIRONMENT):
        forkserver.ensure_running()


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
