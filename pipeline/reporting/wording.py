"""Numbers and sentences as the page writes them, in one language."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from matplotlib.figure import Figure

from overfit_atlas.words import table, text
from pipeline.plots import style
from pipeline.reporting.blocks import VERDICTS, Cell, Picture

NONE = "–"


@dataclass(frozen=True)
class Wording:
    """One language: `wording("answer.title")` is the text `report.answer.title` in it."""

    language: str

    def __call__(self, key: str, **values: Any) -> str:
        return text(f"report.{key}", self.language, **values)

    def verdict(self, name: str) -> str:
        """A verdict in words."""
        return text(f"verdict.name.{name}", self.language)

    def verdict_cell(self, name: str) -> Cell:
        """A verdict as a cell; a dash where there is none."""
        found = next((verdict for verdict in VERDICTS if verdict == name), None)
        return Cell(NONE) if found is None else Cell(self.verdict(found), found, verdict=found)

    def kind(self, kind: str) -> str:
        """The class of a remedy in words ("Cures", ...); a dash where there is none."""
        key = f"figure.kind_short.{kind.replace(' ', '_')}"
        return text(key, self.language) if key in table(self.language) else kind or NONE

    def or_itself(self, key: str, name: str) -> str:
        """The text `key.name` where there is one, else `name`: for names other parts may add."""
        known = f"report.{key}.{name}" in table(self.language)
        return self(f"{key}.{name}") if known else name

    def listed(self, items: Sequence[str]) -> str:
        """Several names as a sentence lists them: "a, b and c"."""
        if len(items) < 2:
            return "".join(items)
        return self("page.and", first=self.joined("page.comma", items[:-1]), last=items[-1])

    def joined(self, key: str, items: Sequence[str]) -> str:
        """Several texts as one, two by two by the text `key` with its {first} and {last}."""
        return reduce(lambda first, last: self(key, first=first, last=last), items)

    def span(self, low: Any, high: Any, form: Callable[[Any], str]) -> str:
        """An interval, or nothing where it is not known."""
        if not known(low) or not known(high):
            return ""
        ends = form(low), form(high)
        has_sign = any(end[0] in "+−" for end in ends)
        dash = "page.range_signed" if has_sign else "page.range"
        return self(dash, low=ends[0].removesuffix("%"), high=ends[1])

    def with_span(self, value: Any, low: Any, high: Any, form: Callable[[Any], str]) -> str:
        """A number with its interval behind it, as cells of tables show it."""
        inside = self.span(low, high, form)
        if not inside or form(low) == form(value) == form(high):
            return form(value)
        return f"{form(value)} ({inside})"

    def scored(self, scores: Mapping[str, Any], name: str, form: Callable[[Any], str]) -> Cell:
        """The score `name` as a cell, with `{name}_interval` below it where there is one."""
        low, high = scores.get(f"{name}_interval") or (None, None)
        return cell(scores.get(name), form, detail=self.span(low, high, form))

    def picture(self, figure: Figure, finding: str, reading: str = "") -> Picture:
        """`figure` for the page; its own title opens the alternative text."""
        figure.set_layout_engine("none")  # it was laid out when it was drawn; once is enough
        lines = figure.texts[0].get_text() if figure.texts else ""
        title = lines.replace("\n", "" if self.language == "ja" else " ")
        return Picture(style.png(figure), title, finding, reading)


def known(value: Any) -> bool:
    """Whether there is a finite number at all."""
    return value is not None and value != "" and math.isfinite(float(value))


def number(value: Any, digits: int = 2) -> str:
    """A number with a true minus sign; a dash where there is none."""
    return _plain(f"{float(value):.{digits}f}") if known(value) else NONE


def _plain(digits: str) -> str:
    """A true minus sign, and no sign at all before what was rounded to zero."""
    return digits.replace("-", "−") if digits.strip("+-0.,") else digits.lstrip("+-")


def three(value: Any) -> str:
    """A number with three digits after the point."""
    return number(value, 3)


def signed(value: Any, digits: int = 2) -> str:
    """A difference: it has its sign, unless it rounds to zero."""
    return _plain(f"{float(value):+.{digits}f}") if known(value) else NONE


def percent(value: Any, digits: int = 1) -> str:
    """A share 0..1 as per cent."""
    return _plain(f"{100 * float(value):.{digits}f}") + "%" if known(value) else NONE


def whole_percent(value: Any) -> str:
    """A share 0..1 as whole per cent."""
    return percent(value, 0)


def p_value(value: Any) -> str:
    """A probability that may be tiny."""
    return "<0.001" if known(value) and float(value) < 0.001 else three(value)


def points(value: Any) -> str:
    """A difference of shares, in percentage points, without the unit."""
    return signed(100 * float(value), 1) if known(value) else NONE


def whole(value: Any) -> str:
    """A count, with commas."""
    return _plain(f"{float(value):,.0f}") if known(value) else NONE


def epoch(value: Any) -> str:
    """An epoch; medians may lie halfway between two."""
    return f"{float(value):.3g}" if known(value) else NONE


def as_yaml(value: Any) -> str:
    """A value as params.yaml spells it."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def cell(value: Any, form: Callable[[Any], str], **more: Any) -> Cell:
    """A cell that shows `value` by `form` and sorts by it."""
    return Cell(form(value), float(value) if known(value) else None, **more)


def named(name: str, swatch: str = "") -> Cell:
    """A cell that shows and sorts by a name."""
    return Cell(style.short(name, 32), name, swatch)
