"""Classify image files: `python -m pipeline.stages.predict [--model NAME] IMAGE_OR_FOLDER ...`.

Files are read as `preprocess` reads them, and scaling sits inside the model, so an image gets here
the probabilities it gets in training and when served.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from overfit_atlas.errors import AtlasError
from pipeline import explain, prediction, tracking
from pipeline.data import images, prepared, raw
from pipeline.data.images import ImageError
from pipeline.data.prepared import Manifest
from pipeline.data.walking import SUFFIXES
from pipeline.files import replacing, write_text
from pipeline.params import Models
from pipeline.stages import cli

if TYPE_CHECKING:
    from rich.table import Table

CHAMPION = "champion"
NUM_SHOWN = 50  # rows printed; the file holds all
OVERLAY_INCHES, OVERLAY_DPI = 4, 100


@dataclass(frozen=True)
class Answers:
    """What a model says of image files; row i of each field belongs to the same image.

    images: uint8 (n, height, width, channels). probabilities: float32 (n, classes). unread: for
    each file that is no usable image, why.
    """

    files: Sequence[str]
    images: np.ndarray
    probabilities: np.ndarray
    class_names: Sequence[str]
    unread: Mapping[str, str]

    def rows(self) -> Iterator[tuple[str, str, float, str, float]]:
        """For each image: file, label, its probability, the second choice, its probability."""
        best = np.argsort(-self.probabilities, axis=1, kind="stable")
        for file, order, shares in zip(self.files, best, self.probabilities, strict=True):
            (first, second), names = order[:2], self.class_names
            yield file, names[first], float(shares[first]), names[second], float(shares[second])


def main(arguments: argparse.Namespace) -> None:
    """Print and write what the model says of each file; unusable files are named at the end."""
    if not arguments.sources and not arguments.export:
        raise AtlasError("Give images or folders to classify, or --export FILE.tflite.")
    manifest = prepared.read_manifest(arguments.data)
    files = list(found(arguments.sources))
    model = load(arguments, manifest)
    if arguments.export:
        with replacing(arguments.export) as temporary:
            temporary.write_bytes(lite(model))
        print(f"{arguments.export}: {arguments.export.stat().st_size:,} bytes")
    if arguments.sources:
        _classify(arguments, model, files, manifest)


def _classify(
    arguments: argparse.Namespace, model: Any, files: Sequence[Path], manifest: Manifest
) -> None:
    answers = answer(model, files, manifest)
    _print(answers)
    if arguments.out:
        write_text(arguments.out, table(answers))
        print(f"{arguments.out}: {len(answers.files):,} rows")
    if arguments.grad_cam and len(answers.files):
        _write_overlays(arguments.grad_cam, model, answers)
    if answers.unread:
        for file, reason in answers.unread.items():
            print(f"{file}: {reason}", file=sys.stderr)
        raise AtlasError(f"{len(answers.unread)} of {len(files)} files are no usable images.")


def found(sources: Sequence[Path]) -> Iterator[Path]:
    """The files named, and those below the folders named that are called like images, sorted.

    Raises:
        AtlasError: nothing at such a path, or no images in a folder.
    """
    for source in sources:
        if source.is_dir():
            inside = sorted(_below(source))
            if not inside:
                raise AtlasError(f"{source}: no images in this folder. Known: PNG, JPEG, ...")
            yield from inside
        elif source.exists():
            yield source
        else:
            raise AtlasError(f"{source}: there is no such file or folder.")


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(where, name)


def load(arguments: argparse.Namespace, manifest: Manifest) -> Any:
    """The Keras model that `--model` names, if it fits the prepared data.

    Raises:
        AtlasError: there is none yet, it cannot be read, or takes other images or classes.
    """
    model = _named(arguments, manifest.dataset)
    image_shape, num_classes = tuple(model.input_shape[1:]), model.output_shape[-1]
    expected = (manifest.image_shape, manifest.num_classes)
    if (image_shape, num_classes) != expected:
        raise AtlasError(
            f"--model {arguments.model}: takes images {image_shape} and knows {num_classes} "
            f"classes; {arguments.data} has images {expected[0]} of {expected[1]} classes. "
            "Give the --data it was trained on."
        )
    return model


def _named(arguments: argparse.Namespace, dataset: str) -> Any:
    name = arguments.model
    if name == CHAMPION:
        return tracking.load_champion(dataset)
    if name in Models.model_fields:
        return _opened(_best_file(arguments, name))
    if Path(name).suffix == ".keras":
        return _opened(Path(name))
    known = ", ".join([CHAMPION, *Models.model_fields])
    raise AtlasError(f"--model {name}: unknown. Known: {known}, or a .keras file.")


def _best_file(arguments: argparse.Namespace, name: str) -> Path:
    """The file of the seed with the lowest validation loss."""
    import pandas as pd

    try:
        curves = pd.read_csv(arguments.results / "curves" / f"{name}.csv")
    except OSError:
        raise AtlasError(
            f"--model {name}: not trained yet. Run `dvc repro train@{name}`."
        ) from None
    val = curves[curves["split"] == "val"]
    seed = val.groupby("seed")["loss"].min().idxmin()
    return Path(arguments.models, name, f"seed-{seed}.best.keras")


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise AtlasError(f"{path}: no such model file. Run `dvc repro` to train the models.")
    try:
        return prediction.load(path)
    except (ValueError, TypeError, KeyError, OSError, BadZipFile) as error:
        first = str(error).strip().split("\n")[0].split(". ")[0][:200]
        raise AtlasError(f"{path}: refused as a model: {first}.") from None


def lite(model: Any) -> bytes:
    """`model` for TensorFlow Lite, without its training: `uint8` images in, probabilities out."""
    import tensorflow as tf

    with redirect_stdout(StringIO()):  # it prints every tensor
        converted: bytes = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    return converted


def answer(model: Any, files: Sequence[Path], manifest: Manifest) -> Answers:
    """The probabilities of all files that can be read as images."""
    call = prediction.compiled(model)
    unread: dict[str, str] = {}
    read: dict[str, np.ndarray] = {}
    for file in files:
        try:
            read[str(file)] = images.load(file, str(file), manifest.image_shape, manifest.bits)
        except ImageError as error:
            unread[str(file)] = error.reason
    stack = np.array(list(read.values()), np.uint8).reshape(-1, *manifest.image_shape)
    shares = prediction.run(call, stack) if read else np.zeros((0, manifest.num_classes))
    return Answers(list(read), stack, shares, manifest.class_names, unread)


def table(answers: Answers) -> str:
    """A CSV text: file, label, probability, the second choice, then every class' probability."""
    header = ["file", "label", "probability", "second", "second_probability"]
    rows = [
        [file, label, f"{share:.9g}", second, f"{other:.9g}", *(f"{one:.9g}" for one in shares)]
        for (file, label, share, second, other), shares in zip(
            answers.rows(), answers.probabilities, strict=True
        )
    ]
    return raw.table([*header, *(f"p {name}" for name in answers.class_names)], rows)


def _print(answers: Answers) -> None:
    from rich.console import Console

    if answers.files:
        Console().print(_shown(answers))
    if len(answers.files) > NUM_SHOWN:
        print(f"{NUM_SHOWN} of {len(answers.files):,} images shown; --out FILE.csv gets all.")


def _shown(answers: Answers) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    made = Table("file", "label", "probability", "second choice")
    for file, label, share, second, other in list(answers.rows())[:NUM_SHOWN]:
        choice = f"{escape(second)} {other:.1%}"
        made.add_row(escape(file), escape(label), f"{share:.1%}", choice)
    return made


def _write_overlays(folder: Path, model: Any, answers: Answers) -> None:
    from matplotlib.figure import Figure

    from pipeline.plots.gradcam import draw_overlay

    height, width = answers.images.shape[1:3]
    maps = explain.upscaled(explain.grad_cam(model, answers.images), height, width)
    for number, (file, image, heat) in enumerate(
        zip(answers.files, answers.images, maps, strict=True), 1
    ):
        figure = Figure(figsize=(OVERLAY_INCHES, OVERLAY_INCHES * height / width))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        draw_overlay(axes, image, heat)
        with replacing(folder / f"{number:04d}-{Path(file).stem}.png") as temporary:
            figure.savefig(temporary, dpi=OVERLAY_DPI)
    print(f"{folder}: {len(answers.files):,} overlays")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Classify image files.")
    parser.add_argument("sources", type=Path, nargs="*", metavar="IMAGE_OR_FOLDER")
    known = f"{CHAMPION}, {', '.join(Models.model_fields)}, or a .keras file"
    parser.add_argument("--model", default=CHAMPION, help=f"{known} (default: {CHAMPION})")
    parser.add_argument("--out", type=Path, help="CSV file to write")
    parser.add_argument("--grad-cam", type=Path, help="folder for pictures of where it looks")
    parser.add_argument("--export", type=Path, help="TensorFlow Lite file to write the model to")
    parser.add_argument("--data", type=Path, default=Path("data/prepared"), help="prepared images")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of models")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of tables")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
