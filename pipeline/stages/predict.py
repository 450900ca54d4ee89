"""Classify image files: `python -m pipeline.stages.predict [--model NAME] IMAGE_OR_FOLDER ...`.

Files are read as `preprocess` reads them, and scaling sits inside the model, so an image gets here
the probabilities it gets in training and when served.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from overfit_atlas.errors import AtlasError
from pipeline import explain, prediction, tracking, trained
from pipeline.data import images, prepared
from pipeline.data.images import ImageError
from pipeline.data.prepared import Manifest
from pipeline.data.walking import SUFFIXES
from pipeline.files import replacing
from pipeline.params import MODEL_NAMES, trained_by
from pipeline.stages import cli
from pipeline.stages.answers import TOP, Answers, check_probabilities, rows, visible, writer

if TYPE_CHECKING:
    from rich.table import Table

CHAMPION = "champion"
LITERT = ".tflite"  # TensorFlow Lite is called LiteRT now, its files are not
NUM_SHOWN = 50  # rows printed; the file holds all
LONGEST_STEM = 40  # characters of a file's name in that of its overlay
OVERLAY_INCHES, OVERLAY_DPI = 4, 100


def main(arguments: argparse.Namespace) -> None:
    """Print and write what the model says of each file; unusable files are named at the end."""
    if not arguments.sources and not arguments.export:
        raise AtlasError("Give images or folders to classify, or --export FILE.tflite.")
    if arguments.export and arguments.export.suffix != LITERT:
        raise AtlasError(f"--export {arguments.export}: expected a name that ends in {LITERT}.")
    manifest = prepared.read_manifest(arguments.data)
    files = list(found(arguments.sources))
    _spare([path for path in (arguments.out, arguments.export) if path], files, arguments.model)
    model = load(arguments, manifest)
    if arguments.export:
        with replacing(arguments.export) as temporary, redirect_stdout(StringIO()):
            model.export(temporary, format="litert")  # it prints every tensor
        print(f"{arguments.export}: {arguments.export.stat().st_size:,} bytes")
    if arguments.sources:
        _classify(arguments, model, files, manifest)


def _spare(outputs: Sequence[Path], files: Sequence[Path], model: str) -> None:
    """Raise AtlasError where an output would take the place of a folder, an image or the model."""
    for out in outputs:
        if out.is_dir():
            raise AtlasError(f"{visible(str(out))}: a folder stands there; name a file.")
        if out.exists() and any(
            one.exists() and out.samefile(one) for one in (*files, Path(model))
        ):
            raise AtlasError(
                f"{visible(str(out))} is to be read and would be written over; name another file."
            )


def _classify(
    arguments: argparse.Namespace, model: Any, files: Sequence[Path], manifest: Manifest
) -> None:
    shown: list[tuple[str, ...]] = []
    num_read, unread = 0, 0
    with writer(arguments.out, manifest.class_names, arguments.all) as write:
        for answers in answered(model, files, manifest, str(arguments.model)):
            write(list(rows(answers, manifest.class_names, arguments.all)))
            shown += _printable(answers, manifest.class_names, NUM_SHOWN - len(shown))
            if arguments.grad_cam and len(answers.files):
                _write_overlays(arguments.grad_cam, model, answers, num_read)
            for file, reason in answers.unread:
                print(f"{file}: {visible(reason)}", file=sys.stderr)
            num_read, unread = num_read + len(answers.files), unread + len(answers.unread)
    _print(shown, num_read)
    if arguments.out:
        print(f"{visible(str(arguments.out))}: {num_read:,} rows")
    if arguments.grad_cam and num_read:
        print(f"{visible(str(arguments.grad_cam))}: {num_read:,} overlays")
    if unread:
        raise AtlasError(f"{unread} of {len(files)} files are no usable images.")


def found(sources: Sequence[Path]) -> Iterator[Path]:
    """The files named, and those below the folders named that are called like images, sorted.

    Raises:
        AtlasError: nothing at such a path, or no images in a folder.
    """
    for source in sources:
        if source.is_dir():
            inside = sorted(_below(source))
            if not inside:
                name = visible(str(source))
                raise AtlasError(f"{name}: no images in this folder. Known: PNG, JPEG, ...")
            yield from inside
        elif source.exists():
            yield source
        else:
            raise AtlasError(f"{visible(str(source))}: there is no such file or folder.")


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        for name in folders:
            if Path(where, name).is_symlink():
                link = visible(str(Path(where, name)))
                print(f"{link}: a link to a folder, left out; name it to have it", file=sys.stderr)
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
    try:
        image_shape, num_classes = tuple(model.input_shape[1:]), model.output_shape[-1]
    except (AttributeError, TypeError, IndexError):
        raise AtlasError(
            f"--model {arguments.model}: takes or gives no single array; expected images in and "
            "probabilities out."
        ) from None
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
    if name in MODEL_NAMES:
        return _opened(_best_file(arguments, name))
    if Path(name).suffix == ".keras":
        return _opened(Path(name))
    known = ", ".join([CHAMPION, *MODEL_NAMES])
    raise AtlasError(f"--model {name}: unknown. Known: {known}, or a .keras file.")


def _best_file(arguments: argparse.Namespace, name: str) -> Path:
    """The file of the seed with the lowest validation loss."""
    import pandas as pd

    try:
        curves = pd.read_csv(arguments.results / "curves" / f"{name}.csv")
    except OSError:
        raise AtlasError(
            f"--model {name}: not trained yet. Run `dvc repro {trained_by(name)}`."
        ) from None
    val = curves[curves["split"] == "val"]
    if val.empty:
        raise trained.left_out(arguments.models / name)
    seed = val.groupby("seed")["loss"].min().idxmin()
    return Path(arguments.models, name, f"seed-{seed}.best.keras")


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise AtlasError(f"{path}: no such model file. Run `dvc repro` to train the models.")
    try:
        return prediction.load(path)
    # Besides ValueError a damaged file raises what Keras, HDF5 and TensorFlow happen to run into.
    except Exception as error:
        first = str(error).strip().split("\n")[0].split(". ")[0][:200]
        reason = visible(first).rstrip(".") or type(error).__name__
        raise AtlasError(f"{path}: refused as a model: {reason}.") from None


def answered(model: Any, files: Sequence[Path], manifest: Manifest, name: str) -> Iterator[Answers]:
    """The probabilities of all files that can be read as images, batch by batch.

    Raises:
        AtlasError: what the model `name` gives are no probabilities.
    """
    call = prediction.compiled(model)
    waiting = iter(files)
    while batch := list(itertools.islice(waiting, prediction.BATCH)):
        unread: list[tuple[str, str]] = []
        read: list[tuple[str, np.ndarray]] = []
        for file in batch:
            shown = visible(str(file))
            try:
                read.append((shown, _read(file, shown, manifest)))
            except ImageError as error:
                unread.append((shown, error.reason))
        stack = np.array([image for _, image in read], np.uint8).reshape(-1, *manifest.image_shape)
        shares = prediction.run(call, stack) if read else np.zeros((0, manifest.num_classes))
        check_probabilities(shares, name)
        yield Answers([name for name, _ in read], stack, shares, unread)


def _read(file: Path, name: str, manifest: Manifest) -> np.ndarray:
    if not file.is_file():
        raise ImageError(name, "no file but a pipe, a device, or a link to nothing")
    return images.load(file, name, manifest.image_shape, manifest.bits)


def _printable(
    answers: Answers, class_names: Sequence[str], number: int
) -> Iterator[tuple[str, ...]]:
    """File, label, probability and second choice of the first `number` images."""
    names = [visible(name) for name in class_names]
    some = zip(answers.files, answers.best(2), answers.probabilities, strict=True)
    for file, (first, second), shares in itertools.islice(some, max(0, number)):
        choice = f"{names[second]} {shares[second]:.1%}"
        yield file, names[first], f"{shares[first]:.1%}", choice


def _print(shown: Sequence[tuple[str, ...]], num_read: int) -> None:
    from rich.console import Console

    if shown:
        Console().print(_table(shown))
    if num_read > len(shown):
        print(f"{len(shown)} of {num_read:,} images shown; --out FILE.csv gets all.")


def _table(shown: Sequence[tuple[str, ...]]) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    made = Table("file", "label", "probability", "second choice")
    for row in shown:
        made.add_row(*map(escape, row))
    return made


def _write_overlays(folder: Path, model: Any, answers: Answers, before: int) -> None:
    """A picture of each image, numbered on from `before`."""
    from matplotlib.figure import Figure

    from pipeline.plots.gradcam import draw_overlay

    height, width = answers.images.shape[1:3]
    maps = explain.upscaled(explain.grad_cam(model, answers.images), height, width)
    numbered = enumerate(zip(answers.files, answers.images, maps, strict=True), before + 1)
    for number, (file, image, heat) in numbered:
        figure = Figure(figsize=(OVERLAY_INCHES, OVERLAY_INCHES * height / width))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        draw_overlay(axes, image, heat)
        stem = Path(file).stem[:LONGEST_STEM]
        with replacing(folder / f"{number:04d}-{stem}.png") as temporary:
            figure.savefig(temporary, dpi=OVERLAY_DPI)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Classify image files.")
    parser.add_argument("sources", type=Path, nargs="*", metavar="IMAGE_OR_FOLDER")
    known = f"{CHAMPION}, {', '.join(MODEL_NAMES)}, or a .keras file"
    parser.add_argument("--model", default=CHAMPION, help=f"{known} (default: {CHAMPION})")
    parser.add_argument("--out", type=Path, help="file to write: .parquet, else CSV")
    of_all = f"write every class' probability, not those of the {TOP} likeliest alone"
    parser.add_argument("--all", action="store_true", help=of_all)
    parser.add_argument("--grad-cam", type=Path, help="folder for pictures of where it looks")
    parser.add_argument("--export", type=Path, help="LiteRT file (.tflite) to write the model to")
    cli.add_folders(parser, "data", "models", "results")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
