import numpy as np
import pandas as pd
import pytest

from benchmarks.map import judging, pool, report
from benchmarks.truth.images import Images
from overfit_atlas.rules import Rules

DESIGN = pool.Design(
    num_sets=2, num_images=100, widths=(2, 8), dropouts=(0.0, 0.5), epochs=6, num_unseen=50,
    num_watched=20,
)  # fmt: skip


@pytest.fixture(scope="module")
def dealt():
    """Ten classes of images of 4 x 4 pixels that differ by one bright place."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 40)
    pixels = generator.integers(0, 120, (len(labels), 16)).astype(np.uint8)
    pixels[np.arange(len(labels)), labels] = 255
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool.images, "read", lambda *_: Images(pixels, labels, 300))
        patch.setattr(pool, "POOLING", 1)
        return pool._dealt.__wrapped__(DESIGN, None)


@pytest.fixture(scope="module")
def fitted(dealt):
    return {point: pool.fit(DESIGN, dealt, point) for point in DESIGN.points}


def test_no_image_is_of_two_data_sets_or_seen_before_it_is_scored_as_unseen(dealt):
    own = dealt.folds.ravel()
    assert len(set(own)) == len(own) == 2 * 100
    assert set(own).isdisjoint(dealt.unseen.ravel()) and dealt.unseen.shape == (2, 50)
    for number in range(2):
        for fold in range(pool.NUM_FOLDS):
            train = dealt.train(number, fold)
            assert set(train).isdisjoint(dealt.folds[number, fold])
            assert set(dealt.probe(number, fold)) < set(train)
            assert (np.bincount(dealt.labels[dealt.folds[number, fold]]) == 2).all()


def test_wide_nets_learn_more(fitted):
    losses = {point: one.probe_loss[..., -1, :].mean() for point, one in fitted.items()}
    assert losses[8, 0.0] < losses[2, 0.0] < 2.4
    assert fitted[8, 0.0].val_loss.shape == (2, 5, 6, 20)


def test_the_truth_of_a_point_is_the_mean_of_the_other_data_sets(fitted):
    fits = fitted[8, 0.0]
    truth = judging._truth(fits, [1], Rules(num_draws=100))
    gap = fits.unseen_loss[1].mean() - fits.probe_loss[1, :, -1].astype(float).mean()
    assert truth.values["gap/loss"] == pytest.approx(gap, rel=1e-5)
    assert truth.values["val/accuracy"] == pytest.approx(1 - fits.truth[1, :, 1, -1].mean())


def test_the_true_start_is_where_the_gap_crosses():
    design = pool.Design(widths=(2, 4, 8), dropouts=(0.0,))
    gaps = {(2, 0.0): 0.1, (4, 0.0): 0.2, (8, 0.0): 0.4}
    assert judging._true_start(design, gaps, 0.2) == pytest.approx(4)
    assert judging._true_start(design, gaps, 0.05) == 0
    assert judging._true_start(design, gaps, 0.5) == np.inf


def test_an_end_beyond_the_widths_is_no_end():
    rows = [
        ("from a width", 4.0, 16.0, 8.0, True),
        ("from a width", 4.0, 16.0, 20.0, False),
        ("from a width", np.nan, np.nan, 20.0, True),
        ("at no width", np.nan, np.nan, 20.0, False),
        ("at no width", 16.0, np.nan, np.inf, True),
        ("at every width", np.nan, 4.0, 8.0, False),
        ("at every width", np.nan, 4.0, 0.0, True),
    ]
    table = pd.DataFrame(rows, columns=["reach", "low", "high", "true_start", "covered"])
    assert report.covered(table).tolist() == table["covered"].tolist()


def test_maps_are_judged_and_reported(fitted, monkeypatch):
    monkeypatch.setattr(pool, "read", lambda *_: fitted)
    asked = judging.Asked(Rules(num_draws=100, num_resamples=100), None, maps_a_set=1)
    rows = [row for number in range(2) for row in judging._of_set(DESIGN, asked, number)]
    assert len(rows) == 2 * 4
    ends = dict.fromkeys(["start", "low", "high"], float)
    said = report.tables(pd.DataFrame(rows).astype(ends))
    assert "2 maps of 4 points, drawn from the fits of 2 data sets" in said
