"""The truth bench: `python -m benchmarks.truth fits`, then `summaries`, `judge` and `report`."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.truth import judging, making, report, stored, summaries
from benchmarks.truth.settings import PARTS
from overfit_atlas.rules import Rules


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parsed = parser().parse_args(arguments)
    say = partial(print, file=sys.stderr, flush=True)
    if parsed.command == "summaries":
        print(summaries.described(summaries.write(parsed.folder, parsed.out)))
        return 0
    if parsed.command == "judge":
        rows = judging.judge_all(parsed.folder, parsed.table, Rules())
        say(f"{len(rows)} judgements in {parsed.table}")
        return 0
    if parsed.command == "report":
        rows = pd.read_csv(parsed.table)
        print(report.tables(rows[rows["part"] == parsed.part]))
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
    judge = commands.add_parser("judge", help="judge every kept fit, and write what was said")
    told = commands.add_parser("report", help="print how true the judgements are")
    told.add_argument(
        "--part", choices=PARTS, default="report", help="tune is what rules came from"
    )
    for command in (judge, told):
        command.add_argument("--table", type=Path, default=judging.TABLE, help="the judgements")
    for command in (fits, table, judge):
        command.add_argument("--folder", type=Path, default=stored.FOLDER, help="kept fits")
    return made


if __name__ == "__main__":
    sys.exit(main())
