import pytest

from pipeline.tracking.records import (
    Champion,
    DataUsed,
    End,
    File,
    Model,
    Point,
    Record,
    Start,
    Values,
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
    Model("k", "model", "cnn", "overfit-atlas-digits", "0123"),
    Champion("overfit-atlas-digits", "0123"),
    End("k", "FINISHED", 9),
]


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
