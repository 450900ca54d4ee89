import numpy as np
import pytest

from pipeline import models, prediction
from pipeline.models.ensemble import combine
from pipeline.models.temperature import raw, tempered
from pipeline.params import Dense
from pipeline.training.export import keras_bytes

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def built():
    return [models.build("dense", Dense(units=(4,)), SHAPE, 3, seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def paths(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for seed, model in enumerate(built):
        (folder / f"{seed}.keras").write_bytes(keras_bytes(model))
    return [folder / f"{seed}.keras" for seed in (0, 1)]


def test_each_seed_predicts_as_keras_does_whatever_the_batch(built, paths):
    images = np.random.default_rng(0).integers(0, 256, (7, *SHAPE)).astype(np.uint8)
    [found] = prediction.of_seeds(paths, [images], batch=3)
    assert found.logits.shape == (2, 7, 3)
    assert found.temperatures.tolist() == [1, 1]
    for model, probabilities in zip(built, found.probabilities, strict=True):
        assert probabilities == pytest.approx(model.predict(images, verbose=0), abs=1e-6)


def test_what_models_share_sees_each_image_once(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (7, *SHAPE)).astype(np.uint8)
    model = models.build("dense", Dense(units=(4, 5)), SHAPE, 3, 0)
    expected, paths = [], [tmp_path / f"{seed}.keras" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        model.get_layer("logits").set_weights([np.full((5, 3), seed), np.arange(3)])
        path.write_bytes(keras_bytes(model))
        expected.append(model.predict(images, verbose=0))
    calls = []
    original = prediction.run
    monkeypatch.setattr(
        prediction, "run", lambda call, array, batch: calls.append(array) or original(call, array)
    )
    [found] = prediction.of_seeds(paths, [images])
    assert [array.shape for array in calls] == [images.shape, (7, 5), (7, 5)]
    for probabilities, its in zip(found.probabilities, expected, strict=True):
        assert probabilities == pytest.approx(its, abs=1e-6)


def test_models_that_share_all_weights_or_skip_around_are_predicted_whole(tmp_path):
    import keras

    images = np.random.default_rng(0).integers(0, 256, (7, *SHAPE)).astype(np.uint8)
    inputs = keras.Input(SHAPE, dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    hidden = keras.layers.Dense(4)(flat)
    own = keras.layers.Dense(4, name="own")(hidden)
    logits = keras.layers.Dense(3, name="logits")(keras.layers.add([hidden, own]))
    model = keras.Model(inputs, keras.layers.Softmax()(logits))
    expected, paths = [], [tmp_path / f"{seed}.keras" for seed in (0, 0, 1)]
    for seed, path in zip((0, 0, 1), paths, strict=True):
        model.get_layer("own").set_weights([np.full((4, 4), seed), np.arange(4)])
        path.write_bytes(keras_bytes(model))
        expected.append(model.predict(images, verbose=0))
    for chosen in (slice(0, 2), slice(0, 3)):
        [found] = prediction.of_seeds(paths[chosen], [images])
        for probabilities, its in zip(found.probabilities, expected[chosen], strict=True):
            assert probabilities == pytest.approx(its, abs=1e-6)


def test_a_delivered_model_carries_its_temperature_and_members_of_an_ensemble_do(built, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (7, *SHAPE)).astype(np.uint8)
    paths = [tmp_path / f"{seed}.keras" for seed in (0, 1)]
    for path, model, divisor in zip(paths, built, (2.5, 0.5), strict=True):
        path.write_bytes(keras_bytes(tempered(model, divisor)))
    [found] = prediction.of_seeds(paths, [images])
    assert found.temperatures == pytest.approx([2.5, 0.5])
    loaded = [prediction.load(path) for path in paths]
    for model, plain, divided in zip(loaded, built, found.probabilities, strict=True):
        assert model.predict(images, verbose=0) == pytest.approx(divided, abs=1e-6)
        assert raw(model).predict(images, verbose=0) == pytest.approx(
            plain.predict(images, verbose=0), abs=1e-6
        )
        assert (divided.argmax(-1) == plain.predict(images, verbose=0).argmax(-1)).all()
    mean = combine(loaded).predict(images, verbose=0)
    assert mean == pytest.approx(found.probabilities.mean(0), abs=1e-6)


def test_equal_models_are_equal_files():
    made = [models.build("dense", Dense(units=(4,), dropout=0.5), SHAPE, 3, 5) for _ in range(2)]
    assert keras_bytes(made[0]) == keras_bytes(made[1])


def test_a_file_with_code_in_it_is_refused(tmp_path):
    import keras

    path = tmp_path / "hostile.keras"
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs)).save(path)
    with pytest.raises(ValueError, match="[Ll]ambda"):
        prediction.load(path)
