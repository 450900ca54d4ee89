"""Archives of the catalog on this machine: from a mirror, from the cache, or from the network.

Nothing is used, or kept, before its SHA-256 is that of the catalog.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from overfit_atlas.addresses import masked
from pipeline.data import DataError
from pipeline.data.catalog import Archive
from pipeline.files import replacing

TRIES = 3
PAUSE_SECONDS = 1.0
TIMEOUT_SECONDS = 30
CACHE_VARIABLE = "OVERFIT_ATLAS_CACHE"
Fetch = Callable[[str, IO[bytes]], None]
_WITHOUT_NETWORK = (
    "Without a network: put the file into a folder and set download.mirror to that folder, or set "
    "download.dataset to fashion_mnist_mini, which is shipped."
)


def cache() -> Path:
    """Where fetched archives are kept: the user's cache folder, or what $OVERFIT_ATLAS_CACHE says.

    It lies outside the project, as DVC deletes a stage's outs before it runs the stage.
    """
    import pooch

    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("overfit-atlas"))


def obtain(archive: Archive, mirror: str | None, cached: Path, fetch: Fetch | None = None) -> Path:
    """A local path to the verified archive.

    `mirror` is a folder or a URL that holds the file; with it nothing else is asked. `cached` is
    the folder for what comes from the network. `fetch` writes what a URL holds to an open file.

    Raises:
        DataError: it cannot be had, or is not what the catalog describes; says what to do.
    """
    if mirror is not None and "://" not in mirror:
        return _from_folder(archive, Path(mirror).expanduser())
    kept = cached / archive.name
    if kept.is_file() and _wrong(kept, archive) is None:
        return kept
    urls = archive.urls if mirror is None else (f"{mirror.rstrip('/')}/{archive.name}",)
    failures = []
    for url in urls:
        try:
            with replacing(kept) as temporary:
                _fetch(url, temporary, archive, fetch or download)
            return kept
        except DataError as error:
            failures.append(f"{url}: {error}.")
    raise DataError(f"{archive.name} could not be fetched. {' '.join(failures)} {_WITHOUT_NETWORK}")


def verify(path: Path, archive: Archive) -> Path:
    """`path`, if its content is that of the archive.

    Raises:
        DataError: it is not there, half a file, or of another content.
    """
    wrong = _wrong(path, archive)
    if wrong:
        source = f" Fetch it again, from {archive.urls[0]}" if archive.urls else ""
        raise DataError(f"{path}: {wrong}.{source or ' Check it out again'}.")
    return path


def download(url: str, file: IO[bytes]) -> None:
    """Write what `url` holds to `file`, with a progress bar on a terminal."""
    import pooch

    fetch = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(),
        chunk_size=1 << 16,
        timeout=TIMEOUT_SECONDS,
        # Some servers declare .gz files to be compressed transfers, and they would be unpacked.
        headers={"Accept-Encoding": "identity"},
    )
    fetch(url, file, None)


class _Limited:
    """A file that takes no more than an archive can have: a server may send without end."""

    def __init__(self, file: IO[bytes], num_bytes: int) -> None:
        self._file, self._left = file, num_bytes

    def write(self, chunk: bytes) -> int:
        self._left -= len(chunk)
        if self._left < 0:
            raise DataError("it sends more than the archive has")
        return self._file.write(chunk)

    def flush(self) -> None:
        self._file.flush()


def _from_folder(archive: Archive, folder: Path) -> Path:
    path = folder / archive.name
    if not path.is_file():
        held = sorted(entry.name for entry in folder.iterdir())[:20] if folder.is_dir() else None
        found = "there is no such folder" if held is None else f"it holds {held}"
        raise DataError(f"download.mirror={str(folder)!r}: needs the file {archive.name}; {found}.")
    return verify(path, archive)


def _fetch(url: str, path: Path, archive: Archive, fetch: Fetch) -> None:
    import requests

    for attempt in range(TRIES):
        try:
            with path.open("wb") as file:
                limited: Any = _Limited(file, 2 * archive.num_bytes + (1 << 20))
                fetch(url, limited)
            break
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            reason = f"the server answered {status}" if status else _reason(error)
            if attempt == TRIES - 1 or (status and status < 500):
                raise DataError(f"{reason} ({attempt + 1} tries)") from None
            time.sleep(PAUSE_SECONDS * 2**attempt)
    wrong = _wrong(path, archive)
    if wrong:
        raise DataError(wrong)


def _wrong(path: Path, archive: Archive) -> str | None:
    size = path.stat().st_size
    if size < 0.99 * archive.num_bytes:
        return f"only {size:,} of {archive.num_bytes:,} bytes: half a file"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found in archive.sha256s:
        return None
    return f"got SHA-256 {found}, expected {' or '.join(archive.sha256s)}"


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_SECONDS} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it broke off"
    return f"{type(error).__name__}: {masked(' '.join(str(error).split()))[:120]}"
