"""Published weights of a network, fetched and checked before any model is built from them."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from overfit_atlas.addresses import masked
from pipeline.data import DataError
from pipeline.files import replacing


def obtain(name: str, urls: Sequence[str], checksum: str, mirror: str | None, folder: Path) -> Path:
    """The verified file `folder/name`, from the folder or URL `mirror`, or else from `urls`.

    Where the mirror has no such file the origin is asked, and a line says so.

    Raises:
        DataError: it cannot be had, or has another checksum than its publishers state.
    """
    problems = []
    if mirror and "://" not in mirror:
        problems.append(_copy(Path(mirror) / name, checksum, folder / name))
    elif mirror:
        problems.append(_fetch(f"{mirror.rstrip('/')}/{name}", name, checksum, folder))
    if problems and problems[0]:
        print(f"download.mirror: {problems[0]}; asking the origin for {name}.", flush=True)
    for url in urls:
        if None not in problems:
            problems.append(_fetch(url, name, checksum, folder))
    if None not in problems:
        raise DataError(
            f"models.efficientnet.weights='imagenet': {name} cannot be fetched "
            f"({'; '.join(filter(None, problems))}). Put the file into a folder and name it as "
            "download.mirror, take a Lite variant, whose weights are installed, or set weights to "
            "null to train from scratch."
        )
    return folder / name


def _copy(source: Path, checksum: str, target: Path) -> str | None:
    """None where it worked, else why not."""
    if not source.is_file():
        return f"{source} is not there"
    digest = hashlib.new(_algorithm(checksum), source.read_bytes(), usedforsecurity=False)
    if digest.hexdigest() != checksum:
        raise DataError(
            f"{source}: not the published file (its {_algorithm(checksum)} sum is another)."
        )
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return None


def _fetch(url: str, name: str, checksum: str, folder: Path) -> str | None:
    """None where it worked, else why not."""
    import pooch

    folder.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")  # it would print the address
    try:
        pooch.retrieve(
            url, f"{_algorithm(checksum)}:{checksum}", fname=name, path=folder, progressbar=False
        )
    except (OSError, ValueError) as error:
        return masked(" ".join(str(error).split()))[:160]
    return None


def _algorithm(checksum: str) -> str:
    return "md5" if len(checksum) == 32 else "sha256"
