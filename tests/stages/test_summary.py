import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from overfit_atlas.errors import AtlasError
from pipeline import verdict_table
from pipeline.stages import summary

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"
SCORES = {
    "accuracy": 0.8125,
    "accuracy_interval": [0.75, 0.875],
    "worst_class_f1": 0.5,
    "num_images": 1000,
    "num_seeds": 5,
}
METRICS = {"cnn": {"val": {**SCORES, "num_images": 400}, "test": SCORES}}
DIAGNOSIS = {
    "cnn": {
        "verdict": "overfit",
        "title": {"en": "overfit, too sure"},
        "probability": 0.97,
        "onset": {"loss": {"status": "confirmed", "epoch": 4, "best_epoch": 4}},
        "gap": {"loss": {"value": 0.25, "low": 0.125, "high": 0.5}},
    }
}


def _printed(diagnosis: Any) -> list[str]:
    console = Console(width=200, record=True)
    console.print(verdict_table.table(METRICS, diagnosis))
    row = next(line for line in console.export_text().splitlines() if "cnn" in line)
    return [cell.strip() for cell in row.strip("│").split("│")]


def test_a_row_holds_scores_gap_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    scores = ["cnn", "5", "81.2%", "81.2%", "75.0% to 87.5%", "0.500", "0.250", "0.12 to 0.50"]
    assert _printed(DIAGNOSIS) == [*scores, "4", "overfit, too sure", "0.97"]
    assert "test: 1,000 images · val: 400 images" in capsys.readouterr().out


@pytest.mark.parametrize("status", ["none", "censored"])
def test_an_onset_that_did_not_come_is_told_by_its_kind(status: str) -> None:
    onset = {"loss": {"status": status, "epoch": None}}
    assert _printed({"cnn": {**DIAGNOSIS["cnn"], "onset": onset}})[-3] == status


def test_what_is_not_known_is_a_dash() -> None:
    assert _printed({})[-5:] == ["-"] * 5
    assert _printed({"cnn": {"verdict": "undetermined", "onset": {}, "gap": {}}})[-5:] == ["-"] * 5


def test_what_became_of_the_search_stands_below_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, record in (("metrics", METRICS), ("diagnosis", DIAGNOSIS), ("overtuning", {})):
        (tmp_path / f"{name}.json").write_text(json.dumps(record))
    summary.main(argparse.Namespace(results=tmp_path, params=PARAMS))
    assert "overtuning" not in capsys.readouterr().out
    ends = {"value": 0.125, "low": -0.25, "high": 0.5}
    found = {"num_trials": 6, "parameters": {"width": 8, "train.learning_rate": 0.0123}}
    found |= {"val_loss": 0.5, "fresh_val_loss": 0.625, "fresh_seeds": [7, 8], "confidence": 0.9}
    (tmp_path / "overtuning.json").write_text(json.dumps({**found, "overtuning": ends}))
    summary.main(argparse.Namespace(results=tmp_path, params=PARAMS))
    printed = capsys.readouterr().out
    assert "Of 6 settings that the search tried, width 8, learning_rate 0.0123 was best" in printed
    assert "overtuning +0.125 nats (-0.250 to +0.500, 90% interval)" in printed


def test_test_images_that_were_left_alone_are_dashes() -> None:
    console = Console(width=200, record=True)
    console.print(verdict_table.table({"cnn": {"val": SCORES}}, DIAGNOSIS))
    assert console.export_text().count(" - ") == 3


def test_the_next_commands_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, document in (("metrics", METRICS), ("diagnosis", DIAGNOSIS)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    summary.main(argparse.Namespace(results=tmp_path, params=PARAMS))
    out = capsys.readouterr().out
    assert "make ui" in out and str(tmp_path / "report" / "index.html") in out


def test_it_speaks_japanese_as_the_page_does() -> None:
    console = Console(width=200, record=True)
    judged = {"cnn": {**DIAGNOSIS["cnn"], "title": {"ja": "過学習（自信過剰）"}}}
    console.print(verdict_table.table(METRICS, judged, "ja"))
    said = console.export_text()
    assert "テスト 1,000 枚 · 検証 400 枚" in said
    assert "過学習（自信過剰）" in said and "75.0%〜87.5%" in said


def test_copies_are_counted_and_the_score_without_them_is_told(tmp_path: Path) -> None:
    count = {
        "pairs": {"exact": 2, "altered": 3, "shifted": 1, "mirrored": 0},
        "within": {"train": 4, "val": 0, "test": 0},
        "across": {"val": 1, "test": 2},
        "left_out_of_train": 5,
    }
    path = tmp_path / "summary.json"
    assert list(summary.copies(path, METRICS)) == []
    path.write_text(json.dumps({"copies": count}))
    alone = {"cnn": {**METRICS["cnn"], "test_without_copies": {"accuracy": 0.75}}}
    counted, scored = summary.copies(path, alone)
    assert counted == (
        "Copies: 2 exact, 4 near. Repeated within training 4, validation 0, test 0; validation "
        "images copied from training: 1; test images copied from either: 2; left out of training: "
        "5."
    )
    assert scored == "Accuracy, test without copies: cnn 75.0%"


def test_missing_or_broken_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"metrics\.json: not there yet. Run `dvc repro`"):
        summary.main(argparse.Namespace(results=tmp_path, params=PARAMS))
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(AtlasError, match=r"metrics\.json: not valid JSON"):
        summary.main(argparse.Namespace(results=tmp_path, params=PARAMS))
