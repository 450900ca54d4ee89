"""The errors that are the user's to mend: their message is shown, no traceback."""

from overfit_atlas import addresses


class AtlasError(ValueError):
    """Something given to the program cannot be used; says what came, what fits, what to do.

    No password gets into the message.
    """

    def __init__(self, *parts: object) -> None:
        super().__init__(*(addresses.masked(p) if isinstance(p, str) else p for p in parts))


class ReadError(AtlasError):
    """A source that is no training log, or one that cannot be read rightly."""
