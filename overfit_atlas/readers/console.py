"""Printed progress: console text of Keras, of Lightning, and of hand-written training loops.

A line is a row of numbers, each with the words before it. Words that name a split hold for what
follows on the line; "epoch" before a number begins an epoch. Of an epoch's lines the one that
sums it up counts; lines of batches count only where there is no other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import names, structures
from overfit_atlas.readers.names import is_curve, meaning, split_word, words
from overfit_atlas.readers.python_text import printed
from overfit_atlas.readers.raw import Facts, Raw, named
from overfit_atlas.readers.source import Source
from overfit_atlas.readers.table import table_of_rows

_CLOCK = re.compile(r"\d{4}[-/]\d\d[-/]\d\d|\d{1,3}:\d\d(?::\d\d)?(?:[.,]\d+)?|~?\d+m\d+s")
_TOP = re.compile(r"top[\s\-_]*(\d)", re.I)
_NUMBER = re.compile(
    r"(?<![\w@.])(?<![A-Za-z]-)([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?(?:nan|inf)\b)"
    r"(?P<unit>%|(?:/|\s+of\s+)\d+(?:\.\d+)?|[A-Za-z]+(?:/\w+)?|\s(?:sec|seconds|ms|min)\b)?",
    re.I,
)
_CUT = re.compile(r"[;|,\[\](){}*<>\"']|\s-\s|\.\s|=>|->|\t")
_CALL = re.compile(r"\b(?:tensor|array|(?:np\.)?float\d+)\(\[?([-+]?[\d.]+(?:e[-+]?\d+)?)[^()]*\)")
_BAR = re.compile(r"it/s|s/it|\d+%\||ms/step|s/step|us/step|batch/s|\[=+[>.=]*\]|━")
_NO_EPOCH = {"best", "last", "at", "from", "every", "per", "of", "for", "max", "total", "num", "n"}
_NO_EPOCH |= {"time", "end", "until", "after", "since"}
_BATCH = names.STEP | {"minibatch"}
_FOUND = re.compile(r"Found (\d+) (?:\w+ )?(?:images|files) belonging to (\d+) classes")
_FOR_VAL = re.compile(r"Using (\d+) files for validation")
_CLASSES = re.compile(r"\b(?:num_classes\W{1,4}(\d+)|\((\d+) classes\))")
_TITLE = re.compile(r"^[^\d:]{3,40}:\s*$")  # "Test Error:", whose values stand on the lines below
MAX_LINE, MAX_LINES = 4000, 100_000


@dataclass
class _Line:
    """What one line says: names and values, and what sort of line it is."""

    epoch: int | None = None
    values: dict[str, str] = field(default_factory=dict)
    counter: str = ""  # "640/60000" of a line of a batch
    bar: bool = False
    mean: bool = False  # values are running means, in brackets behind those of the batch
    closes: bool = False  # the line ends an epoch


@dataclass
class _Epoch:
    number: int
    lines: list[_Line] = field(default_factory=list)


def read(source: Source) -> list[Raw] | None:
    """The table in console text, None where no line has a loss or an accuracy."""
    return read_text(source.text, source.name)


def read_text(text: str, name: str, format: str = "") -> list[Raw] | None:
    """As `read`, of text that came from elsewhere."""
    histories, text = printed(text)
    lines = list(_lines(text))
    own = _of_histories(histories, name, format or "python text")
    if not any(line.values for line in lines) or (
        own and not any(line.epoch is not None for line in lines)
    ):
        return own
    epochs = _epochs(lines, name)
    keras = bool(re.search(r"step - |- val_loss: |- loss: ", text))
    rows = _rows(epochs)
    if own and not any(meaning(n).split in {"val", "test"} for row in rows for n in row):
        return own
    facts = _facts(text)
    kind = format or ("keras console" if keras else "console")
    return [Raw(name, table_of_rows(rows), kind, facts)]


def _of_histories(histories: list[dict[str, object]], name: str, format: str) -> list[Raw] | None:
    """The histories that were printed as dicts, of one that grows the last."""
    own = [h for h in histories if any(is_curve(key) for key in h)]
    own = [h for h, after in pairwise([*own, {}]) if not _grows(h, after)]
    names_ = [name] if len(own) == 1 else [f"{name} {i}" for i in range(1, len(own) + 1)]
    found = [replace(raw, format=format) for n, h in zip(names_, own, strict=True)
             for raw in structures.read(h, n)]  # fmt: skip
    return found or None


def _grows(history: dict[str, object], after: dict[str, object]) -> bool:
    return history.keys() == after.keys() and all(
        isinstance(values, list) and isinstance(more := after[name], list)
        and values == more[: len(values)]
        for name, values in history.items()
    )  # fmt: skip


def _lines(text: str) -> Iterator[_Line]:
    text = text.replace("\r", "\n").replace("\x08", "\n")
    held, lines = "val", text.split("\n")
    if len(lines) > MAX_LINES:
        raise ReadError(f"{len(lines)} printed lines; give those that sum up the epochs")
    titled = ""
    for line in lines:
        if not line.strip() or _marks_any_epoch(line):
            titled = ""
        elif _TITLE.match(line):
            titled = _said_split(line)
        if line and (":" in line or "=" in line or " " in line or "\t" in line):
            found = _line(line[:MAX_LINE], held if line.lstrip()[:1] == "*" else titled)
            if found.values or found.epoch is not None:
                said = _said_split(" ".join(found.values))
                held = said if said and split_word(said) != "train" else held
                yield found


def _line(text: str, split: str) -> _Line:
    """What one line says; `split` holds until the line names one. See the module."""
    line = _Line(bar=bool(_BAR.search(text)))
    text = _TOP.sub(r"top\1", _CLOCK.sub(" ", _CALL.sub(r"\1", text)))
    quantity, last, start = "", "", 0
    for match in _NUMBER.finditer(text):
        label, start = text[start : match.start()], match.end()
        unit = (match["unit"] or "").strip()
        if label.strip() in {"(", "(avg:", "(avg"} and last and not unit.startswith("/"):
            if unit != "%" and "." in match[1]:
                line.values[last], line.mean = match[1], True
            continue
        if _marks_epoch(label) and match[1].isdigit() and line.epoch is None:
            line.epoch = int(match[1][:12])
            split = _said_split(label) or split
            continue
        if unit[:1] in {"/", "o"} and not _fraction(label, unit):
            line.counter, split = unit, _said_split(label) or split
            continue
        if unit and unit != "%" and unit[:1] != "/":
            continue
        split, quantity, last = _take(line, label, match[1], unit, (split, quantity))
    line.closes = bool(re.search(r"\b(?:done|finished|completed|took|ended)\b", text, re.I))
    return line


def _take(
    line: _Line, label: str, value: str, unit: str, context: tuple[str, str]
) -> tuple[str, str, str]:
    """Puts a value under the name before it; returns split, quantity and name for what follows."""
    split, quantity = context
    found = words(label)
    split = _said_split(label) or split
    if found and found[-1] in _BATCH:
        line.counter = line.counter or value
        return split, quantity, ""
    piece = _CUT.split(label.rstrip("([{ :=\"'"))[-1].strip(" :=\"'-#.")
    name = _clean_name(piece)
    if not name and unit and found and found[-1] == "correct":
        name = "correct %"
    if not name and found and split_word(piece) and quantity:
        name = " ".join(word for word in quantity.split() if split_word(word) is None)
    if not name:
        return split, quantity, ""
    full = name if meaning(name).split or not split else f"{split} {name}"
    if unit.startswith("/"):
        value = f"{100 * float(value.replace('_', '')) / max(float(unit[1:]), 1e-9):.6g}%"
    line.values.setdefault(full + (" %" if value.endswith("%") or unit == "%" else ""), value)
    return split, name, full + (" %" if unit == "%" else "")


@lru_cache(maxsize=16384)
def _said_split(label: str) -> str:
    """The last word of a label that names a split, "" where none does."""
    return next((word for word in reversed(words(label)) if split_word(word)), "")


@lru_cache(maxsize=16384)
def _clean_name(piece: str) -> str:
    """The words right before a value that name a curve, "" where they name none."""
    if ": " in piece and any(word in names.DERIVED for word in words(piece.rpartition(": ")[0])):
        return _clean_name(piece.rpartition(": ")[2].strip())
    if meaning(piece).kind == "other" and any(
        word in names.DERIVED | names.PARTS for word in words(piece)
    ):
        return ""
    own = piece.split()
    for i in range(max(len(own) - 4, 0), len(own)):
        name = " ".join(own[i:])
        means = meaning(name)
        if means.kind in {"loss", "accuracy", "error", "topk"} and not means.group:
            return name
    if ": " in piece:
        return _clean_name(piece.rpartition(": ")[2].strip())
    return own[-1] if own and meaning(own[-1]).kind in {"loss", "accuracy", "error"} else ""


@lru_cache(maxsize=16384)
def _marks_epoch(label: str) -> bool:
    found = [word for word in words(_CUT.split(label.rstrip("[( :=#\"'"))[-1]) if word]
    return bool(found) and found[-1] in {"epoch", "ep", "epoche"} and not set(found) & _NO_EPOCH


def _marks_any_epoch(line: str) -> bool:
    return "poch" in line[:200] or "EPOCH" in line[:200]


def _fraction(label: str, unit: str) -> bool:
    """Whether "9842/10000" is an accuracy and no counter."""
    found = words(_CUT.split(label)[-1])
    return bool(set(found) & (names.ACCURACY | {"correct"})) and unit.startswith("/")


def _epochs(lines: list[_Line], name: str) -> list[_Epoch]:
    """Lines by epoch, in order; without any mark of an epoch each line that validates is one."""
    if not any(line.epoch is not None for line in lines):
        whole = [line for line in lines if any(meaning(n).split for n in line.values)]
        return _unmarked(whole or lines, name)
    marks = [line for line in lines if line.epoch is not None]
    after = all(line.closes and not line.values for line in marks) and bool(lines[0].values)
    found: list[_Epoch] = []
    waiting: list[_Line] = []
    for line in lines:
        if after:
            waiting.append(line)
            if line.epoch is not None:
                found.append(_Epoch(line.epoch, waiting))
                waiting = []
            continue
        if line.epoch is not None and (not found or found[-1].number != line.epoch):
            found.append(_Epoch(line.epoch))
        if found:
            found[-1].lines.append(line)
    return [epoch for epoch in found if any(line.values for line in epoch.lines)]


def _unmarked(lines: list[_Line], name: str) -> list[_Epoch]:
    """Epochs of lines that name none: one begins where a name comes again.

    Refuses where nothing shows that they are epochs: accuracies alone may be of several models.
    """
    found: list[_Epoch] = []
    for line in lines:
        seen = {n for own in found[-1].lines for n in own.values} if found else set()
        if not found or seen & set(line.values):
            found.append(_Epoch(len(found) + 1))
        found[-1].lines.append(line)
    kinds = {meaning(n).kind for line in lines for n in line.values}
    held = any(_validates(line) for line in lines)
    if held and (len(found) < 3 or "loss" not in kinds):
        raise ReadError(
            f"{name}: scores without epochs ({len(found)} of {named(found[0].lines[0].values)}): "
            "final scores, perhaps of several models; give the log with a line an epoch"
        )
    return found


def _rows(epochs: list[_Epoch]) -> list[dict[str, object]]:
    """One row an epoch, of the lines that sum it up."""
    whole = [epoch for epoch in epochs if any(_validates(line) for line in epoch.lines)]
    halves = not whole and _two_counters(epochs)
    usual = _usual_counts(epochs)
    rows: list[dict[str, object]] = []
    for epoch in epochs:
        row: dict[str, object] = {"epoch": epoch.number}
        summaries = [line for line in epoch.lines if not _is_batch(line) and line.values]
        if not summaries and epoch is epochs[-1] and usual:
            continue
        summed = {_role(name) for line in summaries for name in line.values}
        summed |= {
            (kind, "train") for kind, split in summed if not split and (kind, "val") in summed
        }
        for name in dict.fromkeys(name for line in epoch.lines for name in line.values):
            own = [line for line in summaries if name in line.values]
            if not own and _role(name) in summed:
                continue  # its summary stands under another name
            if own:
                bars = [line for line in own if line.bar and "%|" not in line.counter]
                pick = own[0] if bars and not usual.get(name, 1) > 1 else own[
                    min(usual.get(name, 1), len(own)) - 1]  # fmt: skip
                row[name] = pick.values[name]
            else:
                row |= _of_batches(epoch, name, halves)
        rows.append(row)
    return rows


def _role(name: str) -> tuple[str, str]:
    means = meaning(name)
    held = means.split in {"val", "test"}
    return means.kind, "val" if held else means.split or ""


def _validates(line: _Line) -> bool:
    return any(meaning(name).split in {"val", "test"} for name in line.values)


def _is_batch(line: _Line) -> bool:
    return bool(line.counter or line.bar) and not (_validates(line) and not _in_batches(line))


def _in_batches(line: _Line) -> bool:
    """Whether a line of validation is one of its batches ("Test: [10/79] Loss ...")."""
    done = re.fullmatch(r"(?:/|of\s+)(\d+)", line.counter)
    return bool(line.counter) and not line.bar and (done is not None)


def _usual_counts(epochs: list[_Epoch]) -> dict[str, int]:
    """How many summaries of a name an epoch usually has: what exceeds it came after training."""
    counts: dict[str, list[int]] = {}
    for epoch in epochs:
        for name in {n for line in epoch.lines for n in line.values}:
            own = sum(name in line.values for line in epoch.lines if not _is_batch(line))
            if own:
                counts.setdefault(name, []).append(own)
    return {name: sorted(own)[(len(own) - 1) // 2] for name, own in counts.items()}


def _of_batches(epoch: _Epoch, name: str, halves: bool) -> dict[str, object]:
    """A name's value from lines of batches: the last running mean, or the mean of the batches."""
    own = [line for line in epoch.lines if name in line.values]
    out: dict[str, object] = {}
    if halves and meaning(name).split is None:
        first = [line for line in own if line.counter == own[0].counter]
        second = [line for line in own if line.counter != own[0].counter]
        if second:
            out[f"val {name}"] = second[-1].values[name]
        own = first
    if own[-1].bar or own[-1].mean:
        return {name: own[-1].values[name], **out}
    numbers = [float(line.values[name].rstrip("%").replace("_", "")) for line in own]
    return {name: sum(numbers) / len(numbers), **out}


def _two_counters(epochs: list[_Epoch]) -> bool:
    """Whether each epoch has two bars, of training and of validation, that name neither."""
    full = [
        e for e in epochs if len({li.counter for li in e.lines if li.values and li.counter}) == 2
    ]
    return len(full) >= 0.9 * len(epochs) and len(epochs) > 1


def _facts(text: str) -> Facts:
    """Classes and validation images, where the text says so as Keras' loaders do."""
    found = _FOUND.findall(text[:200_000])
    classes = _CLASSES.search(text[:200_000])
    num_classes = int(found[0][1][:9]) if found else None
    if classes and not num_classes:
        num_classes = int((classes[1] or classes[2])[:9])
    held = _FOR_VAL.search(text[:200_000])
    num_val = int(held[1][:9]) if held else int(found[1][0][:9]) if len(found) == 2 else None
    return Facts(num_classes=num_classes, num_val_images=num_val)
