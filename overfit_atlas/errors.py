"""The errors that are the user's to mend: their message is shown, no traceback."""


class AtlasError(ValueError):
    """Something given to the program cannot be used; says what came, what fits, what to do."""


class ReadError(AtlasError):
    """A source that is no training log, or one that cannot be read rightly."""
