"""Speed and memory against the plain Keras notebook: `python -m benchmarks`."""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmarks import against, table
from benchmarks.measured import Measured
from benchmarks.processes import BenchmarkError
from benchmarks.rows import ROWS, Row
from benchmarks.setting import QUICK_ROUNDS, ROUNDS, Setting

EPILOG = f"""rows: {", ".join(row.name for row in ROWS)}

Others have commands of their own:
  python -m benchmarks.sampler    how many trials each sampler needs to draw the map
  python -m benchmarks.truth      real fits of which large samples say what was true
  python -m benchmarks.growth     how the time of training grows with images, width and trials
"""
QUICK_SHRINK = 8


def main(arguments: argparse.Namespace) -> int:
    """Measure the chosen rows one after another, and write the table after each.

    Returns 1 where a row could not be measured, or fell against the one it is compared with.
    """
    before = table.read(arguments.against) if arguments.against else {}
    console = Console(stderr=True)
    chosen = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    found, failed = table.read(), 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        for row in chosen:
            bar = progress.add_task(row.name, total=None)
            with tempfile.TemporaryDirectory(prefix="overfit-atlas-bench-") as name:
                setting = Setting(
                    Path(name).resolve(),
                    arguments.rounds,
                    QUICK_SHRINK if arguments.quick else 1,
                    partial(_say, progress, bar),
                )
                measured = _measured(row, setting, console)
            progress.remove_task(bar)
            if measured is None:
                failed += 1
                continue
            print(table.line(row, measured), flush=True)
            if arguments.against:
                said, fell = against.compared(row, measured, before.get(row.name))
                failed += fell
                print(said, flush=True)
            if not arguments.quick:
                found[row.name] = measured
                table.record(found)
                table.write(found)
    return int(failed > 0)


def _say(progress: Progress, bar: TaskID, text: str) -> None:
    progress.update(bar, description=text)


def _measured(row: Row, setting: Setting, console: Console) -> Measured | None:
    try:
        return row.measure(setting)
    except BenchmarkError as error:
        console.print(f"[red]{row.name}: not measured[/]", highlight=False)
        console.print(str(error), markup=False, highlight=False)
        return None


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure speed and memory against the plain Keras notebook, and write the "
        "table of docs/performance.md.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_ROUNDS} rounds of an eighth of the work; prints, and writes no file",
    )
    made.add_argument("--rounds", type=int, help=f"default {ROUNDS}; fewer is said in the table")
    made.add_argument(
        "--against",
        type=Path,
        metavar="FILE",
        help="also name the rows that fell by more than the noise of their rounds, against those "
        f"of FILE ({table.RECORD.name} of another commit) from the same kind of machine",
    )
    names = [row.name for row in ROWS]
    made.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="these rows alone")
    return made


if __name__ == "__main__":
    parsed = parser().parse_args()
    if parsed.against and not parsed.against.is_file():
        sys.exit(f"error: --against {parsed.against}: there is no such file.")
    parsed.rounds = parsed.rounds or (QUICK_ROUNDS if parsed.quick else ROUNDS)
    sys.exit(main(parsed))
