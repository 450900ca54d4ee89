r"""What a model says of image files, and how it is written: CSV or Parquet, as it comes.

However many files there are, memory holds one batch of them. Control characters and bytes that are
no UTF-8 are escaped (`\\x1b`), and no cell starts like a formula of a spreadsheet: a file `=a.png`
is written as `./=a.png`, a class `=a` as `'=a`.
"""

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from overfit_atlas.errors import AtlasError
from pipeline.files import replacing

TOP = 5  # classes of each image in a table, unless all are asked for
TOLERANCE = 1e-3  # of the sum of an image's probabilities
FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Answers:
    """What a model says of one batch of image files; row i of each field is about the same image.

    files: names as shown. images: uint8 (n, height, width, channels). probabilities: float32
    (n, classes). unread: each file that is no usable image, and why.
    """

    files: Sequence[str]
    images: np.ndarray
    probabilities: np.ndarray
    unread: Sequence[tuple[str, str]]

    def best(self, number: int) -> np.ndarray:
        """The numbers of the `number` likeliest classes of each image, the likeliest first."""
        return np.argsort(-self.probabilities, axis=1, kind="stable")[:, :number]


Writer = Callable[[Sequence[Sequence[object]]], None]
"""What appends rows to a file, as often as it is called."""


def visible(name: str) -> str:
    """A name in which nothing acts on a terminal: what cannot be printed stands there escaped."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def check_probabilities(shares: np.ndarray, name: str) -> None:
    """Raise AtlasError where what model `name` gave, (num_images, num_classes), are none."""
    sums = shares.sum(axis=-1)
    if not np.isfinite(shares).all():
        wrong = "not all of them are numbers: some of its weights are NaN or infinite"
    elif shares.size and shares.min() < -TOLERANCE:
        wrong = f"one is {shares.min():.3g}: its last layer is no softmax"
    elif shares.size and abs(sums - 1).max() > TOLERANCE:
        worst = sums[abs(sums - 1).argmax()]
        wrong = f"those of one image sum to {worst:.3g}: its last layer is no softmax"
    else:
        return
    raise AtlasError(f"--model {name}: what it gives are no probabilities; {wrong}.")


def header(class_names: Sequence[str], every: bool) -> list[str]:
    """file, label, probability, label_2, probability_2, ...; then `p NAME` of every class."""
    count = min(TOP, len(class_names))
    ranks = ["", *(f"_{rank}" for rank in range(2, count + 1))]
    named = [f"{column}{rank}" for rank in ranks for column in ("label", "probability")]
    return ["file", *named, *(f"p {visible(name)}" for name in class_names if every)]


def rows(answers: Answers, class_names: Sequence[str], every: bool) -> Iterator[list[object]]:
    """For each image a row for `header`: texts and floats."""
    names = [_harmless(visible(name), "'") for name in class_names]
    best = answers.best(min(TOP, len(class_names)))
    for file, order, shares in zip(answers.files, best, answers.probabilities, strict=True):
        ranked = [part for one in order for part in (names[one], float(shares[one]))]
        all_shares = (float(one) for one in shares) if every else ()
        yield [_harmless(file, "./"), *ranked, *all_shares]


def _harmless(cell: str, prefix: str) -> str:
    return prefix + cell if cell.startswith(FORMULA) else cell


@contextmanager
def writer(path: Path | None, class_names: Sequence[str], every: bool) -> Iterator[Writer]:
    """What appends rows to `path`, a CSV or `.parquet` file that is there whole or not at all.

    None: what takes rows and writes nothing.
    """
    if path is None:
        yield lambda _: None
        return
    names = header(class_names, every)
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            with _parquet(temporary, names) as write:
                yield write
            return
        with temporary.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(names)
            yield lambda some: lines.writerows([_cells(row) for row in some])


def _cells(row: Sequence[object]) -> list[object]:
    return [f"{one:.9g}" if isinstance(one, float) else one for one in row]


@contextmanager
def _parquet(path: Path, names: Sequence[str]) -> Iterator[Writer]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {name for name in names if name.startswith(("file", "label"))}
    schema = pa.schema([(one, pa.string() if one in texts else pa.float32()) for one in names])
    with pq.ParquetWriter(path, schema) as opened:

        def write(some: Sequence[Sequence[object]]) -> None:
            columns = list(zip(*some, strict=True)) or [()] * len(names)
            arrays = [pa.array(one, field.type) for one, field in zip(columns, schema, strict=True)]
            opened.write_table(pa.Table.from_arrays(arrays, schema=schema))

        yield write
