"""How the time of training grows with images, width, trials and workers.

    python -m benchmarks.growth

One-thread fits of dense nets on Fashion-MNIST, best of three epochs after the first, clean scores
of 1,000 + 1,000 images included; and whole studies of many short fits on one and on two workers.
Prints a table and draws docs/images/growth.png.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import made, ours
from pipeline.params import Workers
from pipeline.training import session, workers

FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "growth.png"
NUM_IMAGES = (1_000, 4_000, 16_000, 60_000)
WIDTHS = {4: 9_600, 64: 9_600, 400: 9_600, 4_000: 4_800, 40_000: 960}
"""Each width with the images of an epoch: fewer where they take long."""
NUM_TRIALS = (16, 64, 256, 512)
EPOCHS = 4
SHORT = 2, 800  # epochs and images of a trial
SHAPE = (28, 28, 1)


@dataclass(frozen=True)
class Point:
    """`seconds` for `amount` of what grows; `work` is what is done in them."""

    grows: str
    amount: int
    workers: int
    seconds: float
    work: str


def main(figure: Path) -> None:
    """Measure, print, draw."""
    with tempfile.TemporaryDirectory(prefix="overfit-atlas-growth-") as name:
        rows = []
        for point in measured(Path(name)):
            print(
                f"{point.grows} {point.amount:,}, {point.work}: {point.seconds:.3g} s", flush=True
            )
            rows.append(vars(point))
    table = pd.DataFrame(rows)
    print(markdown(table))
    draw(table, figure)


def measured(folder: Path) -> Iterator[Point]:
    """All points; data sets are written below `folder`."""
    for count in NUM_IMAGES:
        yield Point("images", count, 1, _epoch(folder, 400, count), "an epoch of 400 units")
    for width, count in WIDTHS.items():
        seconds = _epoch(folder, width, count) * 1_000 / count
        yield Point("units", width, 1, seconds, "1,000 images")
    _study(folder, 1, 1)  # the process that workers are forked from imports TensorFlow
    for number in (1, 2):
        for trials in NUM_TRIALS:
            yield Point("trials", trials, number, _study(folder, trials, number), "a study")


def _data(folder: Path, count: int) -> str:
    path = folder / str(count)
    return str(path if path.exists() else made.write(path, count, 1_000, SHAPE))


def _epoch(folder: Path, width: int, count: int) -> float:
    task = ours.task(_data(folder, count), "dense", width, EPOCHS, 0)
    moments = [time.perf_counter()]
    session.run(task, lambda _: moments.append(time.perf_counter()))
    return min(after - before for before, after in zip(moments[1:], moments[2:], strict=False))


def _study(folder: Path, trials: int, number: int) -> float:
    epochs, count = SHORT
    data = _data(folder, count)
    tasks = [ours.task(data, "dense", 16, epochs, seed) for seed in range(trials)]
    started = time.perf_counter()
    with workers.pool(Workers(count=number)) as pool:
        list(pool.run(tasks, f"{trials} trials"))
    return time.perf_counter() - started


def markdown(table: pd.DataFrame) -> str:
    """A row a point: seconds, and seconds for each of what grows."""
    lines = ["| what grows | amount | workers | seconds | of | ms for each |", "|" + " --- |" * 6]
    for row in table.to_dict("records"):
        each = "" if row["grows"] == "units" else f"{1000 * row['seconds'] / row['amount']:.3g}"
        lines.append(
            f"| {row['grows']} | {row['amount']:,} | {row['workers']} | {row['seconds']:.3g} |"
            f" {row['work']} | {each} |"
        )
    return "\n".join(lines)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Three panels on logarithmic axes, each with the line of growth in proportion."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    said = {
        "images": "seconds an epoch, 400 units",
        "units": "seconds for 1,000 images",
        "trials": "seconds a study",
    }
    figure, panels = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for axes, (grows, label) in zip(panels, said.items(), strict=True):
        part = table[table["grows"] == grows]
        for (number, some), look in zip(part.groupby("workers"), ("o-", "s-"), strict=False):
            label_of = "1 worker" if number == 1 else f"{number} workers"
            axes.loglog(some["amount"], some["seconds"], look, label=label_of)
        last = part[part["workers"] == 1].iloc[-1]
        axes.loglog(
            part["amount"], part["amount"] * last["seconds"] / last["amount"], "k:", lw=1,
            label="in proportion",
        )  # fmt: skip
        amounts = sorted(set(part["amount"]))
        axes.set(xlabel=grows, ylabel=label, title=f"More {grows}")
        axes.set_xticks(amounts, labels=[f"{amount:,}" for amount in amounts])
        axes.minorticks_off()
        axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--figure", type=Path, default=FIGURE, help="where to draw it")
    main(parser.parse_args().figure)
