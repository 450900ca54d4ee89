"""Claims against tables written by hand: the answer is known beforehand."""

import pandas as pd
import pytest

from overfit_atlas.errors import AtlasError
from pipeline.comparing import classic, record
from pipeline.comparing.classic import Claim
from pipeline.comparing.record import ComparisonError

WRITTEN = {
    "data": "digits",
    "model": "dense",
    "baseline": {"train.epochs": 20},
    "variants": {
        "wide": {"models.dense.units": [64]},
        "wider": {"models.dense.units": [4096]},
    },
    "classic": {
        "source": "a course",
        "claims": [{"says": "Wider is better", "of": "wide", "change": "higher"}],
        "whole": {"data": "mnist", "settings": {"train.epochs": 10}},
        "quick": {"settings": {"train.epochs": 2}, "without": ["wider"]},
    },
}


@pytest.mark.parametrize(
    ("change", "low", "high", "answer"),
    [
        ("higher", 0.01, 0.05, "agrees"),
        ("higher", -0.01, 0.05, "open"),
        ("higher", -0.05, -0.01, "disagrees"),
        ("lower", -0.05, -0.01, "agrees"),
        ("lower", -0.05, 0.01, "open"),
        ("lower", 0.01, 0.05, "disagrees"),
        ("equal", -0.01, 0.01, "agrees"),
        ("equal", -0.01, 0.011, "open"),
        ("equal", 0.011, 0.05, "disagrees"),
        ("equal", -0.05, -0.011, "disagrees"),
    ],
)
def test_a_change_is_judged_by_its_whole_interval(change, low, high, answer):
    row = {"name": "wide", "metric": "val_accuracy", "at": "best", "effect": (low + high) / 2}
    effects = pd.DataFrame([{**row, "low": low, "high": high}])
    claim = Claim(says="so", of="wide", change=change)
    judged = classic.judge(claim, effects, {"wide": {}}, {})
    assert judged.answer == answer
    assert (judged.low, judged.high) == (low, high)


@pytest.mark.parametrize(
    ("low", "high", "scaled", "answer"),
    [
        (0.975, 0.985, {}, "agrees"),
        (0.96, 0.985, {}, "open"),
        (0.95, 0.96, {}, "disagrees"),
        (0.975, 0.985, {"train.epochs": 2}, "open"),
    ],
)
def test_a_published_value_counts_only_for_the_whole_run(low, high, scaled, answer):
    found = {"value": (low + high) / 2, "low": low, "high": high}
    variants = {"wide": {"values": {"best": {"val_accuracy": found}}}}
    claim = Claim(says="so", of="wide", value=0.98)
    judged = classic.judge(claim, pd.DataFrame(), variants, scaled)
    assert judged.answer == answer


def test_a_variant_that_was_left_out_leaves_its_claim_open():
    claim = Claim(says="so", of="wider", change="equal")
    judged = classic.judge(claim, pd.DataFrame(), {"wide": {}}, {})
    assert (judged.answer, judged.why) == ("open", "not run at this scale")


def test_the_quick_run_is_the_whole_one_with_less():
    written = record.parse(WRITTEN)
    whole, quick = written.as_classic(quick=False), written.as_classic(quick=True)
    assert (whole.data, whole.baseline, set(whole.variants)) == (
        "mnist",
        {"train.epochs": 10},
        {"wide", "wider"},
    )
    assert (quick.data, quick.baseline, set(quick.variants)) == (
        "mnist",
        {"train.epochs": 2},
        {"wide"},
    )
    assert whole.seeds == quick.seeds == (0, 1, 2)
    assert written.model_copy(update={"classic": None}).as_classic(quick=True) is None


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"says": "so", "of": "wide"}, "a `change` against the baseline, or a `value`"),
        ({"says": "so", "of": "wide", "change": "more"}, "classic.claims.0.change"),
        ({"says": "so", "of": "narrow", "change": "lower"}, "no variant 'narrow'"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(claim, said):
    document = {**WRITTEN, "classic": {**WRITTEN["classic"], "claims": [claim]}}
    with pytest.raises(AtlasError, match=said):
        record.parse(document).as_classic(quick=False)


@pytest.mark.parametrize("quick", [False, True])
def test_the_shipped_classics_can_be_run(quick):
    shipped = [record.load(name).as_classic(quick) for name in record.names()]
    run = [one for one in shipped if one is not None]
    assert len(run) >= 15
    for one in run:
        assert one.resolved(one.seeds or ())


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (8, "expected such as"),
        ({"number": 1, "of": ["flip"]}, "views.number"),
        ({"number": 4, "of": ["mixup"]}, "mixup mixes images"),
    ],
)
def test_views_that_cannot_be_averaged_are_refused(views, said):
    document = {**WRITTEN, "variants": {"seen thrice": {"views": views}}}
    with pytest.raises(ComparisonError, match=said):
        record.parse({**document, "classic": None}).resolved((0, 1))
