import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import zipfile
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest

from overfit_atlas.errors import AtlasError
from pipeline import files
from pipeline.files import replacing, write_json


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "kept.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    (path / "old").touch()
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_file_never_takes_the_place_of_a_folder(tmp_path, kind):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "only copy.png").touch()
    path = pictures
    if kind == "link":
        path = tmp_path / "link"
        path.symlink_to(pictures)
    with suppress(IsADirectoryError), replacing(path) as temporary:
        temporary.write_text("table")
    assert (pictures / "only copy.png").exists()
    assert sorted(tmp_path.iterdir()) == sorted({pictures, path}) or path.is_file()


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    for before, refused in [([], False), (["origin.json"], False), (["photo.png"], True)]:
        for name in before:
            (path / name).touch()
        outcome = pytest.raises(AtlasError) if refused else nullcontext()
        with outcome, replacing(path, "origin.json") as temporary:
            temporary.mkdir()
        assert [file.name for file in path.iterdir()] == (before if refused else [])


def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(AtlasError, match="a device or pipe"), replacing(path):
            pass
    assert (tmp_path / "pipe").is_fifo() and Path("/dev/null").is_char_device()


def test_json_has_sorted_keys_and_refuses_nan(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"b": 1, "a": [0.5]})
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    assert json.loads(path.read_text()) == {"a": [0.5], "b": 1}
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": [0.5], "b": 1}


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline import files

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

with files.replacing(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    if sys.argv[2] == "writing":
        kill()
    rename, files.os.replace = os.replace, lambda *paths: (rename(*paths), kill())
"""


@pytest.mark.parametrize("moment", ["writing", "renaming"])
def test_what_a_killed_process_left_is_swept_and_the_old_folder_is_kept(tmp_path, moment):
    path = tmp_path / "a [folder]"
    path.mkdir()
    (path / "old").touch()
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), moment], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.exists() == (moment == "writing")
    assert len([one for one in tmp_path.iterdir() if one.suffix == ".tmp"]) == 1
    with pytest.raises(RuntimeError), replacing(path):
        assert [one.name for one in path.iterdir()] == ["old"]
        raise RuntimeError
    assert [one.name for one in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    path = tmp_path / "file"
    with replacing(path) as slow:
        slow.write_text("slow")
        with replacing(path) as quick:
            quick.write_text("quick")
        assert path.read_text() == "quick"
    assert path.read_text() == "slow"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("sizes", [[files.SUSPECT_BYTES + 1], [files.SUSPECT_BYTES // 10] * 11])
def test_a_zip_that_unpacks_to_far_more_than_it_is_is_refused_by_its_headers(tmp_path, sizes):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, size in enumerate(sizes):
            with archive.open(str(number), "w") as member:
                for _ in range(size // 2**20 + 1):
                    member.write(bytes(2**20))
    with pytest.raises(AtlasError, match=r"in it|all of it"):
        files.check_zip(path)


def test_zeros_and_noise_of_honest_size_are_no_bomb(tmp_path):
    path = tmp_path / "honest.npz"
    np.savez_compressed(path, zeros=np.zeros(10**6), noise=np.random.default_rng(0).random(10**5))
    files.check_zip(path)


def test_a_name_of_255_bytes_can_be_written(tmp_path):
    path = tmp_path / ("n" * 255)
    files.write_text(path, "whole")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_full_disk_is_named_by_what_was_written(tmp_path):
    with pytest.raises(OSError) as caught, replacing(tmp_path / "out.npz"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "out.npz")
    assert pickle.loads(pickle.dumps(caught.value)).filename == str(tmp_path / "out.npz")
