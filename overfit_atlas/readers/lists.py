"""Named lists in plain text, as YAML writes a dict of lists and as people paste them."""

import re

from overfit_atlas.readers import structures
from overfit_atlas.readers.names import is_curve
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.source import Source

_KEY = re.compile(r"^\s*['\"]?([A-Za-z_][\w /.-]{0,80}?)['\"]?\s*[:=]\s*(\[.*\])?\s*$")
_ITEM = re.compile(r"^\s*-\s*([-+.\w]+)\s*$")


def read(source: Source) -> list[Raw] | None:
    """The table of lines "name:" with items "- 0.5" below, or "name: [0.5, ...]"; else None."""
    columns: dict[str, list[object]] = {}
    own: list[object] | None = None
    for line in source.text.splitlines():
        if (item := _ITEM.match(line)) and own is not None:
            own.append(item[1])
        elif key := _KEY.match(line):
            cells = key[2][1:-1].split(",") if key[2] else []
            own = columns.setdefault(key[1], [])
            own += [cell for cell in cells if cell.strip()]
        elif line.strip():
            own = None
    found = {name: values for name, values in columns.items() if len(values) > 1}
    if sum(is_curve(name) for name in found) < 2:
        return None
    return structures.read(found, source.name, "lists")
