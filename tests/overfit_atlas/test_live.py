"""When a training is ended: planted damage, none, and what the weights given back cost."""

import keras
import numpy as np
import pytest

from overfit_atlas import live
from overfit_atlas.clean_scores import CleanScores
from overfit_atlas.live import Watch
from tests.overfit_atlas.made import turn


def scores(curve, images=400):
    spread = np.random.default_rng(0).exponential(1.0, images)
    return np.asarray(curve)[:, None] * spread / spread.mean()


def test_planted_damage_is_found_where_it_is_and_a_flat_curve_has_none():
    found = Watch("loss").damage(scores(turn(20, 8)))
    assert found.best in (7, 8, 9) and found.probability > 0.95
    assert found.value == pytest.approx(0.55 - 0.05 / 2, abs=0.06)
    flat = Watch("loss").damage(scores(np.full(20, 0.5)))
    assert flat.value == pytest.approx(0, abs=1e-6) and flat.probability < 0.1


def test_no_fit_is_ended_before_the_fifth_epoch_or_below_the_probability_asked_for():
    damaged = live.Damaged(0, 1.0, 0.93)
    assert not Watch("loss").stops(damaged, 4) and Watch("loss").stops(damaged, 5)
    assert not Watch("loss", 0.95).stops(damaged, 9)
    with pytest.raises(ValueError, match="stop_when: got 'lost'"):
        Watch("lost")
    with pytest.raises(ValueError, match="stop_at: got 9"):
        Watch("loss", 9)


def test_a_net_that_overfits_is_ended_and_has_the_weights_of_its_best_epoch(capsys):
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 8), np.float32), rng.integers(0, 2, 60)
    x_val, y_val = rng.random((100, 8), np.float32), rng.integers(0, 2, 100)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8,)), keras.layers.Dense(128, "relu"), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    clean = CleanScores(x, y, x_val, y_val, stop_when="loss", live=True)
    model.fit(x, y, epochs=60, verbose=0, callbacks=[clean])
    stopped = clean.stopped
    assert stopped is not None and 5 <= stopped.epoch < 60
    assert stopped.best_epoch <= stopped.epoch and stopped.damaged.probability >= 0.9
    says = model.predict(x_val, verbose=0)
    loss = -np.log(says[np.arange(100), y_val]).mean()
    kept = clean.fit.series("val", "loss")[stopped.best_epoch - 1]
    assert loss == pytest.approx(kept, rel=1e-3)
    printed = capsys.readouterr().out
    assert f"Stopped after epoch {stopped.epoch}" in printed
    assert "give up" in printed and "%" in printed


def test_the_price_is_what_another_epoch_would_have_given():
    assert live.price(np.array([3.0, 1.0, 2.0]), 2, 1) == pytest.approx(1.0)
    assert live.price(np.array([3.0, 1.0, 2.0]), 1, 1) == 0
