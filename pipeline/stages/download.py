"""Fetch a data set and keep it in one form: `python -m pipeline.stages.download`."""

import argparse
from pathlib import Path

from pipeline import params as parameters
from pipeline.data import catalog, sources
from pipeline.params import Download
from pipeline.stages import cli


def main(arguments: argparse.Namespace) -> None:
    """Write the data set that params name to the folder `--out`."""
    settings = parameters.load(arguments.params).download
    if notes := fetch(settings, arguments.out):
        print(f"{settings.path}: {'; '.join(notes)}")


def fetch(settings: Download, out: Path) -> tuple[str, ...]:
    """Write the data set of `settings` to `out`, whole or not at all; how it was read, if own.

    Raises:
        DataError: it cannot be had, is damaged, or is not what it should be.
    """
    return sources.write(catalog.find(settings.dataset), settings, out)


def arguments() -> argparse.ArgumentParser:
    """The command line of this stage."""
    parser = cli.parser("Fetch a data set and keep it in one form.")
    parser.add_argument("--out", type=Path, default=Path("data/raw"), help="folder to write")
    return parser


if __name__ == "__main__":
    cli.run(main, arguments())
