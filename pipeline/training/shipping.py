"""Data sets sent to workers that do not see this machine's files."""

import io
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

from pipeline.files import replacing
from pipeline.training.task import FitTask


def pack(folder: Path) -> bytes:
    """All files of the prepared data set in `folder`, as one uncompressed archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, arcname=".")
    return packed.getvalue()


def delivered(task: FitTask, source: bytes) -> FitTask:
    """`task`, looking for its data in a folder of this machine that holds what `source` packs.

    The folder is named by the data's content hash and unpacked once a machine. Checkpoints of the
    sender's disk mean nothing here, so there are none: a fit whose worker is lost starts anew.
    """
    from filelock import FileLock

    folder = Path(tempfile.gettempdir()) / f"overfit-atlas-{task.data_hash}"
    with FileLock(f"{folder}.lock"):  # all workers of a machine want it at once
        if not folder.exists():
            with (
                replacing(folder) as temporary,
                tarfile.open(fileobj=io.BytesIO(source)) as archive,
            ):
                archive.extractall(temporary, filter="data")
    return replace(task, data=folder, checkpoints=None)
