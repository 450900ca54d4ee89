"""The base of all errors that are the user's to mend: their message is shown, no traceback."""


class AtlasError(ValueError):
    """Something given to the program cannot be used; says what came, what fits, what to do."""
