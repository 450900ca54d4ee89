import argparse
import csv
import json
import os
import shutil

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
    assert len(listed) == 8 and {row["kind"] for row in listed} == {"exact"}
    order = ("train", "val", "test")
    for row in listed:
        assert order.index(row["split"]) >= order.index(row["duplicate_of_split"])
        crosses = row["split"] != row["duplicate_of_split"] == "train"
        assert row["left_out"] == (row["duplicate_of"] if crosses else "")
        names = sorted((row["path"], row["duplicate_of_path"]))
        assert names[1] == names[0].replace("cat/", "cat/copy").replace(".png", ".bmp")
    summary = json.loads((photos / "results" / "summary.json").read_text())
    assert summary["dropped_classes"] == ["cow"] and summary["skipped"] == 2
    left_out = sum(bool(row["left_out"]) for row in listed)
    assert summary["duplicates_removed"] == {"train": left_out}
    assert summary["copies"]["left_out_of_train"] == left_out
    assert sum(summary["copies"]["within"].values()) == 8 - left_out


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


class Photos:
    """Image files below `folder`, and what the two stages make of them, run as a user does."""

    def __init__(self, where):
        self.where, self.folder = where, where / "photos"

    def save(self, name, array):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(array)).save(path)

    def fill(self, *folders, num_images=6, channels=3, side=8):
        generator = np.random.default_rng(len(folders))
        for folder in folders:
            for i in range(num_images):
                shape = (side, side, channels)[: 2 if channels == 1 else 3]
                self.save(f"{folder}/{i}.png", generator.integers(0, 256, shape, np.uint8))

    def run(self, **preprocessing):
        (self.where / "params.yaml").write_text(
            json.dumps(
                {
                    "download": {"dataset": "folder", "path": str(self.folder)},
                    "preprocess": preprocessing,
                }
            )
        )
        params = self.where / "params.yaml"
        download.main(argparse.Namespace(params=params, out=self.where / "raw"))
        names = {name: self.where / name for name in ("raw", "results")}
        out = self.where / "prepared"
        preprocess.main(argparse.Namespace(params=params, out=out, **names))
        summary = json.loads((self.where / "results" / "summary.json").read_text())
        return prepared.read(out), "; ".join(summary["notes"])


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(preprocess, "_log", lambda *_: None)
    monkeypatch.setattr(preprocess, "write_figures", lambda *_: None)
    return Photos(tmp_path)


def test_12_bits_in_files_of_16_fill_the_range_and_it_is_said(own, capsys):
    for i in range(12):
        wide = np.full((8, 8), 300 * i + 10, np.uint16)
        wide[0, 0] = 4095 - i
        own.save(f"{'ab'[i % 2]}/{i}.png", wide)
    data, notes = own.run()
    values = np.concatenate([data.train.images, data.val.images, data.test.images])
    assert values.max() == 255 and values[:, 5, 5, 0].max() == (300 * 11 + 10) >> 4
    assert data.manifest.bits == 12
    assert "12 files of 16 bits hold values up to 4095: read as 12-bit data (0 to 4095)" in notes
    said = capsys.readouterr().out
    assert f"{own.folder}: read 12 images of 2 classes\n" in said and "note: 12 files of 16" in said


def test_kaggles_layout_ends_as_train_and_test(own):
    own.fill("seg_train/seg_train/sea", "seg_train/seg_train/wood", num_images=10)
    own.fill("seg_test/seg_test/sea", "seg_test/seg_test/wood", "seg_pred/seg_pred", "x")
    for path in (own.folder / "x").iterdir():
        path.unlink()
    data, notes = own.run()
    assert data.manifest.class_names == ("sea", "wood")
    assert (len(data.train), len(data.val), len(data.test)) == (16, 4, 12)
    assert "seg_pred/ left out: 6 images without labels" in notes


def test_parts_within_classes_and_a_table_end_as_they_say(own):
    own.fill("cat/train", "cat/test", "dog/train", "dog/test")
    data, _ = own.run()
    assert (len(data.train), len(data.val), len(data.test)) == (10, 2, 12)


def test_images_with_a_table_of_labels_are_read_and_missing_files_are_bad(own):
    own.fill("images", num_images=10)
    rows = "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(11))
    (own.folder / "labels.csv").write_text(f"name,label\n{rows}")
    with pytest.raises(DataError, match="10.png: in labels.csv, but not in the folder. .* to skip"):
        own.run()
    data, notes = own.run(on_bad_image="skip")
    assert data.manifest.class_names == ("a", "b") and len(data.train) == 6
    (missing,) = rows_of(own, "skipped")
    assert missing["path"] == "10.png" and "labels of 10 images from labels.csv" in notes


def rows_of(own, table):
    return rows(own.where / "results" / f"{table}.csv")


def test_val_as_a_copy_of_train_is_refused(own):
    own.fill("train/a", "train/b")
    for name in "ab":
        shutil.copytree(own.folder / "train" / name, own.folder / "val" / name)
    with pytest.raises(DataError, match="all 12 images of val are in train as well"):
        own.run(on_bad_image="skip")


def test_an_image_under_two_classes_is_listed_and_said(own):
    own.fill("a", "b", num_images=10)
    shutil.copy(own.folder / "a" / "3.png", own.folder / "b" / "copy.png")
    _, notes = own.run()
    (row,) = rows_of(own, "contradictions")
    assert (row["path"], row["class_name"]) == ("b/copy.png", "b")
    assert (row["same_as_path"], row["same_as_class"]) == ("a/3.png", "a")
    assert "1 images are there under two classes (contradictions.csv), b/copy.png first" in notes


def test_a_grey_class_is_said_to_be_told_by_colour(own):
    own.fill("a", num_images=10)
    own.fill("b", num_images=10, channels=1)
    _, notes = own.run()
    assert "colour alone tells 'b': their images are grey, those of 'a' are not" in notes
    assert "colour alone" not in own.run(colour="grey")[1]


def test_strips_icons_and_panoramas_are_listed_with_their_size(own):
    own.fill("a", "b", num_images=10, side=40)
    for name, (width, height) in {"strip": (3, 90), "icon": (1, 1), "wide": (20000, 60)}.items():
        own.save(f"a/{name}.png", np.full((height, width, 3), len(name), np.uint8))
    _, notes = own.run(image_size=32)
    listed = {row["path"]: row for row in rows_of(own, "odd_sizes")}
    assert set(listed) == {"a/strip.png", "a/icon.png", "a/wide.png"}
    assert (listed["a/strip.png"]["width"], listed["a/strip.png"]["height"]) == ("3", "90")
    assert listed["a/strip.png"]["reason"] == "3% of it are left when it is cropped to 32 x 32"
    assert listed["a/icon.png"]["reason"] == "enlarged 32 times to 32 x 32"
    assert "3 images of an odd size (odd_sizes.csv), a/icon.png first: 1 x 1" in notes


def test_links_out_of_the_folder_are_never_copied(own, tmp_path_factory):
    secret = tmp_path_factory.mktemp("secret") / "hostname"
    secret.write_text("top secret")
    own.fill("a", "b", num_images=6)
    (own.folder / "a" / "x.png").symlink_to(secret)
    (own.folder / "b" / "gone.png").symlink_to("nowhere")
    os.mkfifo(own.folder / "b" / "pipe.png")
    with pytest.raises(DataError, match="a/x.png: a link that leads outside the folder"):
        own.run()
    _, notes = own.run(on_bad_image="skip")
    copies = [path for path in (own.where / "raw").rglob("*") if path.is_file()]
    assert len(copies) == 14 and not any(b"top secret" in path.read_bytes() for path in copies)
    assert [row["path"] for row in rows_of(own, "skipped")] == [
        "a/x.png",
        "b/gone.png",
        "b/pipe.png",
    ]
    assert "1 files not read: a link that leads nowhere" in notes


def test_few_images_of_a_class_are_said_and_one_folder_is_refused(own):
    own.fill("a", num_images=40)
    with pytest.raises(DataError, match="one class only, 'a'; to tell apart, there must be 2"):
        own.run()
    own.fill("b", "c", num_images=3)
    data, notes = own.run()
    assert data.manifest.counts["val"] == (6, 1, 1)
    assert "fewer than 5 val images of 'b', 'c' (1 at the least)" in notes


def test_formats_without_a_decoder_are_named_with_the_way_out(own):
    own.fill("a", "b")
    (own.folder / "a" / "x.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(DataError, match="a/x.heic: .*it is HEIC, .* convert it to PNG or JPEG"):
        own.run()


def test_strange_names_are_read_and_shown_escaped(own):
    own.fill("=cmd", "<b>nan", "01", "\U0001f600")
    name = os.fsdecode(b"\x1b[31m\xfc.png")
    (own.folder / "01" / "0.png").rename(own.folder / "01" / name)
    data, _ = own.run()
    assert data.manifest.class_names == ("01", "<b>nan", "=cmd", "\U0001f600")
    listing = (own.where / "raw" / "listing.csv").read_text(encoding="utf-8")
    assert r"01/\x1b[31m\udcfc.png" in listing and "\x1b" not in listing
