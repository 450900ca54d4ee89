"""Fetch a data set and keep it in one form: `python -m pipeline.stages.download`."""

import argparse
from pathlib import Path

from pipeline import params as parameters
from pipeline.data import catalog, sources
from pipeline.params import Download
from pipeline.stages import cli


def main(arguments: argparse.Namespace) -> None:
    """Write the data set that params name to the folder `--out`."""
    fetch(parameters.load(arguments.params).download, arguments.out)


def fetch(settings: Download, out: Path) -> None:
    """Write the data set of `settings` to `out`, whole or not at all.

    Raises:
        DataError: it cannot be had, is damaged, or is not what it should be.
    """
    sources.write(catalog.find(settings.dataset), settings.path, settings.mirror, out)


def arguments() -> argparse.ArgumentParser:
    """The command line of this stage."""
    parser = cli.parser("Fetch a data set and keep it in one form.")
    parser.add_argument("--out", type=Path, default=Path("data/raw"), help="folder to write")
    return parser


if __name__ == "__main__":
    cli.run(main, arguments())
