"""One source: a file's bytes and text within limits, and what a file is that is no log."""

import codecs
import gzip
import io
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from overfit_atlas.errors import ReadError

MAX_BYTES = 64 * 2**20
MAX_TEXT = 16 * 2**20

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# First bytes of files that hold no curves, what they are, and what would work.
_OTHERS = (
    (b"\x89HDF\r\n", "an HDF5 file (weights or a model)", "give the training log beside it"),
    (b"SQLite format 3\0", "an SQLite database", "for MLflow give the run's id"),
    (b"\x89PNG", "a picture", "give the numbers it was drawn from"),
    (b"\xff\xd8\xff", "a picture", "give the numbers it was drawn from"),
    (b"%PDF", "a PDF", "give the numbers it was drawn from"),
    (b"PAR1", "a Parquet file", "save the table as CSV"),
    (b"ARROW1", "a Feather file", "save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "save the sheet as CSV"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it"),
    (b"7z\xbc\xaf", "an archive", "unpack it"),
    (b"BZh", "a bzip2 archive", "unpack it"),
    (b"\xfd7zXZ", "an xz archive", "unpack it"),
    (b":W&B", "a binary log of W&B", "export it: run.history().to_csv(...)"),
)
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours of a terminal
_HAN = re.compile("^[　-〿一-鿿＀-￯\x00-\x7f]*$")


@dataclass(frozen=True)
class Source:
    """The bytes of one file and its name."""

    name: str  # without folder and suffix: the name of its model
    label: str  # as messages call it
    data: bytes
    path: Path | None = None

    @cached_property
    def text(self) -> str:
        """The text, whatever its encoding; refuses binary files and more than 16 MiB."""
        if len(self.data) > MAX_TEXT:
            raise ReadError(f"{self.label}: {len(self.data) / 2**20:.0f} MiB of text; a training "
                            f"log has at most {MAX_TEXT / 2**20:.0f}")  # fmt: skip
        text = decoded(self.data)
        if text.count("\0") > 0:
            raise ReadError(f"{self.label}: a binary file of no known kind, no training log")
        return plain_text(text)


def plain_text(text: str) -> str:
    """`text` without the colours of a terminal."""
    return _ESCAPES.sub("", text)


def opened(path: Path) -> Source:
    """The file at `path`; refuses what is no regular file, too large, or of another kind."""
    label = shown(path.name)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ReadError(f"{label}: neither a file nor a folder")
        if status.st_size > MAX_BYTES:
            raise ReadError(f"{label}: {status.st_size / 2**20:.0f} MiB; a training log has at "
                            f"most {MAX_BYTES / 2**20:.0f}")  # fmt: skip
        data = path.read_bytes()
    except ReadError:
        raise
    except FileNotFoundError:
        raise ReadError(f"{shown(str(path))}: no such file or folder") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReadError(f"{label}: cannot be read: {reason}") from None
    return of_bytes(data, path.name, path)


def of_bytes(data: bytes, file_name: str, path: Path | None = None) -> Source:
    """A source of `data`, unpacked where it is gzip."""
    label = shown(file_name)
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(data, label)
        file_name = file_name.removesuffix(".gz")
    if not data.strip():
        raise ReadError(f"{label}: empty")
    for mark, kind, way in _OTHERS:
        if data.startswith(mark):
            raise ReadError(f"{label}: {kind}, no training log; {way}")
    return Source(shown(Path(file_name).stem) or label, label, data, path)


def _unpacked(data: bytes, label: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            found = packed.read(MAX_BYTES + 1)
    except (OSError, EOFError, ValueError):
        raise ReadError(f"{label}: a damaged gzip archive") from None
    except Exception as error:  # zlib.error has no base of its own that is narrower
        raise ReadError(f"{label}: a damaged gzip archive ({type(error).__name__})") from None
    if len(found) > MAX_BYTES:
        raise ReadError(f"{label}: unpacks to more than {MAX_BYTES / 2**20:.0f} MiB")
    return found


def shown(text: str) -> str:
    """`text` without control characters and broken UTF-8, at most 120 characters long."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    clean = "".join(c if c.isprintable() else "?" for c in clean)
    return clean if len(clean) <= 120 else clean[:117] + "..."


def decoded(data: bytes) -> str:
    """The text of `data`: by its byte-order mark, as UTF-16 by its zeros, else line by line."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace").lstrip("﻿")
    head = data[:2000]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) > 0.3 * len(head) / 2 and min(even, odd) < 0.05 * len(head):
        return data.decode("utf-16-le" if odd > even else "utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(_line(line) for line in data.splitlines(keepends=True))


def _line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        text = line.decode("gb18030")
        if _HAN.match(text):
            return text
    except UnicodeDecodeError:
        pass
    return line.decode("latin-1")
