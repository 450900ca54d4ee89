"""Committed tables grow by setting: what was fitted now is put beside what is there."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.truth.settings import PARTS
from pipeline.files import replacing

SETTING = ["part", "number"]


def grow(table: Path, rows: pd.DataFrame, digits: int | None = None) -> pd.DataFrame:
    """Write `rows` to `table` (CSV, `.gz` compressed), and return all that it then holds.

    Rows of settings that are not among `rows` stay as they are; those of equal settings are
    replaced. Settings stand in order, and equal rows make equal bytes. Numbers have `digits`
    significant digits, or all.
    """
    whole = joined(pd.read_csv(table) if table.exists() else None, rows)
    packed = {"method": "gzip", "mtime": 0} if table.suffix == ".gz" else None
    form = f"%.{digits}g" if digits else None
    with replacing(table) as temporary:
        whole.to_csv(temporary, index=False, float_format=form, compression=packed)
    return whole


def joined(before: pd.DataFrame | None, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows`, and those of `before` that are of other settings, in order of the settings."""
    if before is not None:
        new = pd.MultiIndex.from_frame(rows[SETTING].drop_duplicates())
        others = before[~pd.MultiIndex.from_frame(before[SETTING]).isin(new)]
        rows = pd.concat([others, rows], ignore_index=True) if len(others) else rows
    place = rows["part"].map(PARTS.index).to_numpy()
    order = np.lexsort((rows["number"].to_numpy(), place))  # stable
    return rows.iloc[order].reset_index(drop=True)
