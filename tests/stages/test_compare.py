"""One real comparison on real digits, from YAML to tables; and what is refused before it begins."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.errors import AtlasError
from pipeline.comparing import record
from pipeline.comparing.record import ComparisonError
from pipeline.stages import compare, comparisons

YAML = """
title: What helps
data: digits
model: dense
seeds: [3, 5, 8]
baseline:
  models.dense.units: [32]
  train.epochs: 3
  train.batch_size: 20
  train.learning_rate: 0.01
  preprocess.train_fraction: 0.5
small: {train.epochs: 2}
variants:
  stopped: {train.early_stopping: 1}
  twice: {preprocess.train_fraction: 1.0}
  hot: {train.learning_rate: 1000.0, train.optimizer: sgd}
  two: {ensemble: 2}
  shifted: {views: {number: 3, of: [shift]}}
"""


@pytest.fixture
def asked(tmp_path: Path, digits_folder: Path, monkeypatch: Any) -> argparse.Namespace:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "params.yaml").write_text(
        "workers: {count: 0}\nevaluate: {num_resamples: 100}\n", encoding="utf-8"
    )
    (tmp_path / "what.yaml").write_text(YAML, encoding="utf-8")
    return argparse.Namespace(
        name=str(tmp_path / "what.yaml"),
        params=tmp_path / "params.yaml",
        data=digits_folder,
        out=tmp_path / "out",
        timings=tmp_path / "timings",
        seeds=None,
        set=["train.batch_size=20"],
        small=True,
    )


def test_a_comparison_from_yaml_to_tables(asked: Any, capsys: Any, monkeypatch: Any) -> None:
    compare.main(asked)
    said = capsys.readouterr().out
    assert "What helps: against baseline, 3 seeds" in said

    curves = pd.read_csv(asked.out / "curves.csv")
    assert set(curves["variant"]) == {"baseline", "stopped", "twice", "hot"}
    assert set(curves["seed"]) == {3, 5, 8} and "seconds" not in curves

    effects = pd.read_csv(asked.out / "effects.csv")
    assert set(effects["name"]) == {"stopped", "twice", "two", "shifted"}
    assert set(effects["num_seeds"]) == {3} and set(effects["at"]) == {"best", "last"}
    assert np.isfinite(effects["effect"]).all() and (effects["low"] <= effects["high"]).all()

    variants = json.loads((asked.out / "variants.json").read_text())
    assert variants["hot"]["failures"] and variants["hot"]["effect"]["last"] is None
    assert (variants["baseline"]["num_train"], variants["twice"]["num_train"]) == (100, 200)
    # 8 * 8 * 32 + 32 and 32 * 10 + 10 weights; an ensemble has them twice.
    assert variants["baseline"]["num_parameters"] == 2410
    assert variants["two"]["num_parameters"] == 4820
    assert variants["shifted"]["num_parameters"] == 2410
    # Three views of an image are no fit of their own, and say something else than the image alone.
    of_views = effects[(effects["name"] == "shifted") & (effects["metric"] == "val_loss")]
    assert (of_views["effect"] != 0).all()

    summary = json.loads((asked.out / "summary.json").read_text())
    # What was changed for this run is written down.
    assert summary["scaled"] == {"train.epochs": 2, "train.batch_size": 20}
    assert summary["baseline_settings"]["train.epochs"] == 2 == curves["epoch"].max()
    assert (summary["held_out"], summary["num_val"], summary["seeds"]) == ("val", 60, [3, 5, 8])
    seconds = json.loads((asked.timings / "compare-what.json").read_text())
    assert len(seconds["twice"]) == 3 and min(seconds["twice"]) > 0

    # No clock in what DVC hashes: a second run gives the same bytes, whether it fits anew or not.
    first = {path.name: path.read_bytes() for path in asked.out.iterdir()}
    monkeypatch.setattr(compare.workers, "pool", _nothing)
    monkeypatch.setattr("pipeline.prediction.of_seeds", _nothing)
    compare.main(asked)
    assert {path.name: path.read_bytes() for path in asked.out.iterdir()} == first
    text = asked.params.read_text().replace("100}", "100, wide_gap: 0.4}")
    asked.params.write_text(text, encoding="utf-8")
    compare.main(asked)
    assert (asked.out / "effects.csv").read_bytes() == first["effects.csv"]
    assert (asked.out / "variants.json").read_bytes() != first["variants.json"]


def _nothing(*_: Any) -> None:
    raise AssertionError("no fit and no prediction was expected")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.augmentation=[flop]", "baseline: train.augmentation.0: .*got 'flop'"),
        ("train.balance=augmentation", "variant 'baseline': train.balance: augmentation"),
        ("preprocess.imbalance=5000", "variant 'baseline': preprocess.imbalance"),
        ("train.epochs", "expected key=value"),
        ("train.epchs=3", "baseline: train.epchs: unknown key. Did you mean 'epochs'"),
    ],
)
def test_what_cannot_be_trained_is_refused_first(asked: Any, override: str, said: str) -> None:
    asked.set = [override]
    with pytest.raises(AtlasError, match=said.replace("[", r"\[")):
        compare.main(asked)
    assert not (asked.out.exists() or (asked.params.parent / "mlruns").exists())


def test_more_members_than_seeds_are_refused(asked: Any) -> None:
    asked.seeds = [1, 2]
    with pytest.raises(ComparisonError, match="2 members need at least 3 seeds, got 2"):
        compare.main(asked)


def test_every_comparison_is_one_that_can_run(monkeypatch: Any) -> None:
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(root)
    known = {name: record.load(name) for name in record.names()}
    for comparison in known.values():
        assert comparison.data in (comparisons.OWN, *comparisons.datasets())
        comparison.resolved(comparison.seeds or (0, 1, 2, 3, 4))
    assert set(known) >= {
        "units", "sizes_small", "sizes", "remedies", "cnn_dropout", "optimizers", "losses",
        "batch_size", "data_size", "epochs", "label_noise", "initialisers", "augmentation",
        "imbalance",
    }  # fmt: skip
