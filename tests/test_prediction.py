import numpy as np
import pytest

from pipeline import models, prediction
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
    assert found.shape == (2, 7, 3)
    for model, probabilities in zip(built, found, strict=True):
        assert probabilities == pytest.approx(model.predict(images, verbose=0), abs=1e-6)


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
