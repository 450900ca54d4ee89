"""What the study of single images and the search for copies find: `python -m benchmarks.images`.

Measured on the shipped images, with planted wrong labels and planted copies; `--large` names an
archive (.npz with x_train) of more images to scan. Writes the table in docs/images.md.
"""

import argparse
import io
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import replace_between
from overfit_atlas.estimates import wilson
from overfit_atlas.images.near_duplicates import Pair, near_duplicates
from overfit_atlas.images.suspicious_labels import suspicious_labels
from overfit_atlas.scoring.scores import rank_areas
from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.data.prepared import Prepared
from pipeline.params import Params
from pipeline.stages import download, preprocess
from pipeline.studies import subsets
from pipeline.studies.subsets import Tally

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "images.md"
BEGIN = "<!-- measured: begin; written by `python -m benchmarks.images` -->"
END = "<!-- measured: end -->"
WRONG, COPIED, RESAMPLES, CONFIDENCE = 0.1, 150, 1000, 0.95
"""Share of wrong labels; copies of each kind; bootstrap resamples; of every interval."""
FIRST_SEED = 1
"""Of the plantings; those of seed 0 were looked at when the model of suspicion was chosen."""
Images = NDArray[np.uint8]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    least: str
    aim: str
    measured: str
    how: str

    def __str__(self) -> str:
        return f"| {self.what} | {self.least} | {self.aim} | {self.measured} | {self.how} |"


def main(arguments: argparse.Namespace) -> None:
    """Measure and write the table."""
    rows: list[Row] = []
    if arguments.large:
        rows += _scan(arguments.large)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _shipped(folder)
        rows = [*_studies(data, folder, arguments), *_copies(data), *rows]
    text = "\n".join(["| | at least | aim | measured (95 % interval) | how |",
                      "| --- | --- | --- | --- | --- |", *map(str, rows)])  # fmt: skip
    print(text)
    replace_between(DOCUMENT, (BEGIN, END), text)


def _shipped(folder: Path) -> Prepared:
    params = parameters.load("params.yaml")
    download.fetch(params.download, folder / "raw")
    preprocess.prepare(folder / "raw", folder / "prepared", params.preprocess, params.seed)
    return prepared.read(folder / "prepared")


def _studies(data: Prepared, folder: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    params = parameters.load("params.yaml", {"images.fits": arguments.fits})
    started = time.process_time()
    first = _tally(data, folder / "prepared", params)
    seconds = time.process_time() - started
    fewer = parameters.load("params.yaml", {"images.fits": arguments.planted_fits})
    labels = np.asarray(data.train.labels)
    doubted = _suspicion(first, labels) >= params.images.suspicion
    for name, least, aim, classes in (
        ("uniform", "0.92", "0.96", None),
        ("to the most similar class", "0.85", "0.92", _most_similar(first)),
    ):
        seeds = range(FIRST_SEED, FIRST_SEED + arguments.plantings)
        made = [_planting(data, folder / f"{name} {one}", classes, one, fewer) for one in seeds]
        wrong, suspicion = (np.stack(arrays) for arrays in zip(*made, strict=True))
        what = f"planted wrong labels, {name}"
        yield _told_apart(what, (least, aim), wrong, suspicion, arguments.planted_fits)
        yield _precision(what, wrong, suspicion, doubted, params.images.suspicion)
    second = _tally(data, folder / "prepared", params.model_copy(update={"seed": 1}))
    yield _agreement(first, second, params)
    how = f"one process, one thread: {seconds:.0f} CPU seconds, halved for two cores"
    what = f"{arguments.fits} fits of the shipped data"
    yield Row(what, "4 min", "2 min", f"{seconds / 2 / 60:.1f} min", how)


def _planting(
    data: Prepared,
    folder: Path,
    classes: NDArray[np.int64] | None,
    seed: int,
    params: Params,
) -> tuple[NDArray[np.bool_], Numbers]:
    """Which train labels were made wrong, and how suspicious each is, both (num_images,)."""
    planted, wrong = _planted(data, np.random.default_rng(seed), classes)
    prepared.write(folder, planted)
    tally = _tally(prepared.read(folder), folder, params)
    return wrong, _suspicion(tally, planted.train.labels)


def _suspicion(tally: Tally, labels: NDArray[np.integer[Any]]) -> Numbers:
    return suspicious_labels(tally.probabilities, labels)["suspicion"].to_numpy()


def _told_apart(
    what: str, bars: tuple[str, str], wrong: NDArray[np.bool_], suspicion: Numbers, fits: int
) -> Row:
    """The mean AUC over plantings (num_plantings, num_images); the interval is over images."""
    num_plantings, num_images = wrong.shape

    def mean(i: Any) -> float:
        return float(np.mean([auc(s[i], w[i]) for s, w in zip(suspicion, wrong, strict=True)]))

    value, low, high = _bootstrapped(mean, num_images)
    how = (
        f"{num_plantings} plantings of {wrong[0].sum()} among {num_images} train labels, "
        f"{fits} fits each"
    )
    return Row(f"{what}: AUC", *bars, f"{value:.3f} ({low:.3f} to {high:.3f})", how)


def _precision(
    what: str,
    wrong: NDArray[np.bool_],
    suspicion: Numbers,
    doubted: NDArray[np.bool_],
    threshold: float,
) -> Row:
    """Of the labels in drop.csv, how many were planted, and how many were expected to be wrong.

    Args:
        doubted: labels that are in drop.csv where none were planted (num_images,).
    """
    listed = suspicion >= threshold
    right, others = wrong[listed], listed & ~wrong
    low, high = wilson(right.mean(), len(right), CONFIDENCE)
    how = (
        f"of {len(right)} labels in drop.csv {suspicion[listed].mean():.0%} were expected to be "
        f"wrong; {(others & doubted).sum()} of the {others.sum()} that were not planted are listed "
        "without planted ones, too"
    )
    return Row(f"{what}: precision", "", "", f"{right.mean():.0%} ({low:.0%} to {high:.0%})", how)


def _tally(data: Prepared, folder: Path, params: Params) -> Tally:
    from pipeline.training import session

    tasks = subsets.tasks(params, folder.resolve(), data.manifest, None)
    return subsets.tallied(data, ((i, session.run(task)) for i, task in enumerate(tasks)))


def _agreement(first: Tally, second: Tally, params: Params) -> Row:
    from scipy import stats

    memorised = [
        subsets.found(one, params, ()).tables["train"]["memorisation"].to_numpy()
        for one in (first, second)
    ]
    known = np.isfinite(memorised).all(0)
    a, b = (one[known] for one in memorised)

    def correlation(i: Any) -> float:
        return float(stats.spearmanr(a[i], b[i]).statistic)

    value, low, high = _bootstrapped(correlation, len(a))
    pearson = float(np.corrcoef(a, b)[0, 1])
    how = f"Spearman over {len(a)} images; Pearson {pearson:.3f}"
    fits = len(first.inside)
    what = f"memorisation: rank correlation of two disjoint studies of {fits} fits"
    return Row(what, "0.8", "0.9", f"{value:.3f} ({low:.3f} to {high:.3f})", how)


def _most_similar(tally: Tally) -> NDArray[np.int64]:
    """For each class the one that its images are most often taken for, out of sample."""
    labels = np.asarray(tally.data.train.labels)
    classes = range(tally.data.manifest.num_classes)
    means = np.stack([tally.probabilities[labels == one].mean(0) for one in classes])
    np.fill_diagonal(means, -1)
    return means.argmax(1)


def _planted(
    data: Prepared, generator: np.random.Generator, classes: NDArray[np.int64] | None
) -> tuple[Prepared, NDArray[np.bool_]]:
    """`data` with a tenth of its train labels wrong: uniformly, or as `classes` says."""
    true = np.asarray(data.train.true_labels)
    wrong = np.zeros(len(true), bool)
    wrong[generator.permutation(len(true))[: round(WRONG * len(true))]] = True
    number = data.manifest.num_classes
    others = (true + generator.integers(1, number, len(true))) % number
    labels = np.where(wrong, others if classes is None else classes[true], true)
    return replace(data, train=replace(data.train, labels=labels.astype(np.int32))), wrong


def _copies(data: Prepared) -> Iterator[Row]:
    images = np.concatenate([np.asarray(data.split(name).images) for name in prepared.SPLITS])
    yield from _found(images, "shipped images")


def _scan(path: Path) -> Iterator[Row]:
    with np.load(path, allow_pickle=False) as arrays:
        images = arrays["x_train"]
    images = images if images.ndim == 4 else images[..., None]
    begun, started = time.perf_counter(), time.process_time()
    near_duplicates(images)
    wall, cpu = time.perf_counter() - begun, time.process_time() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    how = f"{images.shape[1]} x {images.shape[2]} pixels; {cpu:.0f} CPU seconds, {wall:.0f} s wall"
    measured = f"{cpu / 2 / 60:.1f} min, {memory:.2f} GB"
    what = f"{len(images):,} images scanned for copies, two cores"
    yield Row(what, "3 min, 2 GB", "1 min, 1 GB", measured, f"{how}; CPU halved for two cores")
    yield from _found(images, f"among {len(images):,}")


def _found(images: Images, where: str) -> Iterator[Row]:
    generator = np.random.default_rng(1)
    copied = generator.permutation(len(images))[: len(CHANGES) * COPIED]
    copies = [
        change(images[i], generator)
        for change, part in zip(CHANGES.values(), np.split(copied, len(CHANGES)), strict=True)
        for i in part
    ]
    pairs = near_duplicates(np.concatenate([images, np.stack(copies)]))
    known = {(pair.first, pair.second) for pair in pairs}
    hits = np.array([(int(i), len(images) + k) in known for k, i in enumerate(copied)])
    low, high = wilson(hits.mean(), len(hits), CONFIDENCE)
    kinds = ", ".join(
        f"{name} {part.mean():.1%}"
        for name, part in zip(CHANGES, np.split(hits, len(CHANGES)), strict=True)
    )
    measured = f"{hits.mean():.1%} ({low:.1%} to {high:.1%})"
    what = f"planted near-duplicates found, {where}"
    yield Row(what, "85 %", "95 %", measured, f"{len(hits)} copies: {kinds}")
    false = _wrongly_named(pairs, len(images))
    yield Row(f"images wrongly named, {where}", "1 %", "", f"{false / len(images):.2%}",
              f"{false} of {len(images):,}: pairs of two images as they came")  # fmt: skip


def _wrongly_named(pairs: Sequence[Pair], num_images: int) -> int:
    natural = [pair for pair in pairs if pair.second < num_images and pair.kind != "exact"]
    return len({i for pair in natural for i in (pair.first, pair.second)})


def _shifted(image: Images, generator: np.random.Generator) -> Images:
    row, column = 0, 0
    while not row and not column:
        row, column = generator.integers(-2, 3, 2)
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")
    height, width = image.shape[:2]
    return padded[2 - row : 2 - row + height, 2 - column : 2 - column + width]


def _jpeg(image: Images, _: np.random.Generator) -> Images:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file)).reshape(image.shape)


def _brightness(image: Images, generator: np.random.Generator) -> Images:
    factor = generator.choice([0.9, 1.1])
    return np.clip(np.rint(image * factor), 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Images, np.random.Generator], Images]] = {
    "shift 1 to 2 px": _shifted,
    "mirror": lambda image, _: image[:, ::-1],
    "JPEG 60": _jpeg,
    "brightness 10 %": _brightness,
}


def auc(scores: Numbers, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive has the higher score than another; ties count by half."""
    return float(rank_areas(scores[:, None], positive[:, None])[0])


def _bootstrapped(of: Callable[[Any], float], count: int) -> tuple[float, float, float]:
    """A value over images, and its percentile interval."""
    generator = np.random.default_rng(2)
    drawn = [of(generator.integers(0, count, count)) for _ in range(RESAMPLES)]
    ends = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return of(np.arange(count)), float(ends[0]), float(ends[1])


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--fits", type=int, default=400, help="of the study")
    made.add_argument("--planted-fits", type=int, default=100, help="with planted wrong labels")
    made.add_argument("--plantings", type=int, default=3, help="of either kind, other seeds")
    made.add_argument("--large", type=Path, help=".npz with x_train, to be scanned for copies")
    return made


if __name__ == "__main__":
    main(_parser().parse_args())
