"""TensorFlow without the lines it prints about this machine, which heed no log level."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
_importing = threading.Lock()


def tensorflow(threads: int | None = None) -> Any:
    """The module, imported and its devices found, with standard error silent meanwhile.

    Args:
        threads: for each kind of parallelism; None: what the environment or TensorFlow chooses.

    Raises:
        RuntimeError: TensorFlow runs already, with another number of threads.
    """
    if threads and any(os.environ.get(name) != str(threads) for name in THREADS):
        if "tensorflow" in sys.modules:
            raise RuntimeError(f"TensorFlow runs already; it can no longer take {threads=}.")
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
    with _importing:
        return _imported()


@lru_cache(maxsize=1)
def _imported() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # It changes the numbers: they follow from params.yaml, not from who happened to set it.
    os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
    with silenced():
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        tf.constant(0)
    return tf


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing this process writes to standard error is seen, whatever wrote it."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
