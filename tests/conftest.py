"""What many tests share: one small real data set, prepared once a session."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data import prepared
from pipeline.data.prepared import Manifest, Prepared, Split


@pytest.fixture(scope="session")
def digits() -> Prepared:
    """Real handwritten digits, 8x8 pixels: 200 train (60 of them probe), 60 val, 60 test images."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images[:, :, :, None] * 15).astype(np.uint8)
    labels = bunch.target.astype(np.int32)
    ids = np.arange(len(labels), dtype=np.int64)
    whole = Split("all", images, labels, labels, ids)
    train = whole.take(ids[:200], "train")
    return Prepared(
        Manifest("digits", tuple("0123456789"), (8, 8, 1), {}, (), (), ""),
        train,
        whole.take(ids[200:260], "val"),
        whole.take(ids[260:320], "test"),
        train.take(ids[:60], "probe"),
    )


@pytest.fixture(scope="session")
def digits_folder(digits: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits` on disk, as `preprocess` leaves a data set."""
    folder = tmp_path_factory.mktemp("data") / "prepared"
    prepared.write(folder, digits)
    return folder
