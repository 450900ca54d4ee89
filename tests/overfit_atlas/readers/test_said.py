"""What is said of a reading, and the formats in the docs."""

from pathlib import Path
from typing import Any

import pytest

from overfit_atlas.readers import formats, read
from overfit_atlas.readers.names import meaning
from overfit_atlas.readers.said import NOTES

DOCS = Path(__file__).resolve().parents[3] / "docs" / "formats.md"


def test_what_was_read_in_one_line_in_both_languages(run: Any) -> None:
    found = read({**run.curves, "lr": [0.1] * 6, "top_5": [0.9] * 6})
    every = "train loss, train accuracy, val loss, val accuracy"
    assert found.said() == f"read: {every} from 1 fit of 6 epochs; not used: lr, top_5"
    japanese = "読み取り: 訓練損失、訓練正解率、検証損失、検証正解率（1回の学習、6エポック）。不使用: lr, top_5"  # noqa: E501
    assert found.said("ja") == japanese


def test_the_record_of_a_reading(run: Any) -> None:
    assert read(run.curves).as_json()["fits"] == [
        {
            "name": "history",
            "model": "history",
            "phase": None,
            "seed": None,
            "epochs": 6,
            "first_epoch": 1,
            "columns": {role: role for role in run.curves},
            "last": {role: values[-1] for role, values in run.curves.items()},
        }
    ]


def test_every_sentence_has_the_same_places_in_both_languages() -> None:
    import string

    for key, sentences in NOTES.items():
        places = [{p[1] for p in string.Formatter().parse(s) if p[1]} for s in sentences]
        assert places[0] == places[1], key


def test_every_format_stands_in_the_docs() -> None:
    rows = [line.split("|")[1].strip() for line in DOCS.read_text().splitlines() if line[:1] == "|"]
    assert rows[2:] == [known.name for known in formats()]


@pytest.mark.parametrize(
    ("loss", "val_loss", "penalty"),
    [([1.9, 0.86], [1.5, 0.84], True), ([0.5, 0.4], [0.6, 0.5], False)],
)
def test_a_penalty_shows_in_losses_too_large_for_their_accuracies(
    loss: list[float], val_loss: list[float], penalty: bool
) -> None:
    data = {"loss": loss, "accuracy": [0.82, 0.85], "val_loss": val_loss}
    fit = read({**data, "val_accuracy": [0.73, 0.78]}).fits[0]
    assert fit.penalty_in_loss is penalty


@pytest.mark.parametrize(("val_loss", "comparable"), [(1.25, False), (0.2, True)])
def test_losses_on_two_scales(val_loss: float, comparable: bool) -> None:
    held = {"val_loss": [val_loss] * 3, "val_accuracy": [0.975] * 3}
    fit = read({"train_loss": [0.3, 0.2, 0.1], **held}).fits[0]
    assert fit.val_loss_comparable is comparable


@pytest.mark.parametrize(
    ("name", "kind", "split"),
    [
        ("val_top5_acc", "topk", "val"),
        ("val_acc5", "topk", "val"),
        ("Precision@1", "accuracy", None),
        ("best_val_acc", "other", None),
        ("train_val_acc_gap", "other", None),
        ("val_mean_squared_error", "loss", "val"),
        ("eval_train_loss", "loss", "train"),
    ],
)
def test_names(name: str, kind: str, split: str | None) -> None:
    assert (meaning(name).kind, meaning(name).split) == (kind, split)
