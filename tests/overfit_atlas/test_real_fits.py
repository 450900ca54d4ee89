"""The judgement on fits of real images: what a reader of the curves sees, it must see.

`fits/cnn.npz` holds five seeds of the default CNN, 20 epochs: losses of 400 images of each split in
hundredths of a nat, and which of them are classified correctly, packed to bits.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.facts import Facts
from overfit_atlas.judgement import judge
from overfit_atlas.scoring.fits import Fit, PerImage

FITS = Path(__file__).parent / "fits"


@pytest.fixture(scope="module")
def cnn():
    with np.load(FITS / "cnn.npz") as stored:
        known = dict(stored)
    return [_history(known, seed) for seed in range(len(known["val_loss"]))]


def _history(known, seed):
    arrays, tables = {}, []
    for split in ("val", "probe"):
        loss = known[f"{split}_loss"][seed] / np.float32(100)
        correct = np.unpackbits(known[f"{split}_correct"][seed], axis=-1).astype(bool)
        sure = np.where(correct, np.exp(-loss), 0.5)
        arrays |= {f"{split}_loss": loss, f"{split}_correct": correct, f"{split}_confidence": sure}
        columns = {"loss": loss.mean(1), "accuracy": correct.mean(1), "ece": 0.1}
        epochs = np.arange(1, len(loss) + 1)
        tables.append(pd.DataFrame({"seed": seed, "epoch": epochs, "split": split, **columns}))
    return Fit(pd.concat(tables, ignore_index=True), PerImage(**arrays), seed)


def judged(fits):
    return judge("cnn", fits, facts=Facts((0.1,) * 10, 10, 400))


def test_a_cnn_whose_validation_loss_turns_round_is_overfit(cnn):
    found = judged(cnn)
    onset, damage = found.onset["loss"], found.damage["loss"]
    assert (found.verdict, onset.status) == ("overfit", "confirmed")
    assert found.plainly
    assert 8 <= onset.epoch <= 10
    assert onset.low <= 8 and onset.high < 20
    assert damage.low > 0 and damage.probability > 0.9
    assert damage.value > 4 * damage.material


def test_its_curves_alone_tell_as_much(cnn):
    found = judged([Fit(one.curves, None, one.seed) for one in cnn])
    assert found.verdict == "overfit"
    assert found.onset["loss"].status == "confirmed"
    assert found.damage["loss"].low > 0


def test_the_same_fits_stopped_before_they_turn_have_no_onset(cnn):
    def head(one):
        curves = one.curves[one.curves["epoch"] <= 9]
        return Fit(curves, one.per_image.head(9), one.seed)

    found = judged([head(one) for one in cnn])
    assert found.onset["loss"].status != "confirmed"
    assert found.kind not in ("wrong more often", "too sure")


def test_five_seeds_leave_less_doubt_than_two(cnn):
    def doubt(fits):
        damage = judged(fits).damage["loss"]
        return damage.high - damage.low

    pairs = [cnn[first : first + 2] for first in range(4)]
    assert doubt(cnn) < np.mean([doubt(pair) for pair in pairs])
