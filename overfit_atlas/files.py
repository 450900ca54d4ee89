"""Files are written whole or not at all; and what may be shown of names that strangers chose."""

import os
import tempfile
import unicodedata
from pathlib import Path

_ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def visible(text: str) -> str:
    """`text`, in lines, with all that would act on a terminal (controls, directions) escaped."""
    return "".join(
        one if one == "\n" or unicodedata.category(one) not in _ACTING
        else one.encode("unicode_escape", "surrogatepass").decode() for one in text
    )  # fmt: skip


def shortened(name: str) -> str:
    """A name as messages show it: its first 80 letters."""
    return name if len(name) <= 80 else f"{name[:77]}..."


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` whole, or leave `path` as it was; its folder is made if need be.

    What is there and no file is written into (a pipe, /dev/stdout) and never replaced; a folder is
    an error.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
