"""What every fit needs, imported once in the process that workers are forked from (`forking`)."""

import signal

from pipeline import quiet

_interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the stage to answer
with quiet.silenced():
    import tensorflow as tensorflow

    from pipeline.training import fitting as fitting
    from pipeline.training import session as session
signal.signal(signal.SIGINT, _interrupted)
