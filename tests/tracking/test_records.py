import hashlib
import math
from pathlib import Path

import pandas as pd
import pytest

from overfit_atlas.active_run import curve_points, named
from pipeline.tracking.records import (
    Champion,
    DataUsed,
    Described,
    End,
    File,
    Judged,
    Model,
    Point,
    Record,
    Start,
    Values,
    file_hash,
    from_line,
    new_key,
    profile,
    to_line,
)

ONE_OF_EACH: list[Record] = [
    Start("k", "train@cnn", None, 5, {"a": "b"}),
    Start("k2", "seed 0", "k", 5, {}),
    Values("k", (Point("val/loss", 0.1 + 0.2, 3, 7),), {"p": "1"}, {"t": "ü\n"}),
    DataUsed("k", "digits", "abc", "data/prepared", "{}"),
    File("k", "figure.png", "figures"),
    Model("k", "a.keras", "cnn", "overfit-atlas-digits", "0123", (8, 8, 1), ("shirt", "bag")),
    Champion("overfit-atlas-digits", "0123"),
    Judged("train@cnn", "ff", (Point("final/val/loss", 0.25, 0, 7),), {"verdict": "good fit"}),
    Described("# Title\n\n- one"),
    End("k", "FINISHED", 9),
]
NAN = math.nan


@pytest.mark.parametrize("record", ONE_OF_EACH, ids=lambda record: type(record).__name__)
def test_a_record_survives_its_line(record: Record) -> None:
    line = to_line(record)
    assert "\n" not in line
    assert from_line(line) == record


@pytest.mark.parametrize(
    "line",
    ['{"kind": "Start", "run"', "[]", "3", '{"kind": "Other"}', '{"kind": "End", "run": "k"}', ""],
)
def test_a_torn_or_strange_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError):
        from_line(line)


def test_keys_differ() -> None:
    assert new_key() != new_key()


def test_a_profile_counts_images_and_classes() -> None:
    assert profile({"train": [3, 4], "val": [1, 1]}) == (
        '{"num_train": 7, "num_val": 2, "per_class": {"train": [3, 4], "val": [1, 1]}}'
    )


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
    assert sorted(curve_points(table)) == [
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
    assert list(curve_points(table)) == [("val/loss", 1, 0.375), ("val/loss", 2, 0.75)]


def test_rows_of_one_fit_are_named_as_tables_are() -> None:
    rows = [
        {"epoch": 3, "split": "running", "loss": 0.9, "seconds": 2.5, "accuracy": NAN},
        {"epoch": 3, "split": "val", "loss": 0.5, "seed": 7},
    ]
    assert list(named(rows)) == [
        ("running/loss", 3, 0.9),
        ("epoch_seconds", 3, 2.5),
        ("val/loss", 3, 0.5),
    ]


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1,2\n")
    assert file_hash(tmp_path / "a.csv") == hashlib.sha256(b"1,2\n").hexdigest()[:32]
