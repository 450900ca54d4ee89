"""Make the small Fashion-MNIST that is shipped with the package, from the full set.

    python scripts/make_fashion_mnist_mini.py FOLDER

FOLDER holds the four official IDX files (`*-ubyte.gz`), as Debian's `dataset-fashion-mnist` puts
them into /usr/share/datasets/fashion-mnist. Taken are the first 200 training and 100 test images
of each class, in the order of the full set, so that the result needs no random numbers and is
the same for everybody.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import catalog, fetching, idx
from pipeline.files import replacing

OUT = Path(__file__).parents[1] / "pipeline" / "data" / "shipped" / "fashion_mnist_mini.npz"
IMAGES_PER_CLASS = {"train": 200, "test": 100}


def main() -> None:
    """Read the full set from the folder on the command line and write the small one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", help="where the four official files are")
    folder = parser.parse_args().folder
    dataset = catalog.find("fashion_mnist")
    paths = [fetching.obtain(archive, folder, Path()) for archive in dataset.archives]
    chosen: dict[str, Any] = {}
    for part in idx.parts(paths):
        indices = first_of_each_class(part.labels, IMAGES_PER_CLASS[part.split])
        images = np.concatenate(list(part.blocks))[indices]
        chosen[f"x_{part.split}"] = images[..., 0]
        chosen[f"y_{part.split}"] = part.labels[indices].astype(np.uint8)
    with replacing(OUT) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, class_names=np.array(dataset.class_names), **chosen)
    content = OUT.read_bytes()
    print(f"{OUT}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def first_of_each_class(labels: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """Ascending indices of the first `size` images of each class."""
    members = [np.flatnonzero(labels == label)[:size] for label in np.unique(labels)]
    return np.sort(np.concatenate(members))


if __name__ == "__main__":
    main()
