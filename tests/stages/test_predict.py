"""Image files classified: the same probabilities whichever way a model is reached."""

import csv
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from overfit_atlas.errors import AtlasError
from pipeline import models, params, prediction
from pipeline.data import prepared
from pipeline.params import Cnn
from pipeline.stages import predict
from pipeline.tracking import connection, stage_run
from pipeline.training.export import keras_bytes

SHAPE = (8, 8, 1)
DATASET = "digits"


@pytest.fixture(scope="module")
def place(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained project in small: two seeds of a cnn, of which seed 1 is the better one."""
    root = tmp_path_factory.mktemp("predict")
    (root / "models" / "cnn").mkdir(parents=True)
    for seed in (0, 1):
        model = models.build("cnn", Cnn(filters=(4,), dense_units=8), SHAPE, 10, seed)
        path = root / "models" / "cnn" / f"seed-{seed}.best.keras"
        path.write_bytes(keras_bytes(model))
    curves = root / "results" / "curves" / "cnn.csv"
    curves.parent.mkdir(parents=True)
    rows = ["0,1,val,2.0", "0,2,val,1.5", "1,1,val,1.8", "1,2,val,1.2", "0,2,probe,0.1"]
    curves.write_text("\n".join(["seed,epoch,split,loss", *rows, ""]))
    data = prepared.read(digits_folder)
    (root / "pictures").mkdir()
    for number, image in enumerate(data.test.images[:3]):
        Image.fromarray(image[..., 0]).save(root / "pictures" / f"{number}.png")
    return root


@pytest.fixture
def call(place: Path, digits_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command with these arguments."""

    def run(*words: Any) -> None:
        folders = {"--data": digits_folder, "--models": place / "models"}
        folders["--results"] = place / "results"
        given = [word for pair in folders.items() for word in pair]
        predict.main(predict._parser().parse_args(list(map(str, [*given, *words]))))

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return run


def _written(path: Path) -> tuple[list[dict[str, str]], np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.startswith("p ")]
    return rows, np.array([[float(row[name]) for name in names] for row in rows])


def test_all_ways_to_a_model_give_equal_probabilities(
    call: Any, place: Path, tmp_path: Path, digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    images = digits.test.images[:3]
    best = place / "models" / "cnn" / "seed-1.best.keras"
    model, manifest = prediction.load(best), replace(digits.manifest, dataset=DATASET)
    with stage_run(params.parse({}), "evaluate", DATASET) as run:
        run.set_champion(run.log_model(best, "cnn", manifest), DATASET)
    expected = prediction.of_seeds([best], [images])[0].probabilities[0]
    uri = f"models:/overfit-atlas-{DATASET}@champion"
    mlflow = connection.load_mlflow()
    ways = {
        "keras": model.predict(images, verbose=0),
        "mlflow keras": mlflow.keras.load_model(uri).predict(images, verbose=0),
        "mlflow pyfunc": mlflow.pyfunc.load_model(uri).predict(images),
    }
    for name in ("champion", "cnn", best):
        call("--model", name, place / "pictures", "--all", "--out", tmp_path / "said.csv")
        ways[f"--model {name}"] = _written(tmp_path / "said.csv")[1]
    for way, found in ways.items():
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=way)


def test_the_exported_file_gives_equal_probabilities(
    call: Any, place: Path, tmp_path: Path, digits: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    best = place / "models" / "cnn" / "seed-1.best.keras"
    call("--model", "cnn", "--export", tmp_path / "model.tflite")
    assert capfd.readouterr().out == (
        f"{tmp_path / 'model.tflite'}: {(tmp_path / 'model.tflite').stat().st_size:,} bytes\n"
    )
    images = digits.test.images[:3]
    reader = Interpreter(str(tmp_path / "model.tflite"))
    (taken,), (given,) = reader.get_input_details(), reader.get_output_details()
    assert taken["dtype"] == np.uint8
    reader.resize_tensor_input(taken["index"], images.shape)
    reader.allocate_tensors()
    reader.set_tensor(taken["index"], images)
    reader.invoke()
    expected = prediction.of_seeds([best], [images])[0].probabilities[0]
    np.testing.assert_allclose(reader.get_tensor(given["index"]), expected, atol=1e-6)


def test_an_export_is_named_as_litert_expects(call: Any) -> None:
    with pytest.raises(AtlasError, match=r"model\.onnx: expected a name that ends in \.tflite"):
        call("--export", "model.onnx")


def test_neither_images_nor_an_export_is_an_error(call: Any) -> None:
    with pytest.raises(AtlasError, match="--export"):
        call()


def test_a_row_names_file_label_probability_and_second_choice(
    call: Any, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = place / "pictures" / "1.png"
    written = ("--out", tmp_path / "said.csv", "--grad-cam", tmp_path / "maps")
    call("--model", "cnn", picture, "--all", *written)
    [row], [shares] = _written(tmp_path / "said.csv")
    second, first = np.argsort(shares)[-2:]
    assert row["file"] == str(picture)
    assert (row["label"], row["label_2"]) == (str(first), str(second))
    assert float(row["probability"]) == shares[first]
    assert f"{shares[first]:.1%}" in capsys.readouterr().out
    with Image.open(tmp_path / "maps" / "0001-1.png") as overlay:
        assert overlay.size == (400, 400)


def test_files_that_are_no_images_are_named_and_the_others_answered(
    call: Any, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, cut = tmp_path / "notes.txt", tmp_path / "cut.png"
    text.write_text("no image")
    whole = place / "pictures" / "0.png"
    cut.write_bytes(whole.read_bytes()[:60])
    with pytest.raises(AtlasError, match="2 of 3 files are no usable images"):
        call("--model", "cnn", text, cut, whole, "--out", tmp_path / "said.csv")
    error = capsys.readouterr().err
    assert f"{text}: cannot be read as an image" in error and f"{cut}: " in error
    assert [row["file"] for row in _written(tmp_path / "said.csv")[0]] == [str(whole)]


def test_nothing_there_says_so(call: Any, tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"gone\.png: there is no such file or folder"):
        call("--model", "cnn", tmp_path / "gone.png")
    with pytest.raises(AtlasError, match="no images in this folder"):
        call("--model", "cnn", tmp_path)


def test_no_model_yet_says_what_to_run(
    call: Any, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    for name, advice in (
        ("champion", "dvc repro evaluate"),
        ("dense", "dvc repro train@dense"),
        ("gone.keras", "dvc repro"),
        ("resnet", "Known: champion, dense"),
    ):
        with pytest.raises(AtlasError, match=advice):
            call("--model", name, place / "pictures")


def test_a_model_for_other_images_is_refused(call: Any, place: Path, tmp_path: Path) -> None:
    other = models.build("cnn", Cnn(filters=(4,), dense_units=8), (9, 9, 1), 10, 0)
    (tmp_path / "other.keras").write_bytes(keras_bytes(other))
    with pytest.raises(AtlasError, match=r"takes images \(9, 9, 1\).*has images \(8, 8, 1\)"):
        call("--model", tmp_path / "other.keras", place / "pictures")


def test_code_in_a_model_file_is_refused_in_one_line(
    place: Path, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    import keras

    from pipeline.stages import cli

    path = tmp_path / "hostile.keras"
    inputs = keras.Input(SHAPE)
    keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs)).save(path)
    words = ["--data", digits_folder, "--model", path, place / "pictures"]
    monkeypatch.setattr(sys, "argv", ["predict", *map(str, words)])
    monkeypatch.delenv("DVC_STAGE", raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.run(predict.main, predict._parser())
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: refused as a model: ") and "ambda" in error
    assert error.count("\n") == 1


def test_a_broken_model_file_is_refused(call: Any, place: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(AtlasError, match=r"broken\.keras: refused as a model"):
        call("--model", tmp_path / "broken.keras", place / "pictures")


def test_without_all_the_file_holds_the_likeliest_classes_whatever_its_form(
    call: Any, place: Path, tmp_path: Path
) -> None:
    import pandas as pd

    call("--model", "cnn", place / "pictures", "--out", tmp_path / "all.csv", "--all")
    every = _written(tmp_path / "all.csv")[1]
    call("--model", "cnn", place / "pictures", "--out", tmp_path / "top.csv")
    call("--model", "cnn", place / "pictures", "--out", tmp_path / "top.parquet")
    ranked = ["", "_2", "_3", "_4", "_5"]
    for table in (pd.read_csv(tmp_path / "top.csv"), pd.read_parquet(tmp_path / "top.parquet")):
        assert list(table) == [
            "file",
            *(f"{c}{r}" for r in ranked for c in ("label", "probability")),
        ]
        found = table[[f"probability{rank}" for rank in ranked]].to_numpy()
        np.testing.assert_allclose(found, -np.sort(-every)[:, :5], atol=1e-7)
        named = table[[f"label{rank}" for rank in ranked]].astype(int).to_numpy()
        np.testing.assert_array_equal(named, np.argsort(-every)[:, :5])


def test_files_are_answered_batch_by_batch(
    call: Any, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    call("--model", "cnn", place / "pictures", "--out", tmp_path / "once.csv")
    monkeypatch.setattr(prediction, "BATCH", 2)
    monkeypatch.setattr(predict, "NUM_SHOWN", 2)
    maps = tmp_path / "maps"
    call("--model", "cnn", place / "pictures", "--out", tmp_path / "said.csv", "--grad-cam", maps)
    assert (tmp_path / "said.csv").read_bytes() == (tmp_path / "once.csv").read_bytes()
    assert sorted(path.name for path in maps.iterdir()) == [
        "0001-0.png",
        "0002-1.png",
        "0003-2.png",
    ]
    assert "2 of 3 images shown" in capsys.readouterr().out


def test_odd_names_are_answered_and_do_no_harm(
    call: Any, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    picture = (place / "pictures" / "0.png").read_bytes()
    names = [b"=cmd.png", b"\x1b[31mred.png", b"new\nline.png", b"\xff.png", b"n" * 250 + b".png"]
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(picture)
    os.mkfifo(folder / "pipe.png")
    monkeypatch.chdir(folder)
    with pytest.raises(AtlasError, match="1 of 6 files are no usable images"):
        call("--model", "cnn", ".", "--out", tmp_path / "said.csv", "--grad-cam", tmp_path / "maps")
    found = sorted(row["file"] for row in _written(tmp_path / "said.csv")[0])
    escaped = ["./=cmd.png", "\\x1b[31mred.png", "\\xff.png", "n" * 250 + ".png", "new\\nline.png"]
    assert found == sorted(escaped)
    assert len(list((tmp_path / "maps").iterdir())) == 5
    said = capsys.readouterr()
    assert "pipe.png: no file but a pipe" in said.err
    assert "\x1b" not in said.out + said.err


def test_outputs_spare_images_models_and_folders(call: Any, place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(place / "pictures", folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for out, said in [(folder, "a folder stands there"), (folder / "1.png", "written over")]:
        with pytest.raises(AtlasError, match=said):
            call("--model", "cnn", folder, "--out", out)
    model = next((place / "models" / "cnn").glob("*.keras"))
    with pytest.raises(AtlasError, match="written over"):
        call("--model", model, folder, "--out", model)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_linked_folder_is_named_as_left_out(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "linked").symlink_to(tmp_path)
    assert list(predict.found([tmp_path])) == [tmp_path / "a.png"]
    assert "linked: a link to a folder, left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda weights: [one * np.nan for one in weights], "are NaN or infinite"),
        (lambda weights: [one * 0 + 1 for one in weights], "is no softmax"),
    ],
)
def test_what_is_no_probability_is_named(
    call: Any, place: Path, tmp_path: Path, spoil: Any, said: str
) -> None:
    import keras

    inputs = keras.Input(SHAPE, dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(10)(flat))
    model.set_weights(spoil(model.get_weights()))
    model.save(tmp_path / "spoilt.keras")
    with pytest.raises(AtlasError, match=rf"spoilt\.keras: what it gives are no probab.*{said}"):
        call("--model", tmp_path / "spoilt.keras", place / "pictures", "--out", tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()


def test_damaged_model_files_are_refused_in_one_line(
    call: Any, place: Path, tmp_path: Path
) -> None:
    whole = bytearray((place / "models" / "cnn" / "seed-1.best.keras").read_bytes())
    path = tmp_path / "damaged.keras"
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as deep:
        deep.writestr("config.json", "[" * 100_000 + "]" * 100_000)
    contents = [path.read_bytes()]
    for _ in range(10):
        flipped = bytearray(whole)
        for at in rng.integers(0, len(whole), 20):
            flipped[at] ^= 0xFF
        contents.append(bytes(flipped))
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(AtlasError, match=r"damaged\.keras: refused as a model: ") as caught:
            call("--model", path, place / "pictures")
        assert "\n" not in str(caught.value)
