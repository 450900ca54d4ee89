"""From a name of the catalog to raw data: which reader takes what."""

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data import DataError, cifar, fetching, folder, idx, npz, raw
from pipeline.data.catalog import Dataset
from pipeline.data.raw import Part
from pipeline.params import Download

SHIPPED = resources.files("pipeline.data") / "shipped"


def write(dataset: Dataset, settings: Download, out: Path) -> tuple[str, ...]:
    """Fetch `dataset` and write it to `out` in the form of `raw`, whole or not at all.

    `settings.path` is where the user's own images are (data sets folder and npz),
    `settings.mirror` a folder or URL that holds the archives of the others.

    Returns:
        How the user's own images were read, in sentences; nothing for sets known by name.

    Raises:
        DataError: it cannot be had, is damaged, or is not what it should be.
    """
    path = settings.path
    if path is not None and dataset.name == "folder":
        return _write_folder(dataset, Path(path).expanduser(), settings, out)
    if path is not None and dataset.name == "npz":
        opened = npz.Npz(Path(path).expanduser())
        origin = dataset.origin(opened.class_names, opened.notes)
        raw.write_parts(out, origin, lambda _: opened.parts())
        return origin.notes
    raw.write_parts(out, dataset.origin(), lambda work: _parts(dataset, settings.mirror, work))
    return ()


def _write_folder(dataset: Dataset, source: Path, settings: Download, out: Path) -> tuple[str, ...]:
    found = folder.scan(source, settings.links, settings.layout)
    if len(found.class_names) < 2:
        raise DataError(
            f"{source}: one class only, {found.class_names[0]!r}; to tell apart, there must be 2. "
            "Name the folder above, or put a table labels.csv (name, label) beside the images."
        )
    origin = dataset.origin(found.class_names, found.notes)
    raw.write_folder(out, origin, found.entries, found.sources)
    return origin.notes


def _parts(dataset: Dataset, mirror: str | None, work: Path) -> Iterator[Part]:
    if dataset.form == "digits":
        return _digits()
    if dataset.form == "shipped":
        return _shipped(dataset)
    cached = fetching.cache()
    paths = [fetching.obtain(archive, mirror, cached) for archive in dataset.archives]
    if dataset.form == "idx":
        return idx.parts(paths)
    if dataset.form == "npz":
        return npz.Npz(paths[0]).parts()
    if dataset.form == "cifar10" or dataset.form == "cifar100":
        return cifar.parts(paths[0], dataset.form, work)
    raise DataError(
        f"download.dataset={dataset.name!r} needs download.path: where your images are."
    )


def _shipped(dataset: Dataset) -> Iterator[Part]:
    (archive,) = dataset.archives
    with resources.as_file(SHIPPED / archive.name) as path:
        yield from npz.Npz(fetching.verify(path, archive)).parts()


def _digits() -> Iterator[Part]:
    """scikit-learn's digits: 1,797 images of 8 x 8, their values 0 to 16 stretched to 0 to 255."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
    yield Part("train", (8, 8, 1), found.target.astype(np.int32), [images])
