"""The truth bench: `python -m benchmarks.truth fits`, then `summaries`."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.truth import making, stored, summaries
from benchmarks.truth.settings import PARTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parsed = parser().parse_args(arguments)
    say = partial(print, file=sys.stderr, flush=True)
    if parsed.command == "summaries":
        print(summaries.described(summaries.write(parsed.folder, parsed.out)))
        return 0
    numbers = range(parsed.first, parsed.first + parsed.count)
    order = making.Order(parsed.part, numbers, parsed.data, parsed.folder, parsed.workers)
    making.make(order, say)
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True)
    fits = commands.add_parser("fits", help="train what is missing of a part, and keep its scores")
    fits.add_argument("--part", choices=PARTS, required=True)
    fits.add_argument("--first", type=int, default=0, help="number of the first setting")
    fits.add_argument("--count", type=int, default=500, help="how many settings")
    fits.add_argument("--workers", type=int, default=2, help="processes, each of one thread")
    fits.add_argument(
        "--data",
        type=Path,
        help="an .npz file in Keras' convention, or a folder with the archives of the catalog; "
        "without it they are fetched",
    )
    table = commands.add_parser("summaries", help="write what was true of each kept setting")
    table.add_argument("--out", type=Path, default=summaries.TABLE, help="the table, CSV")
    for command in (fits, table):
        command.add_argument("--folder", type=Path, default=stored.FOLDER, help="kept fits")
    return made


if __name__ == "__main__":
    sys.exit(main())
