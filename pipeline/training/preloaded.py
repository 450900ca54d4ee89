"""What every fit needs, imported once in the process that workers are forked from (`forking`)."""

import os
import signal
from typing import Any

from pipeline import quiet

POLL_SECONDS = 0.5
_stage = os.getppid()


def _end_with_stage(*_: Any) -> None:
    if os.getppid() != _stage:
        os._exit(1)  # Python's server would look only when all is imported


_interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage to answer
_alarmed = signal.signal(signal.SIGALRM, _end_with_stage)
signal.setitimer(signal.ITIMER_REAL, POLL_SECONDS, POLL_SECONDS)
with quiet.silenced():
    import tensorflow as tensorflow

    from pipeline.training import fitting as fitting
    from pipeline.training import session as session
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, _alarmed)
signal.signal(signal.SIGINT, _interrupted)
