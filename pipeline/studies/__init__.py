"""Which points of the map to try next, and where the trials are kept."""
