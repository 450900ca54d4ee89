"""JSON, lines of JSON, and printed Python data, without running any of it."""

import json
import re

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import notebooks, structures
from overfit_atlas.readers.python_text import converted, float_or_int
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.source import Source

MAX_PYTHON = 4 * 2**20


def read(source: Source) -> list[Raw] | None:
    """The tables in JSON or in printed Python data, None where the text is neither."""
    text = source.text.strip()
    start = re.match(r"^(?:[A-Za-z_]\w*\s*=\s*|defaultdict|OrderedDict)?\s*[\[{(]", text)
    if not start:
        return None
    if text[0] in "[{":
        lines = _lines(text)
        if lines is not None:
            return structures.read(lines, source.name, "json lines")
        data = _json(text, source)
        if data is not None:
            return _loaded(data, source)
    if text[0] == "[" and not re.match(r"^\[\s*[\[{('\"\d\]+-]", text):
        return None
    data = _python(text, source)
    return None if data is None else structures.read(data, source.name, "python text")


def _loaded(data: object, source: Source) -> list[Raw]:
    if isinstance(data, dict) and isinstance(data.get("cells"), list):
        return notebooks.read(data, source)
    return structures.read(data, source.name)


def _json(text: str, source: Source) -> object:
    try:
        return json.loads(text, parse_int=float_or_int)
    except RecursionError:
        raise ReadError(f"{source.label}: nested deeper than any training log") from None
    except ValueError:
        return None


def _lines(text: str) -> list[object] | None:
    """The objects of text with one JSON object (or printed dict) a line, None where it is other."""
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or not (lines[0].startswith("{") and lines[0].endswith("}")):
        return None
    rows: list[object] = []
    for i, line in enumerate(lines):
        if not line.startswith("{"):
            continue
        try:
            rows.append(json.loads(line, parse_int=float_or_int))
        except RecursionError:
            return None
        except ValueError:
            found = converted(line[:10_000])
            if found is None and i < len(lines) - 1:
                return None
            rows += [found] if found is not None else []
    return rows if len(rows) > 1 else None


def _python(text: str, source: Source) -> object:
    if len(text) > MAX_PYTHON:
        raise ReadError(f"{source.label}: Python text of more than {MAX_PYTHON // 2**20} MiB")
    return converted(re.sub(r"^[A-Za-z_]\w*\s*=\s*", "", text))
