"""The rows of the table: what is measured, and what is to be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from benchmarks import commands, core, fits, studies, whole
from benchmarks.measured import Measured
from benchmarks.setting import Setting

Unit = Literal["x", "s", "MB"]


@dataclass(frozen=True)
class Row:
    """One line.

    Attributes:
        least, aim: at least so many times as fast ("x"), or at most so many seconds or megabytes.
    """

    name: str
    title: str
    unit: Unit
    least: float
    aim: float
    measure: Callable[[Setting], Measured]

    def reached(self, value: float) -> str:
        """`aim`, `least` or `missed`."""
        sign = 1 if self.unit == "x" else -1
        if sign * value >= sign * self.aim:
            return "aim"
        return "least" if sign * value >= sign * self.least else "missed"

    def value(self, found: Measured) -> float:
        """What is compared with `least` and `aim`."""
        return found.ratio() if self.unit == "x" else found.middle()


def _fit(name: str, title: str, bars: tuple[float, float], work: fits.Work) -> Row:
    return Row(name, title, "x", *bars, partial(fits.measure, name, work))


ROWS = (
    _fit("dense-64", "train dense, 64 units", (4, 8), fits.Work("dense", 64, 9600, 6)),
    _fit("dense-400", "train dense, 400 units", (3, 4.5), fits.Work("dense", 400, 9600, 4)),
    _fit("dense-4000", "train dense, 4,000 units", (1.8, 2.2), fits.Work("dense", 4000, 4800, 3)),
    _fit("dense-40000", "train dense, 40,000 units", (1.6, 2), fits.Work("dense", 40000, 960, 3)),
    _fit("cnn", "train the CNN", (1.4, 2), fits.Work("cnn", 32, 6400, 3)),
    _fit(
        "efficientnet",
        "train EfficientNetB0 at 32x32",
        (1.3, 2.5),
        fits.Work("efficientnet", 0, 960, 3, (32, 32, 3)),
    ),
    Row(
        "sweep-dense", "16-trial dropout sweep, dense", "x", 3, 5,
        partial(studies.sweep, "sweep-dense", "dense", 64, 9600),
    ),
    Row(
        "sweep-cnn", "16-trial dropout sweep, CNN", "x", 2, 3,
        partial(studies.sweep, "sweep-cnn", "cnn", 32, 3200),
    ),
    Row("map", "the 120-fit map of the default", "x", 5, 10, partial(studies.default_map, "map")),
    Row(
        "ensemble", "ensemble of 5 EfficientNetB0", "x", 1.8, 2.5,
        partial(studies.ensemble, "ensemble"),
    ),
    Row(
        "predict", "predict 10,000 images, EfficientNetB0", "x", 3, 4,
        partial(commands.predict, "predict"),
    ),
    Row(
        "features", "features of 10,000 images at 128 pixels, Lite0", "x", 1.3, 2,
        partial(commands.features, "features"),
    ),
    Row(
        "memory", "peak memory, CIFAR-100 train + test loaded", "MB", 250, 210,
        partial(commands.memory, "memory"),
    ),
    Row("no-op", "`dvc repro` with nothing to do", "s", 1, 0.7, partial(whole.no_op, "no-op")),
    Row(
        "light-stage", "a stage that needs no TensorFlow", "s", 0.5, 0.25,
        partial(commands.light_stage, "light-stage"),
    ),
    Row(
        "first-picture", "the page's first picture, from the file to the eye", "s", 1, 0.6,
        partial(commands.first_picture, "first-picture"),
    ),
    Row(
        "clean-dense", "`CleanScores` instead of `validation_data`, small dense net", "x", 0.97, 1,
        partial(core.clean_scores, "clean-dense", fits.Work("dense", 64, 1600, 20)),
    ),
    Row(
        "clean-cnn", "`CleanScores` instead of `validation_data`, CNN", "x", 0.95, 1,
        partial(core.clean_scores, "clean-cnn", fits.Work("cnn", 32, 6400, 3)),
    ),
    Row("import", "import what judging needs", "s", 0.5, 0.3, partial(core.imports, "import")),
    Row("reader", "read a log of 10,000 epochs", "s", 1, 0.3, partial(core.reader, "reader")),
    Row("judging", "judge five fits", "s", 1, 0.5, partial(core.judging, "judging")),
    Row("page", "write the page of a log", "s", 2, 1.5, partial(core.page, "page")),
    Row("light-size", "the core, installed", "MB", 250, 220, partial(core.size, "light-size")),
    Row(
        "fixed-cost", "fixed cost of the default pipeline", "s", 20, 12,
        partial(whole.fixed_cost, "fixed-cost"),
    ),
    Row(
        "threshold", "another `evaluate.wide_gap`, until the new table", "s", 15, 5,
        partial(whole.threshold, "threshold"),
    ),
    Row(
        "first-verdict", "first verdict and picture after installation", "s", 90, 60,
        partial(whole.first_verdict, "first-verdict"),
    ),
    Row(
        "whole", "all of `make repro` after installation", "s", 210, 150,
        partial(whole.whole, "whole"),
    ),
)  # fmt: skip
