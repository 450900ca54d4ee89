"""Two classics on digits: one is run, one cannot be, and what is finished is not run again."""

import argparse
import json
from types import SimpleNamespace

import pytest

from pipeline.comparing.record import ComparisonError
from pipeline.stages import classics

WRITTEN = """
title: Wider
data: {data}
model: dense
baseline: {{models.dense.units: [8], train.epochs: 4, train.batch_size: 20}}
variants: {{"64": {{models.dense.units: [64]}}}}
classic:
  source: a course
  claims:
    - {{says: Wider is better, of: "64", change: higher}}
    - {{says: It reaches, of: "64", value: 0.97}}
  quick: {{settings: {{train.epochs: 3}}}}
"""


@pytest.fixture
def asked(tmp_path, digits_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = tmp_path / "experiments" / "compare"
    folder.mkdir(parents=True)
    (folder / "widths.yaml").write_text(WRITTEN.format(data="digits"))
    (tmp_path / "data" / "sets" / "digits").mkdir(parents=True)
    (tmp_path / "data" / "sets" / "digits" / "prepared").symlink_to(digits_folder)
    params = tmp_path / "params.yaml"
    params.write_text("workers: {count: 0}\nevaluate: {num_resamples: 100}\n")
    out = tmp_path / "out"
    given = {"params": params, "names": [], "quick": True, "list": False}
    return argparse.Namespace(**given, out=out, page=None)


def test_what_is_claimed_is_run_judged_and_written_once(asked, capsys, monkeypatch):
    (asked.params.parent / "experiments" / "compare" / "gone.yaml").write_text(
        WRITTEN.format(data="nowhere")
    )
    nothing = SimpleNamespace(run=lambda *_, **__: None)  # no data set is to be had
    monkeypatch.setattr(classics, "subprocess", nothing)
    classics.main(asked)
    said = capsys.readouterr().out
    assert "widths: 6 fits, about" in said and "gone: not run: the images of nowhere" in said
    page = (asked.out / "quick" / "index.md").read_text()
    assert "Changed for this run: `train.epochs: 3`" in page
    assert "| Wider is better | 64 | effect on val_accuracy at the best epoch: +" in page
    assert "not with less: train.epochs | open |" in page
    assert "Not run: the images of nowhere could not be had" in page
    assert (asked.out / "quick" / "widths.png").stat().st_size > 2_000

    folder = asked.out / "quick" / "widths"
    before = (folder / "done.json").stat().st_mtime_ns
    classics.main(asked)
    assert "finished before" in capsys.readouterr().out
    assert (folder / "done.json").stat().st_mtime_ns == before

    done = json.loads((folder / "done.json").read_text())
    (folder / "done.json").write_text(json.dumps({**done, "key": "of other settings"}))
    asked.list = True
    classics.main(asked)
    assert "finished before" not in capsys.readouterr().out


def test_an_unknown_name_lists_the_known_ones(asked):
    asked.names = ["width"]
    with pytest.raises(ComparisonError, match=r"width: no classic\. Known: widths"):
        classics.main(asked)
