"""Jupyter notebooks: what their cells printed and showed."""

from collections.abc import Iterator

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import console, markup, tables
from overfit_atlas.readers.names import is_curve, meaning
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.source import Source, plain_text

MAX_TABLES = 200


def read(data: dict[str, object], source: Source) -> list[Raw]:
    """The tables in the outputs of a notebook's cells; refuses where there is none.

    Printed progress and printed histories come first; tables that were shown (by Hugging Face's
    Trainer, by fastai, of a data frame) count where what was printed does not validate.
    """
    printed: list[str] = []
    shown: list[str] = []
    for text, html in _outputs(data):
        found = markup.tables(html) if len(shown) < MAX_TABLES else []
        shown += found
        printed += [] if found else [text]
    raws = console.read_text(plain_text("\n".join(printed)), source.name, "notebook") or []
    if not any(map(_validates, raws)):
        tabled = [raw for text in shown for raw in _of_table(text, source)]
        raws = [raw for raw in tabled if _validates(raw)] or raws or tabled
    if not raws:
        raise ReadError(f"{source.label}: a notebook whose outputs hold no loss and no accuracy; "
                        "run it, or save history.history as JSON")  # fmt: skip
    return raws


def _outputs(data: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Text and HTML of each output, in order."""
    for cell in data["cells"] if isinstance(data["cells"], list) else []:
        outputs = cell.get("outputs", []) if isinstance(cell, dict) else []
        for output in outputs if isinstance(outputs, list) else []:
            if isinstance(output, dict):
                kinds = output.get("data")
                kinds = kinds if isinstance(kinds, dict) else {}
                yield (
                    _joined(output.get("text") or kinds.get("text/plain", "")),
                    _joined(kinds.get("text/html", "")),
                )


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def _of_table(text: str, source: Source) -> list[Raw]:
    try:
        found = tables.read(Source(source.name, source.label, text.encode("utf-8", "replace")))
    except ReadError:
        return []
    return [Raw(raw.name, raw.table, "notebook", raw.facts, notes=raw.notes) for raw in found or []]


def _validates(raw: Raw) -> bool:
    """Whether a table holds a curve of validation, of more than one epoch."""
    names = [name for name in raw.table.numbers if is_curve(name)]
    held = any(meaning(name).split in {"val", "test"} for name in names)
    return raw.table.num_rows > 1 and (held or raw.facts.accuracy_is_val)
