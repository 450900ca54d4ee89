"""Fetch published weights where a model asks for them: `python -m pipeline.stages.weights`.

A part of downloading, and a stage of its own, so that another network never touches the images.
"""

import argparse
from pathlib import Path

from pipeline import params as parameters
from pipeline.data import weights
from pipeline.files import replacing
from pipeline.params import EfficientNet
from pipeline.stages import cli

ABOUT = "Published weights, where models.efficientnet.weights asks for ImageNet's.\n"


def main(arguments: argparse.Namespace) -> None:
    """Make the folder, with ImageNet's weights in it if params ask for them."""
    params = parameters.load(arguments.params)
    section = params.models.efficientnet
    if not params.enabled.efficientnet:
        section = section.model_copy(update={"weights": None})
    fetch(section, params.download.mirror, arguments.out)


def fetch(section: EfficientNet, mirror: str | None, folder: Path) -> None:
    """Make `folder`, with the published weights in it if `section` asks for ImageNet's.

    Those of the Lite variants are installed, and nothing is fetched.

    Raises:
        DataError: they cannot be had.
    """
    with replacing(folder, "README") as temporary:
        temporary.mkdir()
        (temporary / "README").write_text(ABOUT, encoding="utf-8")
        if section.weights == "imagenet" and not section.variant.startswith("Lite"):
            from pipeline.models import efficientnet

            file = efficientnet.imagenet_weights_file(section.variant)
            weights.obtain(file.name, file.urls, file.checksum, mirror, temporary)


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Fetch published weights where a model asks for them.")
    parser.add_argument("--out", type=Path, default=Path("data/weights"), help="folder to write")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
