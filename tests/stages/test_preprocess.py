import argparse
import csv
import json

import numpy as np
import pytest
from PIL import Image

from pipeline.data import DataError, prepared
from pipeline.params import Download, Preprocess
from pipeline.stages import download, preprocess


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini") / "raw"
    download.fetch(Download(), folder)
    return folder


def prepare(source, tmp_path, seed=0, **settings):
    outcome = preprocess.prepare(source, tmp_path / "prepared", Preprocess(**settings), seed)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    return outcome, prepared.read(tmp_path / "prepared")


def test_the_default_data(mini, tmp_path):
    outcome, data = prepare(mini, tmp_path)
    manifest = outcome.manifest
    assert manifest.counts == {
        "train": (160,) * 10,
        "val": (40,) * 10,
        "test": (100,) * 10,
        "probe": (40,) * 10,
    }
    assert manifest.image_shape == (28, 28, 1) and data.train.images.dtype == np.uint8
    assert manifest.mean == pytest.approx((0.286,), abs=0.01)
    assert manifest.std == pytest.approx((0.353,), abs=0.01)
    assert np.isin(data.probe.ids, data.train.ids).all()
    together = np.concatenate([data.train.ids, data.val.ids, data.test.ids])
    assert sorted(together.tolist()) == list(range(3000))


def test_equal_params_give_equal_bytes_and_another_seed_does_not(mini, tmp_path):
    settings = Preprocess(label_noise=0.2, imbalance=4, train_fraction=0.5)
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        preprocess.prepare(mini, tmp_path / name, settings, seed)
    for path in (tmp_path / "a").rglob("*.*"):
        again = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == again.read_bytes()
    hashes = [prepared.read_manifest(tmp_path / name).content_hash for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]


def test_images_keep_their_pixels_and_labels(mini, tmp_path):
    _, data = prepare(mini, tmp_path)
    images = np.concatenate([np.load(mini / f"images_{s}.npy") for s in ("train", "test")])
    labels = np.concatenate([np.load(mini / f"labels_{s}.npy") for s in ("train", "test")])
    for split in (data.train, data.val, data.test):
        assert np.array_equal(split.images, images[split.ids])
        assert np.array_equal(split.labels, labels[split.ids])


def test_size_and_colour(mini, tmp_path):
    outcome, data = prepare(mini, tmp_path, image_size=14, colour="rgb")
    assert outcome.manifest.image_shape == (14, 14, 3)
    assert data.test.images.shape == (1000, 14, 14, 3)
    assert len(outcome.manifest.mean) == len(outcome.manifest.std) == 3


def test_spoilt_data_says_how_much(mini, tmp_path):
    outcome, data = prepare(mini, tmp_path, label_noise=0.25, imbalance=10, train_fraction=0.5)
    assert np.bincount(data.train.true_labels)[[0, 9]].tolist() == [80, 8]
    assert outcome.manifest.imbalance == 10
    assert outcome.manifest.label_noise == pytest.approx(0.25, abs=0.01)
    assert np.array_equal(data.val.labels, data.val.true_labels)


def test_a_failure_leaves_the_old_data(mini, tmp_path):
    prepare(mini, tmp_path)
    with pytest.raises(DataError, match="imbalance"):
        preprocess.prepare(mini, tmp_path / "prepared", Preprocess(imbalance=1000), 0)
    assert len(prepared.read(tmp_path / "prepared").train) == 1600
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]


def test_no_raw_data_says_which_stage_makes_it(tmp_path):
    with pytest.raises(DataError, match="Run `dvc repro download` first"):
        preprocess.prepare(tmp_path / "raw", tmp_path / "prepared", Preprocess(), 0)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def photos(tmp_path):
    """Twenty photos of cats and dogs each, one of a cow, one damaged, some there twice."""
    generator = np.random.default_rng(0)
    for name in [f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(20)] + ["cow/0.png"]:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    (tmp_path / "photos" / "dog" / "99.png").write_bytes(b"hello")
    for i in range(8):
        with Image.open(tmp_path / "photos" / "cat" / f"{i}.png") as image:
            image.save(tmp_path / "photos" / "cat" / f"copy{i}.bmp")
    settings = Download(dataset="folder", path=str(tmp_path / "photos"))
    download.fetch(settings, tmp_path / "raw")
    return tmp_path


def test_photos_with_faults_fail_by_name_or_are_listed(photos):
    with pytest.raises(DataError, match="dog/99.png: cannot be read as an image"):
        preprocess.prepare(photos / "raw", photos / "prepared", Preprocess(), 0)
    assert not (photos / "prepared").exists()
    settings = Preprocess(on_bad_image="skip")
    outcome = preprocess.prepare(photos / "raw", photos / "prepared", settings, 0)
    preprocess.write_tables(photos / "results", outcome)
    assert outcome.manifest.class_names == ("cat", "dog") and outcome.manifest.skipped == 2
    skipped = {row["path"]: row["reason"] for row in rows(photos / "results" / "skipped.csv")}
    assert set(skipped) == {"dog/99.png", "cow/0.png"}
    assert "1 usable image" in skipped["cow/0.png"]
    listed = rows(photos / "results" / "duplicates.csv")
    assert len(listed) == outcome.manifest.duplicates_removed > 0
    order = ("train", "val", "test")
    for row in listed:
        assert order.index(row["split"]) > order.index(row["duplicate_of_split"])
        names = sorted((row["path"], row["duplicate_of_path"]))
        assert names[1] == names[0].replace("cat/", "cat/copy").replace(".png", ".bmp")
    summary = json.loads((photos / "results" / "summary.json").read_text())
    assert summary["dropped_classes"] == ["cow"] and summary["skipped"] == 2
    assert sum(summary["duplicates_removed"].values()) == len(listed)


def test_main_writes_tables_and_figures(mini, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "params.yaml").write_text("preprocess:\n  train_fraction: 0.1\n")
    arguments = argparse.Namespace(
        params=tmp_path / "params.yaml",
        raw=mini,
        out=tmp_path / "prepared",
        results=tmp_path / "results",
    )
    preprocess.main(arguments)
    assert "160 train, 400 val, 1,000 test, 160 probe" in capsys.readouterr().out
    assert (tmp_path / "mlruns").is_dir()
    names = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert names == [
        "class_counts.csv",
        "class_counts.png",
        "contradictions.csv",
        "duplicates.csv",
        "odd_sizes.csv",
        "samples.png",
        "skipped.csv",
        "summary.json",
    ]
    counts = rows(tmp_path / "results" / "class_counts.csv")
    assert len(counts) == 40
    assert counts[9] == {"split": "train", "class": "9", "class_name": "Ankle boot", "count": "16"}
    for name in ("class_counts.png", "samples.png"):
        with Image.open(tmp_path / "results" / name) as image:
            assert image.width > 500
