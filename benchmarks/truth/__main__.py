"""The truth bench: `python -m benchmarks.truth fits`, then `summaries`, `judge` and `report`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.truth import (
    judging,
    making,
    measures,
    moments,
    remedies,
    report,
    stored,
    summaries,
    tables,
)
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
        judge(stored.all_paths(parsed.folder), parsed.into, parsed.workers, say)
        return 0
    if parsed.command == "rules":
        rejudge(parsed.tables, parsed.part, parsed.changes)
        return 0
    if parsed.command == "remedies":
        made = remedies.make(parsed.out, num_sets=parsed.sets, workers=parsed.workers)
        print(remedies.described(made))
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


def judge(paths: Sequence[Path], into: Path, workers: int, say: Callable[[str], None]) -> None:
    """Judge kept fits that this judge has not judged, and add the rows to the tables in `into`."""
    done = judging.done(into)
    missing = [path for path in paths if stored.named(path) not in done]
    if missing:
        for name, rows in judging.judge_all(missing, Rules(), workers).items():
            tables.grow(into / name, pd.DataFrame(rows), judging.DIGITS)
    judge_of = pd.read_csv(into / judging.TABLE)["judge"]
    say(f"{len(missing)} settings judged anew; {into} holds {len(judge_of)} judgements")
    others = int((judge_of != judging.version()).sum())
    if others:
        say(f"{others} of them are by another version of the judge: their fits are not kept here")


def rejudge(folder: Path, part: Part, given: Sequence[str]) -> None:
    """Print what is measured of claims by other rules, beside the default ones."""
    table = pd.read_csv(folder / moments.TABLE)
    own, changes = table[table["part"] == part], dict(one.split("=", 1) for one in given)
    values: dict[str, Any] = {name: float(value) for name, value in changes.items()}
    rules = replace(Rules(), **values)
    found = [
        measures.all_of(moments.rejudged(own, one), measures.of_claims) for one in (Rules(), rules)
    ]
    print(report.beside(found, ["default rules", ", ".join(given) or "the same"]))


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
    other = commands.add_parser("rules", help="what other thresholds would make of it, in seconds")
    other.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="thresholds of Rules")
    other.add_argument("--part", choices=PARTS, default="tune", help="whose settings")
    remedy = commands.add_parser("remedies", help="whether classes of remedies hold with new seeds")
    remedy.add_argument("--out", type=Path, default=remedies.TABLE, help="the table, CSV")
    remedy.add_argument("--sets", type=int, default=remedies.NUM_SETS, help="how many seed sets")
    remedy.add_argument("--workers", type=int, default=2, help="processes, each of one thread")
    told = commands.add_parser("report", help="print how true the judgements are")
    told.add_argument(
        "--part", choices=PARTS, default="report", help="tune is what rules came from"
    )
    for command in (told, other):
        command.add_argument("--tables", type=Path, default=stored.HERE, help="folder of tables")
    told.add_argument("--write", action="store_true", help="into the documents, and their record")
    for command in (fits, table, judge):
        command.add_argument("--folder", type=Path, default=stored.FOLDER, help="kept fits")
    return made


if __name__ == "__main__":
    sys.exit(main())
