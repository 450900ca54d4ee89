"""The one base of all errors that are a user's to mend: their message is shown without a traceback."""


class AtlasError(ValueError):
    """Something given to the program cannot be used; says what came, what fits, what to do."""
