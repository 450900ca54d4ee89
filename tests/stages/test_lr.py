import argparse
import json

import pytest

from overfit_atlas.errors import AtlasError
from pipeline.stages import lr


def _asked(tmp_path, data, **changes):
    params = tmp_path / "params.yaml"
    params.write_text("train: {seeds: [0, 1]}\nmodels: {dense: {units: [16]}}\n")
    given = {"model": "dense", "params": params, "data": data, "results": tmp_path}
    return argparse.Namespace(**{**given, "lowest": 1e-5, "highest": 10.0, **changes})


def test_a_range_test_on_digits(tmp_path, digits_folder, capsys):
    lr.main(_asked(tmp_path, digits_folder))
    found = json.loads((tmp_path / "lr" / "dense.json").read_text())
    assert len(found["rates"]) == len(found["losses"]) == lr.STEPS
    # Adam learns digits well at about a hundredth, and not at all at a hundred-thousandth.
    assert 1e-4 < found["suggested"] < 0.1
    assert f"suggested learning_rate {found['suggested']:.2g}" in capsys.readouterr().out
    assert (tmp_path / "lr" / "dense.png").stat().st_size > 5_000


def test_two_rates_in_the_wrong_order_are_refused(tmp_path, digits_folder):
    with pytest.raises(AtlasError, match="the lower one first"):
        lr.main(_asked(tmp_path, digits_folder, lowest=1.0, highest=0.1))
