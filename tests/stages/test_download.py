import argparse
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pipeline.data import DataError, raw
from pipeline.params import Download
from pipeline.stages import download


def fetch(tmp_path, **settings):
    download.fetch(Download(**settings), tmp_path / "raw")
    return raw.read(tmp_path / "raw")


def test_the_default_is_shipped_and_needs_no_network(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refused)
    found = fetch(tmp_path)
    assert found.origin.dataset == "fashion_mnist_mini"
    assert {split: len(labels) for split, (_, labels) in found.parts.items()} == {
        "train": 2000,
        "test": 1000,
    }


def test_equal_sources_give_equal_bytes(tmp_path):
    for name in "ab":
        download.fetch(Download(), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_users_npz_is_read_from_its_path(tmp_path):
    images = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)
    np.savez(tmp_path / "my.npz", x_train=images, y_train=[0, 1, 0, 1], class_names=["no", "yes"])
    found = fetch(tmp_path, dataset="npz", path=str(tmp_path / "my.npz"))
    assert found.origin.class_names == ("no", "yes") and list(found.parts) == ["train"]


def test_a_users_folder_is_copied_byte_by_byte(tmp_path):
    content = {}
    for name in ("cat/1.png", "cat/2.jpg", "dog/1.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 5), "red").save(path)
        content[name] = path.read_bytes()
    (tmp_path / "photos" / "dog" / "readme.md").write_text("hello")
    found = fetch(tmp_path, dataset="folder", path=str(tmp_path / "photos"))
    assert found.origin.class_names == ("cat", "dog")
    assert [entry.path for entry in found.entries] == [*content, "dog/readme.md"]
    for name, expected in content.items():
        assert (found.images / name).read_bytes() == expected
    assert not (found.images / "dog" / "readme.md").exists()


@pytest.mark.parametrize("settings", [{"dataset": "npz"}, {"dataset": "folder"}])
def test_a_wrong_path_leaves_the_old_data(tmp_path, settings):
    fetch(tmp_path)
    with pytest.raises(DataError, match="nowhere"):
        fetch(tmp_path, **settings, path=str(tmp_path / "nowhere"))
    assert raw.read(tmp_path / "raw").origin.dataset == "fashion_mnist_mini"
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_main_reads_params_and_writes_out(tmp_path):
    (tmp_path / "params.yaml").write_text("download:\n  dataset: digits\n")
    out = tmp_path / "deep" / "raw"
    download.main(argparse.Namespace(params=tmp_path / "params.yaml", out=out))
    assert json.loads((out / "origin.json").read_text())["dataset"] == "digits"


def run(*arguments):
    command = [sys.executable, "-m", "pipeline.stages.download", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_an_error_is_one_line_and_exit_code_2(tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(f"download: {{dataset: fashion_mnist, mirror: {tmp_path / 'nowhere'}}}")
    done = run("--params", params, "--out", tmp_path / "raw")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: download.mirror=") and done.stderr.count("\n") == 1
    assert not (tmp_path / "raw").exists()


HEAVY = ("tensorflow", "keras", "sklearn", "pandas", "matplotlib", "mlflow", "scipy", "requests")


@pytest.mark.parametrize("stage", ["download", "preprocess"])
def test_a_light_stage_starts_without_the_heavy_libraries(stage):
    code = (
        f"import pipeline.stages.{stage}, sys\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
