"""What lies in a user's folder, by name alone: links followed where that is safe, all else named.

Nothing is opened, but for what a followed link outside the folder leads to: it must be an image.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipeline.data import DataError, images
from pipeline.params import Links

# What is meant to be an image; those that cannot be decoded then fail by name.
SUFFIXES = frozenset(
    """.png .jpg .jpeg .jpe .jfif .gif .bmp .webp .tif .tiff .ppm .pgm .pbm .avif .heic .heif .jp2
    .svg .psd .ico""".split()  # noqa: SIM905
)
NOT_AN_IMAGE = "not named like an image"
NOWHERE = "a link that leads nowhere"
LOOP = "a link back to a folder that holds it"
NO_FILE = "a named pipe, socket or device, and no file"
NO_LABEL = "without a label in the table"
PASSED_OVER = frozenset((NOT_AN_IMAGE, LOOP, NO_FILE, NO_LABEL))
"""What is listed and no fault; any other problem makes a bad image."""
MAX_NAME_BYTES, MAX_DEPTH = 255, 100
_OUTSIDE = "set download.links to follow if you trust all that it leads to"


@dataclass(frozen=True)
class File:
    """A file below the named folder.

    path: relative to that folder, unprintable letters escaped. source: where its bytes are.
    problem: why it cannot be an image, if it cannot.
    """

    path: str
    source: Path
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder with what lies in it, hidden things left out; `path` is "" for the named one."""

    path: str
    files: tuple[File, ...]
    folders: tuple["Folder", ...]

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @cached_property
    def images(self) -> tuple[File, ...]:
        """What lies directly in it and is named like an image."""
        return tuple(file for file in self.files if is_image(file.path))

    @cached_property
    def num_images(self) -> int:
        """How many images lie in it and below."""
        return len(self.images) + sum(folder.num_images for folder in self.folders)

    @cached_property
    def filled(self) -> tuple["Folder", ...]:
        """Its sub-folders that hold images, at whatever depth."""
        return tuple(folder for folder in self.folders if folder.num_images)

    def below(self) -> Iterator[File]:
        """All files in it and below, in no certain order."""
        yield from self.files
        for folder in self.folders:
            yield from folder.below()


def is_image(path: str) -> bool:
    """Whether a file is named like an image."""
    stem, _, suffix = path.rpartition("/")[2].rpartition(".")  # Path is slower
    return bool(stem) and f".{suffix.lower()}" in SUFFIXES


def walk(root: Path, links: Links) -> tuple[Folder, tuple[str, ...]]:
    """All of the folder `root`, and the paths of the links in it that were followed.

    Links are followed that stay inside `root`; with links="follow" all others too.

    Raises:
        DataError: no such folder, or a link to a folder outside that may not be followed.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder (download.path).")
    walker = _Walker(root, Path(os.path.realpath(root)), links)
    return walker.folder(root, "", ()), tuple(walker.followed)


@dataclass
class _Walker:
    root: Path
    real: Path
    links: Links
    followed: list[str] = field(default_factory=list)

    def folder(self, where: Path, path: str, above: tuple[tuple[int, int], ...]) -> Folder:
        status = where.stat()
        above = (*above, (status.st_dev, status.st_ino))
        if len(above) > MAX_DEPTH:
            raise DataError(f"{path[:80]!r}... in {self.root}: more than {MAX_DEPTH} folders deep.")
        files, folders = [], []
        entries = [entry for entry in os.scandir(where) if not _hidden(entry.name)]
        taken = {entry.name for entry in entries}
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = _shown(entry.name, taken)
            taken.add(name)
            inner = f"{path}/{name}" if path else name
            is_folder, problem = self._seen(entry, inner, above)
            if is_folder and not problem:
                folders.append(self.folder(Path(entry.path), inner, above))
            else:
                files.append(File(inner, Path(entry.path), problem))
        return Folder(path, tuple(files), tuple(folders))

    def _seen(
        self, entry: "os.DirEntry[str]", path: str, above: tuple[tuple[int, int], ...]
    ) -> tuple[bool, str]:
        """Whether it is a folder, and what is wrong with it."""
        try:
            status = entry.stat()
        except OSError:
            return False, NOWHERE
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder and (status.st_dev, status.st_ino) in above:
            return True, LOOP
        if not is_folder and not stat.S_ISREG(status.st_mode):
            return False, NO_FILE
        problem = "" if is_folder or is_image(path) else NOT_AN_IMAGE
        if entry.is_symlink() and not problem:
            problem = self._followed(Path(entry.path), path, is_folder)
        return is_folder, problem

    def _followed(self, link: Path, path: str, is_folder: bool) -> str:
        target = Path(os.path.realpath(link))
        if not target.is_relative_to(self.real):
            if self.links == "inside" and is_folder:
                raise DataError(
                    f"{path!r} in {self.root} is a link to a folder outside ({str(target)!r}). Put "
                    f"the images themselves there, or {_OUTSIDE}."
                )
            if self.links == "inside":
                return f"a link that leads outside the folder ({_OUTSIDE})"
            if not is_folder and (problem := _no_image(target, path)):
                return problem
        self.followed.append(path)
        return ""


def _no_image(target: Path, path: str) -> str:
    try:
        images.inspect(target, path)
    except images.ImageError as error:
        return f"a link to a file outside the folder that is no image: {error.reason}"
    return ""


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX")) or name in ("Thumbs.db", "desktop.ini")


def _shown(name: str, taken: set[str]) -> str:
    """`name` in printable letters, short enough for a file name, and not yet taken."""
    if name.isprintable():
        return name
    shown = escaped(name)
    if len(shown.encode()) > MAX_NAME_BYTES or shown in taken:
        mark = hashlib.blake2b(os.fsencode(name), digest_size=4).hexdigest()
        stem, suffix = Path(shown).stem, Path(shown).suffix
        shown = f"{stem.encode()[:180].decode(errors='ignore')}~{mark}{suffix[:20]}"
    return shown


def escaped(text: str) -> str:
    """`text` with what no terminal should be sent (controls, marks of direction) as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
