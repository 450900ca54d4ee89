"""The table in docs/performance.md, written between two comments; the prose around it stays."""

import json
import statistics
import string
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.measured import MIN_SEEDS, Measured, ratios
from benchmarks.rows import ROWS, Row
from benchmarks.setting import ROUNDS
from scripts.marked_blocks import replaced

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
RECORD = Path(__file__).with_name("measured.json")
BEGIN = "<!-- measured: begin; written by `python -m benchmarks` -->"
END = "<!-- measured: end -->"
PARTS = "<!-- stages: begin; written by `python -m benchmarks` -->", "<!-- stages: end -->"
HEAD = "| work | at least | aim | measured | notebook | ours | same validation loss | how |"


def read(path: Path = RECORD) -> dict[str, Measured]:
    """What earlier runs measured, by row."""
    if not path.exists():
        return {}
    found = [Measured.from_json(one) for one in json.loads(path.read_text(encoding="utf-8"))]
    return {one.name: one for one in found}


def record(found: Mapping[str, Measured], path: Path = RECORD) -> None:
    """Keep what was measured, so that rows can be measured on different days."""
    rows = [one.to_json() for one in found.values()]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def write(found: Mapping[str, Measured], path: Path = DOCUMENT) -> None:
    """Replace what stands between the comments of `path`."""
    replace_between(path, (BEGIN, END), markdown(found))
    replace_between(path, PARTS, parts(found.get("whole")))


def replace_between(path: Path, comments: tuple[str, str], made: str) -> None:
    """Replace what stands between two comments of a file.

    Raises:
        ValueError: the comments are not there.
    """
    text = path.read_text(encoding="utf-8")
    try:
        text = replaced(text, *comments, f"\n{made}\n")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    path.write_text(text, encoding="utf-8")


def markdown(found: Mapping[str, Measured]) -> str:
    """The table of all rows, measured or not, and what each was measured on."""
    ruler = "|" + " --- |" * (HEAD.count("|") - 1)
    letters = machines(found)
    lines = [line(row, found.get(row.name), letters) for row in ROWS]
    told = [f"- Machine {letter}: {kind}; {more}." for (kind, more), letter in letters.items()]
    return "\n".join([HEAD, ruler, *lines, "", *told])


def parts(found: Measured | None) -> str:
    """What all of `make repro` is made of: a line a stage, and their sum."""
    if found is None:
        return "not measured"
    lines = [f"| {part} | {seconds:.1f} |" for part, seconds in found.parts.items()]
    total = f"| **together** | **{sum(found.parts.values()):.1f}** |"
    return "\n".join(["| stage | seconds |", "| --- | --- |", *lines, total])


def line(
    row: Row, found: Measured | None, letters: Mapping[tuple[str, str], str] | None = None
) -> str:
    """One row of the table.

    Args:
        letters: of the machines that the table explains.
    """
    sign = "" if row.unit == "x" else "at most "
    bars = [f"{sign}{_number(value, row.unit)}" for value in (row.least, row.aim)]
    if found is None:
        return _joined([row.title, *bars, "not measured", "", "", "", ""])
    value = row.value(found)
    cells = [f"**{_number(value, row.unit)}** ({_range(row, found)}), {row.reached(value)}"]
    cells += [_amount(found.notebook, found.unit), _amount(found.ours, found.unit)]
    return _joined([row.title, *bars, *cells, losses(found), how(found, letters or {})])


def losses(found: Measured) -> str:
    """Mean and spread of both sides' final losses, and whether they are the same."""
    if not found.ours_losses:
        return "-"
    texts = [_mean(found.notebook_losses), _mean(found.ours_losses)]
    verdict = {True: "yes", False: "**no**", None: f"fewer than {MIN_SEEDS} seeds"}
    return f"{verdict[found.same_loss()]}: {texts[0]} / {texts[1]}"


def how(found: Measured, letters: Mapping[tuple[str, str], str]) -> str:
    """The circumstances of a row."""
    quick = " (quick: fewer or smaller than meant)" if found.quick else ""
    loads = f"load average {found.load[0]} to {found.load[1]}"
    rounds = f"{len(found.ours)} rounds of {ROUNDS}{quick}" if found.quick else (
        f"{len(found.ours)} rounds"
    )  # fmt: skip
    letter = letters.get((found.machine, found.software))
    where = f", machine {letter}" if letter else ""
    return f"{found.remark}; {rounds}, {found.when}, {loads}{where}"


def machines(found: Mapping[str, Measured]) -> dict[tuple[str, str], str]:
    """A letter for each machine and its software, in the order of the rows."""
    known = [found[row.name] for row in ROWS if row.name in found]
    pairs = dict.fromkeys((one.machine, one.software) for one in known if one.machine)
    return {pair: string.ascii_uppercase[place] for place, pair in enumerate(pairs)}


def _number(value: float, unit: str) -> str:
    digits = f"{value:.0f}" if unit == "MB" else f"{value:.3g}"
    return f"{digits}x" if unit == "x" else f"{digits} {unit}"


def _range(row: Row, found: Measured) -> str:
    values = ratios(found.notebook, found.ours) if row.unit == "x" else found.ours
    return f"{min(values):.3g} to {max(values):.3g}"


def _amount(values: list[float], unit: str) -> str:
    if not values:
        return "-"
    middle = statistics.median(values)
    return f"{1 / middle:,.0f} images/s" if unit == "s/image" else f"{middle:,.1f} {unit}"


def _mean(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def _joined(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
