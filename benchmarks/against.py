"""Whether a row fell: `python -m benchmarks --against FILE`."""

from benchmarks.measured import Measured, ratios
from benchmarks.rows import Row

LEAST = 0.02
"""A smaller fall than this share is none, however quiet the rounds were."""


def compared(row: Row, now: Measured, before: Measured | None) -> tuple[str, bool]:
    """A line for people, and whether the row fell by more than its noise.

    The noise is that of the rounds: a row fell where every round is worse than every round before,
    which rounds of one distribution do once in 252 times, five against five. Rows of another kind
    of machine or of another amount of work are not compared.
    """
    if before is None:
        return f"{row.name}: nothing to compare with", False
    for what, one, other in (
        ("machine", before.machine, now.machine),
        ("share of the work", f"1/{before.shrink}", f"1/{now.shrink}"),
    ):
        if one != other:
            return f"{row.name}: not compared, another {what}: {one or 'not known'}", False
    old, new = _values(row, before), _values(row, now)
    change = row.value(now) / row.value(before) - 1
    better, worse = (max, min) if row.unit == "x" else (min, max)
    apart = better(new) < worse(old) if row.unit == "x" else better(new) > worse(old)
    fell = apart and abs(change) > LEAST
    said = "FELL: every round is worse than every round before" if fell else "holds"
    amounts = f"{row.value(before):.3g} -> {row.value(now):.3g} {row.unit}"
    return f"{row.name}: {amounts} ({change:+.1%}): {said}", fell


def _values(row: Row, found: Measured) -> list[float]:
    return ratios(found.notebook, found.ours) if row.unit == "x" else found.ours
