"""The map against large-sample truth: `python -m benchmarks.map`.

Fits what is missing of the pool, draws maps from it, writes one row a point of each map, and prints
how often they are right. `--table` alone prints what a table says.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from benchmarks.map import judging, pool, report
from overfit_atlas.rules import Rules
from pipeline.files import replacing

HERE = Path(__file__).resolve().parent
TABLE = HERE / "judged.csv.gz"
FOLDER = HERE / "fits"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says."""
    parsed = _parser().parse_args(arguments)
    say = partial(print, file=sys.stderr, flush=True)
    if not parsed.report:
        design = pool.Design(num_sets=parsed.sets, num_images=parsed.images, epochs=parsed.epochs)
        pool.make(design, pool.Order(parsed.folder, parsed.data, parsed.workers), say)
        rules = Rules(num_draws=parsed.draws, num_resamples=parsed.draws)
        asked = judging.Asked(rules, parsed.folder, workers=parsed.workers)
        rows = judging.judge(design, asked, say)
        with replacing(parsed.table) as temporary:
            rows.to_csv(temporary, index=False, float_format="%.5g", compression="gzip")
    print(report.tables(pd.read_csv(parsed.table)))
    return 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks.map", description=__doc__)
    made.add_argument("--sets", type=int, default=20, help="data sets that share no image")
    made.add_argument("--images", type=int, default=1000, help="of a data set, a fifth of them val")
    made.add_argument("--epochs", type=int, default=40, help="of every fit")
    made.add_argument("--workers", type=int, default=2, help="processes, each of one thread")
    made.add_argument("--draws", type=int, default=400, help="of a verdict and of a surface")
    made.add_argument("--report", action="store_true", help="only print what the table says")
    made.add_argument("--table", type=Path, default=TABLE, help="rows of all maps")
    made.add_argument("--folder", type=Path, default=FOLDER, help="kept fits, of one size alone")
    made.add_argument(
        "--data",
        type=Path,
        help="an .npz file in Keras' convention, or a folder with the archives of the catalog; "
        "without it they are fetched",
    )
    return made


if __name__ == "__main__":
    sys.exit(main())
