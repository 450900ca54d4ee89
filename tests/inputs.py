"""Bad inputs made up by the thousand: how many, and how the bytes of a whole file are damaged.

`ATLAS_INPUTS=20 python -m pytest -m "" tests/test_params.py tests/data` tries twenty times as many.
"""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FACTOR = int(os.environ.get("ATLAS_INPUTS", "1"))
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def examples(count: int) -> settings:
    """A test with `count` inputs, or as many times more as ATLAS_INPUTS says."""
    return settings(max_examples=count * FACTOR, deadline=None, suppress_health_check=SLOW)


def damaged(data: Any, whole: bytes) -> bytes:
    """`whole` with a few bytes set, cut off, put in or taken out; `data` is hypothesis' own."""
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert", "delete"]))
        if kind == "set":
            content[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[max(1, at) :]
        elif kind == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            del content[at : min(at + 8, len(content) - 1)]
    return bytes(content)
