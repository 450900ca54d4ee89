import math

import pandas as pd

from pipeline.tracking import curves

NAN = math.nan


def _table(rows: list[tuple[int, int, str, float, float, float]]) -> pd.DataFrame:
    columns = ["seed", "epoch", "split", "loss", "learning_rate", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def test_one_seed_is_logged_as_it_is() -> None:
    table = _table(
        [
            (7, 1, "running", 0.9, 0.01, 2.5),
            (7, 1, "val", 0.5, NAN, NAN),
            (7, 2, "val", math.inf, NAN, NAN),
        ]
    )
    assert sorted(curves.points(table)) == [
        ("epoch_seconds", 1, 2.5),
        ("learning_rate", 1, 0.01),
        ("running/loss", 1, 0.9),
        ("val/loss", 1, 0.5),
    ]


def test_several_seeds_are_averaged_as_far_as_they_came() -> None:
    table = _table(
        [
            (0, 1, "val", 0.5, NAN, NAN),
            (1, 1, "val", 0.25, NAN, NAN),
            (0, 2, "val", 0.75, NAN, NAN),
        ]
    )
    assert list(curves.points(table)) == [("val/loss", 1, 0.375), ("val/loss", 2, 0.75)]
