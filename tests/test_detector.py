"""The detector's promises, on fewer synthetic histories than `benchmarks/detector.py` takes."""

import pytest

from benchmarks import detector


@pytest.fixture(scope="module")
def rows():
    return detector.measured(cases=4, first_seed=500)


def share(rows, name, truth=None, clear=False):
    chosen = rows[rows["detector"] == name]
    chosen = chosen[chosen["clear"]] if clear else chosen[chosen["truth"] == truth]
    assert len(chosen) >= 10
    return (chosen["verdict"] == "overfit").mean()


def errors(rows, name):
    chosen = rows[(rows["detector"] == name) & rows["clear"]]
    return sorted(abs(error) for found in chosen["errors"] for error in found)


def test_a_good_fit_is_seldom_called_overfit(rows):
    assert share(rows, detector.FULL, "good fit") <= 0.05
    assert share(rows, "patience 5", "good fit") > 0.3


def test_a_clear_overfit_is_seldom_missed(rows):
    assert share(rows, detector.FULL, clear=True) >= 0.9


def test_the_onset_is_found_within_two_epochs_in_the_median(rows):
    found = errors(rows, detector.FULL)
    assert len(found) >= 20
    assert found[len(found) // 2] <= 2


def test_the_tables_hold_every_history(rows):
    assert detector.confusion(rows).to_numpy().sum() == 4 * len(detector.synthetic.KINDS)
    said = detector.markdown(rows)
    assert f"{4 * len(detector.synthetic.KINDS)} synthetic histories" in said
    for name in (detector.FULL, detector.KERAS_ONLY, "patience 5", "GL_2"):
        assert name in said
