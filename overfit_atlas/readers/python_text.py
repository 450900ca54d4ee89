"""Printed Python data, turned into lists and dicts without running any of it."""

import json
import re
from dataclasses import dataclass

MAX_PRINTED, MAX_HISTORIES = 400_000, 1000
_HISTORY = re.compile(r"\{\s*['\"][\w ./-]{1,60}['\"]\s*:\s*(?:array\()?\[")
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


def float_or_int(digits: str) -> int | float:
    """An int of up to 18 digits, else the nearest float: `int` of many digits takes long."""
    return int(digits) if len(digits) < 19 else float(digits)


def printed(text: str) -> tuple[list[dict[str, object]], str]:
    """The histories (dicts of lists) that are printed amid other text, and the rest of it."""
    found: list[dict[str, object]] = []
    rest: list[str] = []
    taken = passed = 0  # up to where the text is in a history, and up to where it was looked at
    for start in _HISTORY.finditer(text):
        if start.start() < passed:
            continue
        passed = _closing(text, start.start())
        if not passed or len(found) == MAX_HISTORIES:
            break
        data = converted(text[start.start() : passed])
        if isinstance(data, dict):
            found.append(data)
            rest.append(text[taken : start.start()])
            taken = passed
    return found, "".join([*rest, text[taken:]])


def _closing(text: str, start: int) -> int:
    """The end of the mapping that opens at `start`, 0 where it does not close."""
    depth = 0
    for sign in re.finditer(r"[{}]", text[start : start + MAX_PRINTED]):
        depth += 1 if sign[0] == "{" else -1
        if depth == 0:
            return start + sign.end()
    return 0


def converted(text: str) -> object:
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
