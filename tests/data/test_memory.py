"""Peak memory of both stages on many colour images, each in a process of its own.

There are 12,000; with ATLAS_INPUTS, as at night, the 60,000 of CIFAR-100.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.inputs import FACTOR

NUM_IMAGES = 60_000 if FACTOR > 1 else 12_000
# To look for copies, every image is kept small: 2 KB in pixels, and 400 bytes to find it by.
MAX_MEGABYTES = (
    {"download": 150, "preprocess": 600} if FACTOR > 1 else {"download": 85, "preprocess": 180}
)
MEASURED = r"""
import hashlib, re, sys
from dataclasses import replace
from pathlib import Path
from pipeline.data import catalog
from pipeline.params import Download, Preprocess
from pipeline.stages import download, preprocess

stage, folder = sys.argv[1], Path(sys.argv[2])
if stage == "download":
    known = catalog.find("cifar100")
    path = folder / known.archives[0].name
    with path.open("rb") as file:
        pinned = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    made = replace(known.archives[0], sha256s=(pinned,), num_bytes=size)
    catalog.DATASETS["cifar100"] = replace(known, archives=(made,))
    download.fetch(Download(dataset="cifar100", mirror=str(folder)), folder / "raw")
else:
    preprocess.prepare(folder / "raw", folder / "prepared", Preprocess(), 0)
# Not getrusage, whose peak includes that of the process which started this one.
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) * 1024 / 1e6)
"""


@pytest.fixture(scope="module")
def big(made, tmp_path_factory):
    """A folder with random colour images in the form of the official CIFAR-100."""
    folder = tmp_path_factory.mktemp("big")
    members = {}
    for split, size in (("train", NUM_IMAGES * 5 // 6), ("test", NUM_IMAGES // 6)):
        images = made.made_images(size, 32, 3, seed=size)
        labels = np.arange(size) % 100
        fields = {"fine_labels": labels, "coarse_labels": labels // 5}
        members[f"cifar-100-python/{split}"] = made.python2_pickle(images, fields)
    made.write_tar(folder / "cifar-100-python.tar.gz", members, level=0)
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("stage", ["download", "preprocess"])
def test_many_colour_images_pass_through_little_memory(big, stage):
    command = [sys.executable, "-c", MEASURED, stage, str(big)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < MAX_MEGABYTES[stage]
