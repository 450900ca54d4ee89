"""Data sets: where they come from (`catalog`), as fetched (`raw`), as trained on (`prepared`)."""

from overfit_atlas.errors import AtlasError


class DataError(AtlasError):
    """A data set cannot be used; the message names the file or class, what is wrong, the remedy."""
