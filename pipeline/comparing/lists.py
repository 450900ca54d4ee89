"""Lists of images to leave out of training, or to relabel: `make images` writes them, people edit.

A list is a CSV with the columns `id` and, to relabel, `suggested`, the class that is to be learnt.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.comparing.record import LISTS, ComparisonError
from pipeline.data.prepared import Prepared
from pipeline.data.spoil import LEFT_OUT
from pipeline.training.task import Corrections


def read(kind: str, path: Path, data: Prepared) -> Corrections:
    """What the list at `path` changes in the train images of `data`.

    Args:
        kind: `drop` or `relabel`.

    Raises:
        ComparisonError: there is no such list, or it names images or classes that are not in train.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise ComparisonError(
            f"{kind}: {path}: no such list. Run `make images` first, or write one."
        ) from None
    except (OSError, ValueError) as error:
        raise ComparisonError(f"{kind}: {path}: cannot be read as CSV ({error}).") from None
    missing = [name for name in LISTS[kind] if name not in table.columns]
    if missing:
        raise ComparisonError(
            f"{kind}: {path}: got the columns {list(table.columns)}, expected {missing} too."
        )
    ids = _ids(table["id"], f"{kind}: {path}", data)
    labels = [LEFT_OUT] * len(ids)
    if kind == "relabel":
        labels = _labels(table["suggested"], f"{kind}: {path}", data)
    return tuple(sorted(zip(ids, labels, strict=True)))


def _ids(column: "pd.Series[str]", where: str, data: Prepared) -> list[int]:
    known = set(np.asarray(data.train.ids).tolist())
    wrong = [text for text in column if not text.isdigit() or int(text) not in known]
    if wrong:
        raise ComparisonError(
            f"{where}: {len(wrong)} ids are no train image, {wrong[0]!r} first: the list belongs "
            "to other data. Run `make images` again."
        )
    return [int(text) for text in column]


def _labels(column: "pd.Series[str]", where: str, data: Prepared) -> list[int]:
    names = data.manifest.class_names
    for name in column:
        if name not in names:
            raise ComparisonError(
                f"{where}: unknown class {name!r}. Known: {', '.join(map(str, names))}."
            )
    return [names.index(name) for name in column]
