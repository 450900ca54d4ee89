"""How many trials grid, Sobol and TPE need to draw the map of a full grid.

    python -m benchmarks.sampler

A full grid of real fits (`benchmarks/data/map_grid.csv`) stands in for training, so that each
sampler can be tried many times. The full map is the surface through the whole grid; a sampler has
drawn it once its own surface puts at least 95 % of the plane on the right side of the threshold,
and keeps doing so with every further trial. In each repetition the seeds of every point are drawn
anew (with replacement), and each sampler has another seed.

The grid is that of `make repro`: `python -m pipeline.stages.tune` on fashion_mnist_mini with the
widths and dropouts that stand in it, 30 epochs and seeds 0 to 2, each with a validation fold of its
own. What a fold does to all points alike is taken off first, as the map does. `--grid
results/tune/map.csv` takes another grid.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from overfit_atlas.gap_map import overfit_map, surface
from overfit_atlas.gap_map.overfit_map import MapSettings
from overfit_atlas.gap_map.surface import Surface
from pipeline.studies import designs
from pipeline.studies.designs import Point

HERE = Path(__file__).resolve().parent
AGREEMENT = 0.95
NUM_IMAGES = 400
"""That the fits of the grid were validated on."""
FEWEST, MOST = 6, 60
"""Trials at which a sampler is looked at first and last."""
CHECKPOINTS = (10, 20, 30, 40)
Floats = NDArray[np.float64]
Trials = Callable[["Grid", int], Iterator[Point]]


@dataclass(frozen=True)
class Grid:
    """The stored fits as one repetition sees them: width, dropout, val_loss and value.

    `value` is the gap on the scale of the surface, without the shift of its fold.
    """

    fits: pd.DataFrame

    @classmethod
    def read(cls, path: Path, threshold: float) -> "Grid":
        """The last budget of the undivided, unspoiled data in a `map.csv`."""
        table = pd.read_csv(path)
        for column in ("epochs", "train_fraction"):
            if column in table:
                table = table[table[column] == table[column].max()]
        if "label_noise" in table:
            table = table[table["label_noise"] == table["label_noise"].min()]
        settings = MapSettings(threshold, NUM_IMAGES, folds=True)
        found = overfit_map.fit(table.assign(p_underfit=np.nan), settings)
        assert found.fold_noise is not None
        values = overfit_map.scaled(found.fits["gap_loss"], threshold) - found.fold_noise.shifts
        return cls(found.fits.assign(value=values))

    def resampled(self, generator: np.random.Generator) -> "Grid":
        """The same points, their seeds drawn again with replacement."""
        drawn = self.fits.groupby(["width", "dropout"], group_keys=False).sample(
            frac=1, replace=True, random_state=generator
        )
        return Grid(drawn)

    @cached_property
    def points(self) -> list[Point]:
        """Every stored point once."""
        rows = self.fits[["width", "dropout"]].drop_duplicates().sort_values(["width", "dropout"])
        return [{"width": int(w), "dropout": float(d)} for w, d in rows.itertuples(index=False)]

    @cached_property
    def space(self) -> dict[str, BaseDistribution]:
        """The region that the grid covers."""
        widths, dropouts = self.fits["width"], self.fits["dropout"]
        return {
            "width": IntDistribution(int(widths.min()), int(widths.max()), log=True),
            "dropout": FloatDistribution(float(dropouts.min()), float(dropouts.max())),
        }

    @cached_property
    def by_point(self) -> dict[tuple[int, float], pd.DataFrame]:
        """The fits of each point."""
        groups = self.fits.groupby(["width", "dropout"])
        return {
            (p["width"], p["dropout"]): groups.get_group(tuple(p.values())) for p in self.points
        }

    def at(self, point: Point) -> pd.DataFrame:
        """The fits at a stored point."""
        return self.by_point[point["width"], point["dropout"]]

    def nearest(self, point: Point) -> Point:
        """The stored point nearest to any other, in steps of the region."""
        place = self._unit([point])[0]
        apart = np.sum((self._unit(self.points) - place) ** 2, axis=1)
        return self.points[int(np.argmin(apart))]

    def _unit(self, points: list[Point]) -> Floats:
        columns = []
        for name, one in self.space.items():
            assert isinstance(one, IntDistribution | FloatDistribution)
            low, high = designs.number(one, one.low), designs.number(one, one.high)
            values = np.array([designs.number(one, point[name]) for point in points])
            columns.append((values - low) / (high - low))
        return np.column_stack(columns)

    def surface(self, points: list[Point]) -> Surface:
        """The surface through the fits at `points`."""
        fits = pd.concat([self.at(point) for point in points])
        places = np.column_stack([np.log2(fits["width"]), fits["dropout"]])
        values = fits["value"].to_numpy(float)
        corners = np.array([[np.log2(p["width"]), p["dropout"]] for p in self.points])
        return surface.fit(surface.averaged(places, values), corners.min(0), corners.max(0))

    def sides(self, points: list[Point]) -> NDArray[np.bool_]:
        """Which places of a fine lattice the surface through `points` puts above the threshold."""
        ladders = [ladder(one, steps) for one, steps in zip(
            self.space.values(), (41, 26), strict=True)]  # fmt: skip
        places = [(np.log2(width), dropout) for width in ladders[0] for dropout in ladders[1]]
        return np.asarray(self.surface(points).predict(places)[0] >= overfit_map.LEVEL)


def ladder(distribution: BaseDistribution, num_steps: int) -> list[Any]:
    """At most `num_steps` values, evenly over the distribution, both ends among them."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    steps = np.linspace(0, 1, num_steps)
    return list(dict.fromkeys(designs.value_at(distribution, float(step), 0.0) for step in steps))


def sobol(grid: Grid, seed: int) -> Iterator[Point]:
    """A scrambled Sobol sequence, each point moved to the nearest stored one."""
    yield from map(grid.nearest, designs.sobol(grid.space, 4 * MOST, seed))


def tpe(grid: Grid, seed: int) -> Iterator[Point]:
    """What a search for the best validation loss happens to see."""
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=10, multivariate=True)
    study = optuna.create_study(sampler=sampler, direction="minimize")
    while True:
        trial = study.ask(grid.space)
        point = grid.nearest(trial.params)
        yield point
        study.tell(trial, float(grid.at(point)["val_loss"].mean()))


def needed(grid: Grid, truth: NDArray[np.bool_], trials: Iterator[Point]) -> Floats:
    """Agreement with the full map after each number of trials 0..MOST (NaN before FEWEST).

    A trial that falls on a stored point a second time costs a trial and teaches nothing.
    """
    agreement = np.full(MOST + 1, np.nan)
    seen: list[Point] = []
    for number, point in zip(range(1, MOST + 1), trials, strict=False):
        new = point not in seen
        if new:
            seen.append(point)
        if number < FEWEST or len(seen) < overfit_map.MIN_POINTS:
            continue
        known = number > FEWEST and not new and np.isfinite(agreement[number - 1])
        agreement[number] = agreement[number - 1] if known else _agreement(grid, truth, seen)
    return agreement


def grids(grid: Grid, truth: NDArray[np.bool_]) -> Floats:
    """Agreement of the largest even grid with at most 0..MOST points.

    A grid cannot stop in its middle, so between two sizes it stays what it was.
    """
    widths = sorted({point["width"] for point in grid.points})
    dropouts = sorted({point["dropout"] for point in grid.points})
    agreement = np.full(MOST + 1, np.nan)
    for rows, columns in _sizes(len(widths), len(dropouts)):
        points = designs.grid({"width": _even(widths, rows), "dropout": _even(dropouts, columns)})
        agreement[rows * columns :] = _agreement(grid, truth, points)
    return agreement


def _sizes(num_widths: int, num_dropouts: int) -> list[tuple[int, int]]:
    """Grids of about twice as many widths as dropouts, as the default map has, by size."""
    shapes = [
        (rows, columns)
        for columns in range(2, num_dropouts + 1)
        for rows in range(columns, 2 * columns + 1)
        if rows <= num_widths and FEWEST <= rows * columns <= MOST
    ]
    return sorted(shapes, key=lambda shape: (shape[0] * shape[1], shape[1]))


def _even(values: list[Any], count: int) -> list[Any]:
    return [values[round(i)] for i in np.linspace(0, len(values) - 1, count)]


def _agreement(grid: Grid, truth: NDArray[np.bool_], points: list[Point]) -> float:
    return float(np.mean(grid.sides(points) == truth))


def for_good(agreement: Floats) -> int | None:
    """The first number of trials from which on the agreement never falls below `AGREEMENT`."""
    below = np.flatnonzero(~(agreement >= AGREEMENT))
    first = int(below[-1]) + 1
    return first if first < len(agreement) else None


def compare(full: Grid, num_repetitions: int) -> dict[str, Floats]:
    """Agreement after 0..MOST trials, (repetitions, MOST + 1), of each sampler."""
    truth = full.sides(full.points)
    found: dict[str, list[Floats]] = {"grid": [], "sobol": [], "tpe": []}
    samplers: dict[str, Trials] = {"sobol": sobol, "tpe": tpe}
    for repetition in range(num_repetitions):
        grid = full.resampled(np.random.default_rng(repetition))
        found["grid"].append(grids(grid, truth))
        for name, trials in samplers.items():
            found[name].append(needed(grid, truth, trials(grid, repetition)))
        print(f"repetition {repetition + 1} of {num_repetitions}", flush=True)
    return {name: np.array(rows) for name, rows in found.items()}


def report(found: dict[str, Floats]) -> pd.DataFrame:
    """One row a sampler: trials needed (median, quartiles), how often it got there, agreement."""
    rows = []
    for name, agreement in found.items():
        needs = [for_good(row) for row in agreement]
        numbers = np.array([np.inf if need is None else need for need in needs])
        low, median, high = np.quantile(numbers, [0.25, 0.5, 0.75], method="inverted_cdf")
        row: dict[str, Any] = {"sampler": name}
        for label, number in (("needed", median), ("quartile 1", low), ("quartile 3", high)):
            row[label] = f"{number:.0f}" if np.isfinite(number) else f"> {MOST}"
        row["reached"] = f"{np.isfinite(numbers).sum()} of {len(numbers)}"
        for count in CHECKPOINTS:
            row[f"after {count}"] = f"{np.median(agreement[:, count]):.1%}"
        rows.append(row)
    return pd.DataFrame(rows)


def faster(found: dict[str, Floats], name: str, than: str) -> float:
    """In which share of the repetitions `name` needed fewer trials than `than`; ties count half."""
    ours, theirs = (
        np.array([need if (need := for_good(row)) is not None else np.inf for row in found[one]])
        for one in (name, than)
    )
    return float(np.mean((ours < theirs) + 0.5 * (ours == theirs)))


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--grid", type=Path, default=HERE / "data" / "map_grid.csv")
    parser.add_argument("--threshold", type=float, default=0.273, help="nats of gap")
    parser.add_argument("--repetitions", type=int, default=20)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    full = Grid.read(arguments.grid, arguments.threshold)
    found = compare(full, arguments.repetitions)
    print(report(found).to_string(index=False))
    for other in ("grid", "tpe"):
        share = faster(found, "sobol", other)
        print(f"sobol needed fewer trials than {other} in {share:.0%} of the repetitions")


if __name__ == "__main__":
    main()
