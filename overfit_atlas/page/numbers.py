"""Numbers and intervals as the page writes them: one rounding a quantity."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from overfit_atlas.words import Probability, text

NONE = "–"
KANA = "[\u3040-\u9fff]"  # Japanese letters: no space between two of them


def known(value: Any) -> bool:
    """Whether there is a finite number at all."""
    return isinstance(value, int | float) and math.isfinite(float(value))


def number(value: Any, digits: int = 2) -> str:
    """A number with a true minus sign; a dash where there is none."""
    return _plain(f"{float(value):.{digits}f}") if known(value) else NONE


def signed(value: Any, digits: int = 2) -> str:
    """A difference in nats: it has its sign, unless it rounds to zero."""
    return _plain(f"{float(value):+.{digits}f}") if known(value) else NONE


def percent(value: Any, digits: int = 1) -> str:
    """A share 0..1 as per cent."""
    return _plain(f"{100 * float(value):.{digits}f}") + "%" if known(value) else NONE


def likely(value: Any) -> str:
    """A probability 0..1 as a whole per cent, never as certain."""
    return f"{Probability(value):.0%}" if known(value) else NONE


def points(value: Any) -> str:
    """A difference of shares in percentage points, without the unit."""
    return signed(100 * float(value), 1) if known(value) else NONE


def chance(value: Any) -> str:
    """A p-value: never as if it were zero."""
    return "<0.001" if known(value) and float(value) < 0.0005 else number(value, 3)


def whole(value: Any) -> str:
    """A count, with commas."""
    return _plain(f"{float(value):,.0f}") if known(value) else NONE


def _plain(digits: str) -> str:
    """A true minus sign, and no sign at all before what was rounded to zero."""
    return digits.replace("-", "−") if digits.strip("+-0.,") else digits.lstrip("+-")


def true_minus(sentence: str) -> str:
    """A sentence whose negative numbers have a true minus sign."""
    return re.sub(r"(?<![\w-])-(?=\d)", "−", sentence)


def with_span(value: Any, ends: Sequence[Any], form: Callable[[Any], str], language: str) -> str:
    """A number with its interval (low, high) behind it, where there is one."""
    low, high = (*ends, None, None)[:2]
    if not known(value) or not known(low) or not known(high):
        return form(value)
    dash = "range_signed" if form in (signed, points) else "range"
    span = {"value": form(value), "low": form(low).removesuffix("%"), "high": form(high)}
    return text(f"page.{dash}", language, **span)


def estimate(found: Mapping[str, Any] | None, form: Callable[[Any], str], language: str) -> str:
    """An estimate of a record (value, low, high) with its interval; a dash where there is none."""
    one = found or {}
    return with_span(one.get("value"), (one.get("low"), one.get("high")), form, language)


def listed(items: Sequence[str], language: str) -> str:
    """Several names as a sentence lists them: "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    first = reduce(lambda a, b: text("page.comma", language, first=a, last=b), items[:-1])
    said = text("page.and", language, first=first, last=items[-1])
    return re.sub(f"(?<={KANA}) (?=と)|(?<=と) (?={KANA})", "", said)


def rounded(values: Any, digits: int = 4) -> list[float | None]:
    """Numbers as short as the page needs them; None for what is not finite."""
    return [round(float(one), digits) if math.isfinite(float(one)) else None for one in values]
