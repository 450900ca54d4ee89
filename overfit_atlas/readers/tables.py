"""Delimited and aligned tables: CSV of any kind, Excel's, Markdown's, printed ones."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from overfit_atlas.errors import ReadError
from overfit_atlas.readers.names import is_curve, meaning
from overfit_atlas.readers.raw import Facts, Raw, named
from overfit_atlas.readers.records import Note
from overfit_atlas.readers.rows import VALUE
from overfit_atlas.readers.source import Source
from overfit_atlas.readers.table import Table, number, table

SEARCHED = 60  # lines before which a header must stand
MAX_LINE = 200_000
_DECIMAL = re.compile(r"(?<![\w@>.])\d+[.,]\d")  # but for thresholds in names ("PCK@0.5")
_RULE = re.compile(r"^[\s\-|+:=─━│┃┼╇]*$")
_METRIC = re.compile(r"^(?:metric|metric[_ ]?name|tag|key|name|variable)$", re.I)
Rows = list[list[str]]
Split = Callable[[str], list[str]]
"""A way to split a line into cells."""


@dataclass(frozen=True)
class Section:
    """A header and the rows under it."""

    header: tuple[str, ...]
    rows: Rows


def read(source: Source) -> list[Raw] | None:
    """The tables of `source`, None where it is none."""
    lines = _with_whole_headers([ln for ln in source.text.splitlines() if not _RULE.match(ln)])
    if lines and lines[0].lower().startswith("sep="):
        lines = lines[1:]
    for split in (_by("\t"), _by(";"), _by(","), _bars, _columns, str.split):
        sections = _sections(split, lines)
        if sections:
            return _raws(source, sections)
    _refuse_nameless(source, lines)
    return None


def _with_whole_headers(lines: list[str]) -> list[str]:
    """`lines` in which a header of two lines between bars, as Matlab prints it, is one."""
    for i, (first, second) in enumerate(
        zip(lines[:SEARCHED], lines[1 : SEARCHED + 1], strict=False)
    ):
        above, below = _bars(first), _bars(second)
        if 2 < len(above) == len(below) <= 50 and not any(
            cell.strip() and _numeric(cell) for cell in above + below
        ):
            both = [f"{a.strip()} {b.strip()}".strip() for a, b in zip(above, below, strict=True)]
            both = [re.sub(r"\s*\(.*\)$", "", cell) for cell in both]
            if is_header(both) and not is_header(above):
                return [*lines[:i], "|".join(["", *both, ""]), *lines[i + 2 :]]
    return lines


def _by(mark: str) -> Split:
    def split(line: str) -> list[str]:
        return (
            next(csv.reader([line], delimiter=mark, skipinitialspace=True), [])
            if mark in line
            else []
        )

    return split


def _bars(line: str) -> list[str]:
    line = line.replace("│", "|").replace("┃", "|").strip()
    return line.strip("|").split("|") if line.startswith("|") else []


def _columns(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def _split(split: Split, line: str) -> list[str]:
    if len(line) > MAX_LINE:
        return []
    try:
        return [cell.strip() for cell in split(line)]
    except csv.Error:
        return []


def _sections(split: Split, lines: list[str]) -> list[Section]:
    """Headers and rows by one way of splitting lines; none where no header is found."""
    start = next((i for i, line in enumerate(lines[:SEARCHED])
                  if _starts(split, lines, i)), None)  # fmt: skip
    if start is None:
        return []
    found: list[Section] = []
    for line in lines[start:]:
        cells = _split(split, line)
        if is_header(cells):
            found.append(Section(tuple(_clean(cells)), []))
        elif len(cells) > 1 or (cells and len(found[-1].header) == 1):
            found[-1].rows.append(cells)
    return [section for section in found if section.rows]


def _starts(split: Split, lines: list[str], i: int) -> bool:
    header = _split(split, lines[i])
    if not is_header(header):
        return False
    below = [_split(split, line) for line in lines[i + 1 : i + 4]]
    return any(
        0.8 * len(header) - 1 <= len(cells) <= len(header) + 1
        and sum(_numeric(c) for c in cells) >= 0.4 * len(cells)
        for cells in below if cells
    ) if below else False  # fmt: skip


def _numeric(cell: str) -> bool:
    return not isinstance(number(cell), str)


def is_header(cells: Sequence[str]) -> bool:
    """Whether `cells` are names, one of them that of a curve, and none holds a number."""
    if len(cells) < 2 or any(
        _DECIMAL.search(c) or (":" in c.strip(":") and len(c) > 60) for c in cells
    ):
        return False
    found = [cell.strip() for cell in cells]
    if any(_is_number(cell) for cell in found) or any("=" in cell for cell in found):
        return False
    if {cell.lower() for cell in found} & VALUE and any(_METRIC.match(cell) for cell in found):
        return True
    known = sum(is_curve(cell) or meaning(cell).kind == "topk" for cell in found)
    return known >= 2 or (known == 1 and any(meaning(c).kind in {"epoch", "step"} for c in found)) \
        or (known == 1 and len(found) == 2 and not found[0])  # fmt: skip


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _clean(header: list[str]) -> list[str]:
    """Names, each once, without a leading comment sign."""
    names: list[str] = []
    for i, cell in enumerate(header):
        name = cell.strip().strip("\"'*`").strip()
        name = name.lstrip("#").strip() if i == 0 and len(name) > 1 else name
        names.append(name if name not in names else f"{name} ({i + 1})")
    return names


def _raws(source: Source, sections: list[Section]) -> list[Raw]:
    """One table a header; sections of one header are one table, told apart where epochs do not."""
    merged: list[Section] = []
    for section in sections:
        if merged and section.header == merged[-1].header and _has_epoch(section.header):
            merged[-1].rows.extend(section.rows)
        else:
            merged.append(section)
    raws = []
    for i, section in enumerate(merged):
        built, notes = _table(source, section)
        name = source.name if len(merged) == 1 else f"{source.name} (run {i + 1})"
        if len(merged) > 1:
            notes = [*notes, Note("header_again", {"tables": len(merged)})]
        kind, facts = family(section.header, source)
        _refuse_one_row(source, section, built)
        raws.append(Raw(name, built, kind, facts, notes=tuple(notes)))
    return raws


def _has_epoch(header: Sequence[str]) -> bool:
    return any(meaning(name).kind == "epoch" for name in header)


def _table(source: Source, section: Section) -> tuple[Table, list[Note]]:
    """The table of a section; refuses rows that have other cells than there are names."""
    header, width = list(section.header), len(section.header)
    filled = [_trimmed(row, width) for row in section.rows]
    wider = [i for i, row in enumerate(filled) if len(row) > width]
    if len(wider) == len(filled) and {len(row) for row in filled} == {width + 1}:
        header = ["", *header]
    elif wider:
        raise ReadError(
            f"{source.label}: row {wider[0] + 2} has {len(filled[wider[0]])} values under {width} "
            "names: a run with other columns was appended; give each run a file of its own"
        )
    notes = []
    usual = Counter(len(row) for row in filled).most_common(1)[0][0]
    if 0.8 * width - 1 <= usual < width:  # the last columns are blank and have no marks either
        filled = [row + [""] * (width - len(row)) if len(row) >= usual else row for row in filled]
    if len(filled[-1]) < width and len(filled) > 1:
        filled.pop()
        notes.append(Note("row_cut_short"))
    short = next((i for i, row in enumerate(filled) if len(row) < len(header)), None)
    if short is not None and len(filled[short]) < width - 1:
        filled = [row for row in filled if len(row) >= len(header)]
        notes.append(Note("rows_cut_short"))
    if not filled:
        raise ReadError(f"{source.label}: a header and no whole row")
    rows = [row + [""] * (len(header) - len(row)) for row in filled]
    return table({name: [row[i] for row in rows] for i, name in enumerate(header)}), notes


def _trimmed(row: list[str], width: int) -> list[str]:
    while len(row) > width and not row[-1].strip():
        row = row[:-1]
    return row


def _refuse_one_row(source: Source, section: Section, built: Table) -> None:
    counted = any(meaning(name).kind in {"epoch", "step"} or not name for name in section.header)
    if built.num_rows == 1 and not counted:
        raise ReadError(
            f"{source.label}: one row of {named(dict.fromkeys(section.header))}: final scores and "
            "no curve; give the log with a row an epoch"
        )


def _refuse_nameless(source: Source, lines: list[str]) -> None:
    for mark in ("\t", ";", ",", None):
        cells = [line.split(mark) for line in lines[:20]]
        same = len({len(row) for row in cells}) == 1 and len(cells) > 1 and len(cells[0]) > 1
        if same and all(_numeric(cell) for row in cells for cell in row):
            raise ReadError(
                f"{source.label}: {len(cells[0])} columns of numbers without names; add a first "
                "line such as epoch,loss,accuracy,val_loss,val_accuracy"
            )


def refuse(source: Source) -> None:
    """Refuses a table that no reader took, with what its columns are; leaves all else."""
    lines = [line for line in source.text.splitlines() if line.strip()][: SEARCHED + 1]
    for split in (_by("\t"), _by(";"), _by(","), _bars):
        rows = [_split(split, line) for line in lines]
        if (
            len(rows) < 2
            or len(rows[0]) < 2
            or any(
                cell and (_numeric(cell) or re.match(r"^\d|.*[:=]\s*[-\d]", cell))
                for cell in rows[0]
            )
        ):
            continue
        if sum(len(row) == len(rows[0]) for row in rows) < 0.8 * len(rows):
            continue
        header = dict.fromkeys(_clean(rows[0]))
        scores = [name for name in header if is_curve(name)]
        why = (
            f"a table with {named(dict.fromkeys(scores))} but no epochs: its rows are final scores "
            "(of models, classes or settings)"
            if scores
            else f"a table without a loss and an accuracy (its columns: {named(header)})"
        )
        raise ReadError(
            f"{source.label}: {why}; expected a row an epoch and names such as epoch, loss, "
            "accuracy, val_loss, val_accuracy"
        )


def turned(source: Source) -> list[Raw] | None:
    """A table with a row a curve and a column an epoch, None where it is none."""
    lines = [line for line in source.text.splitlines() if line.strip()]
    for mark in ("\t", ";", ","):
        rows = [_split(_by(mark), line) for line in lines[:SEARCHED]]
        if len(rows) < 3 or len({len(row) for row in rows}) != 1 or len(rows[0]) < 3:
            continue
        if sum(is_curve(row[0]) for row in rows[1:]) < 2 or not all(
            _numeric(c) for c in rows[0][1:]
        ):
            continue
        columns = {"epoch": rows[0][1:]} | {row[0]: row[1:] for row in rows[1:]}
        return [Raw(source.name, table(columns), "table")]
    return None


def family(header: Sequence[str], source: Source | None = None) -> tuple[str, Facts]:
    """Name of the format a header belongs to, and what that format means by its columns."""
    names = {name.strip() for name in header}
    if {"metrics/accuracy_top1", "metrics/accuracy_top5"} <= names:
        # Versions that pad their names score validation after a second softmax.
        padded = source is not None and source.text[:1] == " " and "val/loss" in names
        return "ultralytics", Facts(accuracy_is_val=True, other_loss_scale=padded)
    if {"train_loss", "valid_loss"} <= names and names & {"time", "epoch"}:
        return "fastai", Facts(accuracy_is_val="train_accuracy" not in names)
    if {"training_iteration", "mean_accuracy"} <= names:  # Ray Tune
        return "table", Facts(accuracy_is_val=True)
    if {"epoch", "step"} <= names and not names & {"loss"}:
        return "lightning", Facts()
    if names & {"_step", "_runtime", "_timestamp"}:
        return "wandb export", Facts()
    if names & {"eval_loss", "eval_runtime"}:
        return "huggingface", Facts()
    if names & {"loss"} and names & {"val_loss"}:
        return "keras csvlogger" if "epoch" in names else "table", Facts()
    return "table", Facts()
