"""Rates of dropout as variables: the numbers of Keras' own layers, and no other net mixed in."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline import models
from pipeline.params import Dense, EfficientNet
from pipeline.training import session
from pipeline.training.dropout import Rates, structure
from pipeline.training.task import FitTask
from tests.fits import dense_task

RATES = 0.1, 0.3, 0.5, 0.72, 0.9


@pytest.fixture(autouse=True)
def no_programs() -> Iterator[None]:
    session._programs.clear()
    yield
    session._programs.clear()


def dropped(folder: Path, rate: float) -> FitTask:
    return dense_task(folder, epochs=2, seed=3, keep_weights=True, units=(16, 8), dropout=rate)


def test_a_program_taken_over_learns_bit_by_bit_what_keras_layers_learn(
    digits_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = [session.run(dropped(digits_folder, rate)) for rate in RATES]
    assert [fit.num_traces for fit in shared] == [1, 0, 0, 0, 0]

    monkeypatch.setattr(Rates, "variable", nullcontext)
    for rate, fit in zip(RATES, shared, strict=True):
        session._programs.clear()
        plain = session.run(dropped(digits_folder, rate))
        assert plain.history.curves.equals(fit.history.curves)
        assert (plain.best, plain.last) == (fit.best, fit.last)  # files with their rate


def test_without_dropout_it_is_another_net(digits_folder: Path) -> None:
    rates = (0.4, 0.0, 0.2)
    fits = [session.run(dropped(digits_folder, rate)) for rate in rates]
    assert [fit.num_traces for fit in fits] == [1, 1, 0]


@pytest.mark.parametrize("noise_shape", [None, (None, 1, 3)])
def test_a_layer_gives_what_keras_gives(noise_shape: tuple[int | None, ...] | None) -> None:
    def model(rate: float) -> keras.Model:
        inputs = keras.Input((4, 3))
        layer = keras.layers.Dropout(rate, noise_shape=noise_shape, seed=1, name="dropout")
        return keras.Model(inputs, layer(inputs), name="net")

    images = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    own = model(0.2)
    rates = Rates(own)

    @partial(tf.function, autograph=False)
    def graph(inputs: tf.Tensor, training: bool) -> tf.Tensor:
        with rates.variable():
            return own(inputs, training=training)

    for rate in RATES:
        rates.take_over(model(rate))
        np.testing.assert_array_equal(graph(images, False), images)
        own.layers[-1].seed_generator.state.assign([1, 0])
        np.testing.assert_array_equal(graph(images, True), model(rate)(images, training=True))


def test_an_efficientnet_has_its_layers_found() -> None:
    built = [
        models.build("efficientnet", EfficientNet(dropout=rate, weights=None), (32, 32, 3), 10, 0)
        for rate in (0.2, 0.5)
    ]
    assert structure(built[0]) == structure(built[1])
    inside = [layer for layer in built[0].layers if layer.name == "backbone"][0].layers
    dropping = [layer for layer in inside if type(layer) is keras.layers.Dropout]
    assert len(dropping) > 5
    assert len(Rates(built[0])._layers) == 1 + len(dropping)


def test_what_reads_its_rate_in_its_own_way_is_no_such_layer() -> None:
    class Own(keras.layers.Dropout):
        pass

    def model(rate: float) -> keras.Model:
        inputs = keras.Input((4,))
        return keras.Model(inputs, Own(rate, name="own")(inputs), name="net")

    assert Rates(model(0.5))._layers == []
    assert structure(model(0.5)) != structure(model(0.4))


def test_a_rate_inside_a_wrapper_is_not_shared() -> None:
    def model(rate: float) -> keras.Model:
        inputs = keras.Input((4, 3))
        dropout = keras.layers.Dropout(rate, name="inner")
        return keras.Model(inputs, keras.layers.TimeDistributed(dropout, name="outer")(inputs))

    assert structure(model(0.5)) != structure(model(0.4))


def test_nets_without_names_share_a_program_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(section: Dense, shape: tuple[int, int, int], num_classes: int) -> keras.Model:
        inputs = keras.Input(shape)
        flat = keras.layers.Flatten()(inputs)
        inner = keras.Sequential([keras.Input(flat.shape[1:]), keras.layers.Dense(4)])
        dropped = keras.layers.Dropout(section.dropout)(inner(flat) + 1.0)
        return keras.Model(inputs, keras.layers.Dense(num_classes)(dropped))

    monkeypatch.setattr("pipeline.models.dense.build", build)
    monkeypatch.delattr("pipeline.models.dense.num_parameters")
    built = [
        models.build("dense", Dense(dropout=rate), (2, 2, 1), 3, seed)
        for seed, rate in enumerate((0.1, 0.7))
    ]
    assert structure(built[0]) == structure(built[1])
    assert built[0].layers[-2].rate == 0.1


def test_a_layer_that_is_used_twice_is_changed_once() -> None:
    dropout = keras.layers.Dropout(0.5, name="dropout")
    inner = keras.Sequential([keras.Input((3,)), dropout])
    inputs = keras.Input((3,))
    model = keras.Model(inputs, dropout(inner(inputs)))
    rates = Rates(model)
    assert len(rates._layers) == 1
    with rates.variable():
        pass


def test_a_fit_that_goes_on_has_its_own_rate(digits_folder: Path, tmp_path: Path) -> None:
    task = replace(dropped(digits_folder, 0.5), checkpoints=tmp_path)
    whole = session.run(dropped(digits_folder, 0.5))

    class Killed(Exception):
        pass

    def kill(_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        session.run(task, kill)
    session.run(dropped(digits_folder, 0.1))
    assert session.run(task).history.curves.equals(whole.history.curves)
