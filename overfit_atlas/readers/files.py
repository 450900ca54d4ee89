"""One file: which reader it belongs to. The table of readers is `READERS`."""

from collections.abc import Callable
from dataclasses import dataclass

from overfit_atlas.errors import ReadError
from overfit_atlas.readers import (
    console,
    lists,
    literals,
    pickles,
    tables,
    tensorboard,
    wandb,
)
from overfit_atlas.readers.assemble import assemble
from overfit_atlas.readers.raw import Part, Raw, joined
from overfit_atlas.readers.source import Source


@dataclass(frozen=True)
class Reader:
    """A reader of files: its name, and the function that gives None for what is not its own."""

    name: str
    read: Callable[[Source], list[Raw] | None]


READERS = (
    Reader("events", tensorboard.read),
    Reader("pickles", pickles.read),
    Reader("one exported curve", tensorboard.refuse_one),
    Reader("json and python text", literals.read),
    Reader("tables", tables.read),
    Reader("turned tables", tables.turned),
    Reader("lists", lists.read),
    Reader("console", console.read),
)


def of_source(source: Source) -> Part:
    """The fits of one file; refuses with what the file is where no reader takes it."""
    for reader in READERS:
        raws = reader.read(source)
        if raws:
            return joined([assemble(raw) for raw in wandb.panels(raws)])
    tables.refuse(source)
    raise ReadError(
        f"{source.label}: no table, JSON or console text with a loss or an accuracy; expected "
        "names such as loss, accuracy, val_loss, val_accuracy"
    )
