"""The truth bench: `python -m benchmarks.truth fits`, then `summaries`, `judge` and `report`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.truth import judging, making, report, stored, summaries, tables
from benchmarks.truth.settings import PARTS, Part
from overfit_atlas.rules import Rules


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parsed = parser().parse_args(arguments)
    say = partial(print, file=sys.stderr, flush=True)
    if parsed.command == "summaries":
        print(summaries.described(summaries.write(parsed.folder, parsed.out)))
        return 0
    if parsed.command == "judge":
        judge(parsed.folder, parsed.into, parsed.workers, say)
        return 0
    if parsed.command == "report":
        told(parsed.tables, parsed.part, parsed.write)
        return 0
    if parsed.part == "transfer" and (parsed.data is None or not parsed.data.is_dir()):
        say("--part transfer: give --data FOLDER with cifar10.npz and cifar100.npz in Keras' "
            "convention, and the archives of Fashion-MNIST.")  # fmt: skip
        return 2
    numbers = range(parsed.first, parsed.first + parsed.count)
    order = making.Order(parsed.part, numbers, parsed.data, parsed.folder, parsed.workers)
    making.make(order, say)
    return 0


def judge(folder: Path, into: Path, workers: int, say: Callable[[str], None]) -> None:
    """Judge the kept fits, and add the rows to the tables in `into`."""
    judged, stopped = judging.judge_all(stored.all_paths(folder), Rules(), workers)
    rows = tables.grow(into / judging.TABLE, pd.DataFrame(judged), judging.DIGITS)
    tables.grow(into / judging.STOPS, pd.DataFrame(stopped), judging.DIGITS)
    others = int((rows["judge"] != judging.version()).sum())
    say(f"{len(judged)} judgements; {into / judging.TABLE} holds {len(rows)}")
    if others:
        say(f"{others} of them are by another version of the judge: their fits are not kept here")


def told(folder: Path, part: Part, write: bool) -> None:
    """Print what was measured of a part; with `write` renew record and documents."""
    found = report.measured(*judging.read(folder))
    if write:
        report.save(found)
        report.write(report.ROOT, report.load(), pd.read_csv(summaries.TABLE))
        return
    print(report.tables(found[part]))
    if report.STOPS in found[part]:
        print(f"\n{report.early_stopping(found[part][report.STOPS])}")


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
    judge.add_argument("--into", type=Path, default=stored.HERE, help="folder of the tables")
    judge.add_argument("--workers", type=int, default=2, help="processes, each of one thread")
    told = commands.add_parser("report", help="print how true the judgements are")
    told.add_argument(
        "--part", choices=PARTS, default="report", help="tune is what rules came from"
    )
    told.add_argument("--tables", type=Path, default=stored.HERE, help="folder of the tables")
    told.add_argument("--write", action="store_true", help="into the documents, and their record")
    for command in (fits, table, judge):
        command.add_argument("--folder", type=Path, default=stored.FOLDER, help="kept fits")
    return made


if __name__ == "__main__":
    sys.exit(main())
