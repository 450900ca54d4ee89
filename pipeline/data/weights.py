"""Published weights of a network, fetched and checked before any model is built from them."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.addresses import masked
from pipeline.data import DataError
from pipeline.files import replacing


def obtain(name: str, urls: Sequence[str], md5: str, mirror: str | None, folder: Path) -> Path:
    """The verified file `folder/name`, from the folder or URL `mirror`, or else from `urls`.

    Raises:
        DataError: it cannot be had, or has another MD5 sum than its publishers state.
    """
    if mirror and "://" not in mirror:
        _copy(Path(mirror) / name, md5, folder / name)
        return folder / name
    wanted = [f"{mirror.rstrip('/')}/{name}"] if mirror else list(urls)
    problems = [problem for url in wanted if (problem := _fetch(url, name, md5, folder))]
    if len(problems) == len(wanted):
        raise DataError(
            f"models.efficientnet.weights='imagenet': {name} cannot be fetched "
            f"({'; '.join(problems)}). Put the file into a folder and name it as download.mirror, "
            "or set weights to null to train from scratch."
        )
    return folder / name


def _copy(source: Path, md5: str, target: Path) -> None:
    if not source.is_file():
        raise DataError(f"download.mirror: needs the file {source.name}; {source} is not there.")
    if hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest() != md5:
        raise DataError(f"{source}: not the published file (its MD5 sum is another).")
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _fetch(url: str, name: str, md5: str, folder: Path) -> str | None:
    """None where it worked, else why not."""
    import pooch

    folder.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")  # it would print the address
    try:
        pooch.retrieve(url, f"md5:{md5}", fname=name, path=folder, progressbar=False)
    except (OSError, ValueError) as error:
        return masked(" ".join(str(error).split()))[:160]
    return None
