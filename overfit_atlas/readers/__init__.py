"""Readers of training logs: every log that people really have becomes fits.

`read(source)` takes a file, a folder, several of them, the id of a run of MLflow, a dict, Keras'
History, rows, or a data frame; `formats()` lists what is known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import folders, mlflow, structures
from overfit_atlas.readers.assemble import assemble
from overfit_atlas.readers.files import of_source
from overfit_atlas.readers.known import Format, formats
from overfit_atlas.readers.raw import Part, Raw, joined
from overfit_atlas.readers.records import LoggedFit, Note, Read
from overfit_atlas.readers.source import opened, shown

__all__ = ["Format", "LoggedFit", "Note", "Read", "formats", "read"]


def read(*sources: object, seeds: bool = False) -> Read:
    """What `sources` log: their fits, what was not used, and what there is to say.

    Each file is a model of its own; `seeds=True` takes all fits as seeds of one model. Raises
    ReadError, one line with the cause, for what is no log or cannot be read rightly.
    """
    if not sources:
        raise ReadError("nothing to read: give a log, a folder or a history")
    part = joined([_read_one(source, i) for i, source in enumerate(sources)])
    if len(sources) > 1 and not seeds:
        part = replace(part, notes=(*part.notes, Note("fits_of_one_model?")))
    if seeds:
        part = _as_seeds(part)
    return Read(part.format, part.fits, part.not_used, (*part.notes, *_phases(part)))


def _phases(part: Part) -> list[Note]:
    """What is to be said where one training was logged in phases."""
    named = [fit.phase or "first" for fit in part.fits]
    return [Note("phases", {"phases": named})] if any(fit.phase for fit in part.fits) else []


def _as_seeds(part: Part) -> Part:
    model = part.fits[0].model
    fits = tuple(replace(fit, model=model, seed=i) for i, fit in enumerate(part.fits, start=1))
    notes = tuple(note for note in part.notes if note.key != "fits_of_one_model?")
    return replace(part, fits=fits, notes=notes)


def _read_one(source: object, position: int) -> Part:
    try:
        return _part(source, position)
    except (MemoryError, RecursionError, OverflowError):
        raise ReadError(f"{shown(str(source))}: too large or too deep for a training log") from None


def _part(source: object, position: int) -> Part:
    if isinstance(source, str | Path):
        return _of_path(source)
    name = f"history {position + 1}" if position else "history"
    return joined([assemble(raw) for raw in _of_object(source, name)])


def _of_path(source: str | Path) -> Part:
    if source == "":  # of a variable that is not set; as a path it is the current folder
        raise ReadError("nothing to read: got an empty name")
    path = Path(source).expanduser()
    identifier = mlflow.run_id(str(source))
    try:
        there, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError):
        raise ReadError(f"{shown(str(source))}: no name of a file or folder") from None
    if identifier and not there:
        return assemble(mlflow.of_run(identifier))
    return folders.read(path) if is_folder else of_source(opened(path))


def _of_object(source: object, name: str) -> list[Raw]:
    """Tables of a dict, of Keras' History (it has `history`), of rows, or of a data frame."""
    history = getattr(source, "history", None)
    if isinstance(history, Mapping):
        epoch = getattr(source, "epoch", None)
        counted = {"epoch": list(epoch)} if epoch else {}
        return structures.read(_plain({**counted, **history}), name)
    if hasattr(source, "columns") and hasattr(source, "to_dict"):
        columns = {str(key): list(cells) for key, cells in source.to_dict("list").items()}
        return structures.read(columns, name, "data frame")
    if isinstance(source, Mapping):
        return structures.read(_plain(source), name)
    if isinstance(source, Sequence) and not isinstance(source, bytes | str):
        return structures.read(_plain(list(source)), name)
    raise ReadError(
        f"a {type(source).__name__} is no log; expected a path, a dict of lists, Keras' History, "
        "rows or a data frame"
    )


def _plain(data: object, depth: int = 0) -> object:
    """`data` with arrays as lists."""
    if depth > structures.MAX_DEPTH:
        raise ReadError("nested deeper than any training log")
    if isinstance(data, Mapping):
        return {str(key): _plain(value, depth + 1) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value, depth + 1) if isinstance(value, Mapping | list | tuple) else value
                for value in data]  # fmt: skip
    return data.tolist() if hasattr(data, "tolist") else data
