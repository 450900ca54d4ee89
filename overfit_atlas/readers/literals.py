"""JSON, lines of JSON, and printed Python data, without running any of it."""

import json
import re
from dataclasses import dataclass

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import structures
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.source import Source

MAX_PYTHON = 4 * 2**20
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>[bru]?'(?:[^'\\]|\\.)*'|[bru]?"(?:[^"\\]|\\.)*")"""
    r"""|(?P<number>[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b)"""
    r"""|(?P<opaque><[^<>]*>)|(?P<keyword>[A-Za-z_]\w*\s*=(?!=))"""
    r"""|(?P<word>[A-Za-z_][\w.]*)|(?P<sign>[\[\]{}(),:]))""",
    re.I,
)
_WORDS = {"None": "null", "True": "true", "False": "false", "null": "null", "true": "true"}
_WORDS |= {
    "list": "",
    "int": "",
    "float": "",
    "dict": "",
    "false": "false",
    "NaN": "NaN",
    "Infinity": "Infinity",
}


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
        from overfit_atlas.readers import console

        return console.notebook(data, source)
    return structures.read(data, source.name)


def _json(text: str, source: Source) -> object:
    try:
        return json.loads(text, parse_int=float_or_int)
    except RecursionError:
        raise ReadError(f"{source.label}: nested deeper than any training log") from None
    except ValueError:
        return None


def float_or_int(digits: str) -> int | float:
    """An int of up to 18 digits, else the nearest float: `int` of many digits takes long."""
    return int(digits) if len(digits) < 19 else float(digits)


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
            found = _converted(line[:10_000])
            if found is None and i < len(lines) - 1:
                return None
            rows += [found] if found is not None else []
    return rows if len(rows) > 1 else None


def _python(text: str, source: Source) -> object:
    if len(text) > MAX_PYTHON:
        raise ReadError(f"{source.label}: Python text of more than {MAX_PYTHON // 2**20} MiB")
    return _converted(re.sub(r"^[A-Za-z_]\w*\s*=\s*", "", text))


def _converted(text: str) -> object:
    """Printed Python data (dicts, lists, tuples, NumPy's and torch's numbers), None if it is other.

    Of a call such as np.float32(0.5) or array([...], dtype=float32) the first argument stands.
    """
    parts: list[str] = []
    stack: list[_Open] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        token = _TOKEN.match(text, position)
        if token is None or token.end() == position:
            return None
        position = token.end()
        if token.lastgroup == "sign":
            _sign(token, text, parts, stack)
        elif not (stack and stack[-1].over) and (piece := _as_json(token, text)):
            parts.append(piece)
    try:
        return json.loads(re.sub(r",\s*(?=[\]}])", "", "".join(parts)), parse_int=float_or_int)
    except (ValueError, RecursionError):
        return None


@dataclass
class _Open:
    """An open bracket, how it closes in JSON, and for a call whether its argument has passed."""

    closes: str
    start: int  # parts there were when it opened
    over: bool = False


def _as_json(token: re.Match[str], text: str) -> str:
    kind, found = str(token.lastgroup), token[0].strip()
    if kind == "string":
        return json.dumps(re.sub(r"^[bruBRU]?['\"]|['\"]$", "", found))
    if kind == "number":
        small = found.lower().lstrip("+-")
        if small[0] in "ni":
            return "NaN" if small[0] == "n" else ("-" if found[0] == "-" else "") + "Infinity"
        return json.dumps(float(found.replace("_", "")))
    if kind == "word" and text[token.end() : token.end() + 1] != "(":
        return _WORDS.get(found, "null")
    return ""


def _sign(token: re.Match[str], text: str, parts: list[str], stack: list[_Open]) -> None:
    """Puts one bracket, comma or colon among `parts`."""
    sign, silent = token["sign"], bool(stack and stack[-1].over)
    if sign in "([{":
        call = sign == "(" and re.match(r"\w", text[max(token.start("sign") - 1, 0)])
        closes = "" if call or silent else "}" if sign == "{" else "]"
        if closes:
            parts.append("{" if sign == "{" else "[")
        stack.append(_Open(closes, len(parts), silent))
    elif sign in ")]}":
        parts.append(stack.pop().closes if stack else "]")
    elif stack and stack[-1].closes == "" and sign == ",":
        stack[-1].over = len(parts) > stack[-1].start
    elif not silent:
        parts.append(sign)
