"""Blocks of documents that a command writes: what stands between two comments of their own."""

import re


def replaced(text: str, begin: str, end: str, made: str) -> str:
    """`text` with `made`, as it is, wherever something stands between the comments.

    Raises:
        ValueError: the comments are not there.
    """
    parts = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", text, flags=re.DOTALL)
    if len(parts) == 1:
        raise ValueError(f"{begin!r} and {end!r} are missing.")
    return f"{begin}{made}{end}".join(parts)
