"""Whole files or none: everything is written under a temporary name, then renamed.

And archives of strangers: what they would unpack to is read from their headers first.
"""

import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from overfit_atlas.errors import AtlasError

DVC_PROCESS = "ATLAS_DVC_PID"
"""The variable in which a stage keeps the number of the DVC process that it ends with."""
PREVIOUS = "previous"
LONGEST_NAME = 200  # bytes
FITS = "fits.json"
"""In the folder of a trained model: one record a seed."""
FETCHED_WEIGHTS = Path(".checkpoints", "weights")
"""Where weights from a registry lie in the project, each file named by its content."""
MAX_EXPANSION = 200
SUSPECT_BYTES = 1 << 26
"""What unpacks to more bytes than this, and to more than so many times its size, is no image, no
weights and no table, but a way to fill a machine."""


def private_folder() -> Path:
    """A folder of this user's alone among the temporary ones, for locks and sockets; made here.

    Raises:
        AtlasError: somebody else made it, or could write there.
    """
    folder = Path(tempfile.gettempdir(), f"overfit-atlas-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022:
        raise AtlasError(f"{folder}: not a folder of yours alone, for locks. Delete it.")
    return folder


@contextmanager
def replacing(path: Path, mark: str = "") -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends without an error.

    The block may create a file or a folder there. On an error nothing of it stays behind, and what
    stood at `path` before stands there still. What a process killed in the block left behind is
    swept by the next block for the same path.

    Args:
        mark: a file that each folder written here holds. One without it holds something else.

    Raises:
        AtlasError: a folder without `mark` stands there, or a device or pipe.
        IsADirectoryError: the block created a file, and a folder stands there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    _check_ours(path, mark)
    with _folder(path) as folder:
        temporary = folder / path.name
        with _named(path):
            yield temporary
        if path.is_dir() and not path.is_symlink():
            if not temporary.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            path.replace(folder / PREVIOUS)
        temporary.replace(path)


def _check_ours(path: Path, mark: str) -> None:
    """Raise AtlasError where something at `path` is not to be replaced."""
    if path.is_dir():
        if mark and any(path.iterdir()) and not (path / mark).exists():
            raise AtlasError(
                f"{path}: this folder holds something else (no {mark}) and would be replaced. Name "
                "a new folder, or empty this one."
            )
    elif path.exists() and not path.is_file():
        raise AtlasError(f"{path}: a device or pipe, which no file can replace. Name a file.")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """An error of the file system in the block says where: a full disk names no file itself."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`, locked while the block lasts and this process lives."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=".tmp", dir=path.parent))
        with ExitStack() as stack:
            try:
                fcntl.flock(stack.enter_context(_opened(folder)), fcntl.LOCK_EX)
            except FileNotFoundError:
                continue  # swept before it was open
            except OSError:
                pass  # a file system without locks: nobody can sweep it either
            if not folder.exists():
                continue  # swept before it was locked
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _prefix(path: Path) -> str:
    """How the temporary folders of `path` begin; a long name's hash, as names end at 255 bytes."""
    name = os.fsencode(path.name)
    short = path.name if len(name) <= LONGEST_NAME else hashlib.sha256(name).hexdigest()
    return f".{short}."


def _sweep(path: Path) -> None:
    """Delete the temporary folders of `path` that no living process holds."""
    random = "?" * 8  # what mkdtemp puts there
    for folder in path.parent.glob(f"{glob.escape(_prefix(path))}{random}.tmp"):
        with suppress(OSError), _opened(folder) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (folder / PREVIOUS).exists() and not path.exists():
                (folder / PREVIOUS).replace(path)  # killed between the two renames
            shutil.rmtree(folder)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` whole, or leave `path` as it was."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Any, *, sort_keys: bool = True) -> None:
    """Write `document` as JSON with sorted keys, so that equal content gives equal bytes.

    Args:
        sort_keys: False where the order of the keys is for readers, and the same every time.

    Raises:
        ValueError: a number in it is NaN or infinite, which JSON cannot hold.
    """
    text = json.dumps(document, indent=2, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def check_expansion(
    unpacked: int, packed: int, name: str, refused: type[AtlasError] = AtlasError
) -> None:
    """Raise `refused` where `packed` bytes would become far more than honest content does."""
    if unpacked > max(SUSPECT_BYTES, MAX_EXPANSION * packed):
        raise refused(
            f"{name} would unpack to {unpacked:,} bytes, {unpacked // max(1, packed):,} times its "
            "size: refused."
        )


def check_zip(path: Path) -> None:
    """Read the headers of a zip archive (`.zip`, `.npz`, `.keras`), and nothing else of it.

    Raises:
        AtlasError: a member, or all together, would unpack to far more than they are.
        BadZipFile: no zip archive.
        OSError: it cannot be read.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    for member in members:
        check_expansion(member.file_size, member.compress_size, f"{member.filename!r} in it")
    # The same bytes may be declared as many members.
    check_expansion(sum(one.file_size for one in members), path.stat().st_size, "all of it")
