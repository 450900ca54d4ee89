"""Named lists in plain text, as YAML writes dicts of lists and as people paste them."""

import re

from overfit_atlas.readers import structures
from overfit_atlas.readers.names import is_curve
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.source import Source

_KEY = re.compile(r"^(\s*)['\"]?([A-Za-z_][\w /.-]{0,80}?)['\"]?\s*[:=]\s*(\[.*\])?\s*$")
_ITEM = re.compile(r"^\s*-\s*([-+.\w]+)\s*$")


def read(source: Source) -> list[Raw] | None:
    """The table of lines "name:" with items "- 0.5" below, or "name: [0.5, ...]"; else None.

    A name that stands further in than the one before it belongs to that one ("train:", "  loss:").
    """
    columns: dict[tuple[str, ...], list[object]] = {}
    own: list[object] | None = None
    above: list[tuple[int, str]] = []
    for line in source.text.splitlines():
        if (item := _ITEM.match(line)) and own is not None:
            own.append(item[1])
        elif key := _KEY.match(line):
            depth = len(key[1].expandtabs())
            above = [*(one for one in above if one[0] < depth), (depth, key[2])][
                -structures.MAX_DEPTH :
            ]
            cells = key[3][1:-1].split(",") if key[3] else []
            own = columns.setdefault(tuple(name for _, name in above), [])
            own += [cell for cell in cells if cell.strip()]
        elif line.strip():
            own = None
    found = {path: values for path, values in columns.items() if len(values) > 1}
    if sum(is_curve(" ".join(path[-2:])) or is_curve(path[-1]) for path in found) < 2:
        return None
    return structures.read(_nested(found), source.name, "lists")


def _nested(columns: dict[tuple[str, ...], list[object]]) -> dict[str, object]:
    out: dict[str, object] = {}
    for path, values in columns.items():
        inner = out
        for name in path[:-1]:
            held = inner.setdefault(name, {})
            inner = held if isinstance(held, dict) else {}
        inner[path[-1]] = values
    return out
