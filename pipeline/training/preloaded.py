"""What every fit needs, imported once in the process that workers are forked from (`forking`)."""

import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline import quiet

POLL_SECONDS = 0.5
UNUSED = "matplotlib", "sklearn"
"""Keras imports them where it finds them, for pictures and wrappers that no fit needs: 1 s. Those
of its functions say in workers that they are not there; for all other code they are."""
_stage = os.getppid()


def _end_with_stage(*_: Any) -> None:
    if os.getppid() != _stage:
        os._exit(1)  # Python's server would look only when all is imported


@contextmanager
def _as_if_missing(names: Sequence[str]) -> Iterator[None]:
    """Inside the block an import of one of `names` raises ImportError, unless it came before."""
    missing = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None: not to be found
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


_interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage to answer
_alarmed = signal.signal(signal.SIGALRM, _end_with_stage)
signal.setitimer(signal.ITIMER_REAL, POLL_SECONDS, POLL_SECONDS)
gc.disable()
try:
    with quiet.silenced(), _as_if_missing(UNUSED):
        import distributed as distributed
        import tensorflow as tensorflow

        from pipeline.training import fitting as fitting
        from pipeline.training import session as session
        from pipeline.training import subset as subset
    gc.freeze()  # what is imported is no garbage, and workers go on to share its memory
finally:  # workers have these as this process leaves them
    gc.enable()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, _alarmed)
    signal.signal(signal.SIGINT, _interrupted)
