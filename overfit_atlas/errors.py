"""What the light core refuses, each in one line that says what came and what would work."""


class AtlasError(Exception):
    """A refusal in one line: what came, what was expected, what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class ReadError(AtlasError):
    """A source that is no training log, or one that cannot be read rightly."""
