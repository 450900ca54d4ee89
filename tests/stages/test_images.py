"""The stage of many fits itself, on real digits with a small net, in this process."""

import argparse
import json

import pandas as pd
import pytest

from pipeline.data.raw import Entry, Origin, Raw
from pipeline.stages import images

PARAMS = """
workers: {count: 0}
images: {fits: 20, width: 8, epochs: 2}
"""


@pytest.fixture
def asked(tmp_path, digits_folder, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    entries = [Entry(f"{number}.png", "", "0") for number in range(2000)]
    made = Raw(Origin("digits", (), "", "", ""), {}, entries, tmp_path)
    monkeypatch.setattr(images.raw, "read", lambda folder: made)
    return argparse.Namespace(
        params=tmp_path / "params.yaml", data=digits_folder, raw=tmp_path, out=tmp_path / "out"
    )


@pytest.mark.slow
def test_tables_are_written_and_nothing_is_left_behind(asked, capsys, tmp_path):
    images.main(asked)
    assert "20 fits, each on 70% of 200 train images" in capsys.readouterr().out
    assert {path.name for path in asked.out.iterdir()} == {
        "train.csv", "val.csv", "influence.csv", "drop.csv", "relabel.csv", "summary.json",
        "memorised.png", "suspicious.png",
    }  # fmt: skip
    train = pd.read_csv(asked.out / "train.csv")
    assert len(train) == 200 and (train["num_in"] + train["num_out"]).eq(20).all()
    assert train["path"].tolist() == [f"{number}.png" for number in train["id"]]
    summary = json.loads((asked.out / "summary.json").read_text())
    assert (summary["num_fits"], summary["num_val"], summary["failures"]) == (20, 60, [])
    assert not list((tmp_path / ".checkpoints" / "images").glob("*.npz"))
