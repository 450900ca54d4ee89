"""Whole files or none: everything is written under a temporary name, then renamed."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends without an error.

    The block may create a file or a folder there. On an error nothing of it stays behind, and what
    stood at `path` before stands there still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    temporary = folder / path.name
    try:
        yield temporary
        if path.is_dir() and not path.is_symlink():
            os.replace(path, folder / "previous")
        os.replace(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` whole, or leave `path` as it was."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Any) -> None:
    """Write `document` as JSON with sorted keys, so that equal content gives equal bytes.

    Raises:
        ValueError: a number in it is NaN or infinite, which JSON cannot hold.
    """
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")
