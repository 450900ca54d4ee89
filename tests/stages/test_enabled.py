"""Models that are left out: their stages do nothing, and what comes after does without them."""

import argparse
import json

import pandas as pd
import pytest

from overfit_atlas.errors import AtlasError
from pipeline import params, trained
from pipeline.stages import judge, train


def test_the_stages_of_a_model_that_is_left_out_do_nothing(tmp_path, capsys):
    written = tmp_path / "params.yaml"
    written.write_text("enabled: {cnn: false, ensemble: false}\n")
    folders = {"data": tmp_path / "gone", "models": tmp_path / "models", "results": tmp_path}
    asked = argparse.Namespace(model="cnn", params=written, **folders)
    train.main(asked)
    judge.main(asked)
    said = capsys.readouterr().out
    assert "cnn: nothing to train" in said and "cnn: nothing to judge" in said
    assert pd.read_csv(tmp_path / "curves" / "cnn.csv").empty
    assert json.loads((tmp_path / "judged" / "cnn.json").read_text())["enabled"] is False
    assert (tmp_path / "judged" / "cnn.png").read_bytes().startswith(b"\x89PNG")
    assert trained.enabled(asked.models, ["dense", "cnn"]) == []
    with pytest.raises(AtlasError, match=r"enabled\.cnn: false"):
        trained.facts(asked.models / "cnn")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"enabled.cnn": False}, "members are fits of cnn, which is not enabled"),
        (dict.fromkeys(("enabled.dense", "enabled.cnn", "enabled.efficientnet"), False), "one of"),
        (
            {"enabled.dense": False, "models.ensemble.members": ["cnn", "dense"]},
            "members are fits of dense",
        ),
    ],
)
def test_what_cannot_be_left_out(changes, said):
    with pytest.raises(params.ParamsError, match=said):
        params.parse({}, changes)
