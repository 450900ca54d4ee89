"""CleanScores with what `fit` takes beside arrays: the same images give the same scores."""

import keras
import numpy as np
import pytest

from overfit_atlas.clean_options import Options
from overfit_atlas.clean_scores import CleanScores
from overfit_atlas.keras_inputs import Seen, Wanted, held, shifted_channel
from overfit_atlas.scoring.fits import InvalidFit

RNG = np.random.default_rng(0)
X, Y = RNG.random((96, 4), np.float32), RNG.integers(0, 3, 96)
X_VAL, Y_VAL = RNG.random((40, 4), np.float32), RNG.integers(0, 3, 40)


def net(outputs=3, activation="softmax", loss="sparse_categorical_crossentropy"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(outputs, activation)])
    model.compile("adam", loss, metrics=["accuracy"])
    return model


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return -(-len(self.x) // 32)

    def __getitem__(self, place):
        part = slice(32 * place, 32 * place + 32)
        return self.x[part], self.y[part]


class Tensor:
    """As torch's: no array until it is detached and on the processor."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    def cpu(self):
        return self.values


class Loader:
    """As torch's DataLoader: lists of tensors."""

    def __init__(self, x, y):
        self.batches = Batches(x, y)

    def __iter__(self):
        return ([Tensor(x), Tensor(y)] for x, y in (self.batches[i] for i in range(len(self))))

    def __len__(self):
        return len(self.batches)


def dataset(x, y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(32)


def endless(x, y):
    while True:
        yield from (Batches(x, y)[place] for place in range(len(Batches(x, y))))


def scored(clean, model=None):
    clean.set_model(model or net())
    clean.on_epoch_end(0)
    return clean.fit.series("val", "loss")[0], clean.fit.series("probe", "loss")[0]


@pytest.mark.parametrize("made", [dataset, Batches, Loader, lambda *both: both])
def test_every_kind_of_data_gives_the_scores_of_its_arrays(made):
    expected = scored(CleanScores(X, Y, X_VAL, Y_VAL, probe_size=96))
    found = scored(CleanScores(made(X, Y), made(X_VAL, Y_VAL), probe_size=96))
    assert found == pytest.approx(expected, rel=1e-6)


def test_data_without_an_end_need_steps():
    with pytest.raises(InvalidFit, match=r"may have no end.*train_steps"):
        CleanScores(endless(X, Y), endless(X_VAL, Y_VAL))
    steps = {"train_steps": 3, "val_steps": 2, "probe_size": 96}
    clean = CleanScores(lambda: endless(X, Y), endless(X_VAL, Y_VAL), **steps)
    assert scored(clean) == pytest.approx(scored(CleanScores(X, Y, X_VAL, Y_VAL, probe_size=96)))


def test_more_than_fits_into_memory_is_a_random_part():
    found = held(Batches(X, Y), Wanted(bytes=10 * X[:1].nbytes))
    assert len(found.labels) == 10 and found.seen.num_images == 96
    assert all((one == X).all(1).any() for one in found.images)
    assert not np.array_equal(found.images, X[:10])


def test_weights_of_zero_leave_images_out_and_others_weigh_the_loss_in_the_logs():
    weights = np.r_[np.zeros(10), np.full(20, 1.0), np.full(10, 3.0)]
    clean, model, logs = CleanScores((X, Y), (X_VAL, Y_VAL, weights)), net(), {"accuracy": 0.5}
    clean.set_model(model)
    clean.on_epoch_end(0, logs)
    losses = -np.log(model.predict(X_VAL, verbose=0)[np.arange(40), Y_VAL])
    assert logs["val_loss"] == pytest.approx(np.average(losses, weights=weights), rel=1e-5)
    assert clean.fit.series("val", "loss")[0] == pytest.approx(losses[10:].mean(), rel=1e-5)


def test_one_of_several_outputs_is_judged():
    inputs = keras.Input((4,))
    heads = {
        "kind": keras.layers.Dense(3, "softmax", name="kind")(inputs),
        "side": keras.layers.Dense(1, "sigmoid", name="side")(inputs),
    }
    model = keras.Model(inputs, heads)
    losses = {"kind": "sparse_categorical_crossentropy", "side": "binary_crossentropy"}
    model.compile("adam", losses, metrics={"kind": ["accuracy"], "side": ["accuracy"]})
    train, val = ({"kind": y, "side": (y == 1) * 1.0} for y in (Y, Y_VAL))
    with pytest.raises(InvalidFit, match=r"several outputs \['kind', 'side'\]"):
        CleanScores(X, train, X_VAL, val)
    clean = CleanScores(X, train, X_VAL, val, output="side")
    shown = model.fit(X, train, epochs=1, verbose=0, callbacks=[clean]).history
    says = model.predict(X_VAL, verbose=0)["side"][:, 0]
    expected = -np.log(np.where(Y_VAL == 1, says, 1 - says)).mean()
    assert shown["val_loss"] == shown["val_side_loss"] == [pytest.approx(expected, rel=1e-5)]
    assert "val_side_accuracy" in shown and "val_kind_accuracy" not in shown


def test_several_marks_are_scored_as_keras_scores_them():
    marks = (RNG.random((40, 5)) < 0.4).astype(np.float32)
    marks[0] = 1
    for activation, loss in (
        ("sigmoid", "binary_crossentropy"),
        (None, keras.losses.BinaryCrossentropy(from_logits=True)),
    ):
        model = net(5, activation, loss)
        clean = CleanScores(X[:40], marks, X_VAL, marks)
        found = scored(clean, model)[0]
        shown = model.evaluate(X_VAL, marks, verbose=0)[0]
        assert found == pytest.approx(shown, rel=1e-5)
        says = model.predict(X_VAL, verbose=0) > (0.5 if activation else 0)
        right = (says == (marks > 0.5)).all(1).mean()
        assert clean.fit.series("val", "accuracy")[0] == pytest.approx(right)
        share = marks.mean(0)
        entropy = -(share * np.log(share) + (1 - share) * np.log1p(-share)).mean()
        assert clean.facts.entropy == pytest.approx(entropy, rel=1e-5)
        assert np.isfinite(clean.fit.series("val", "calibrated_loss")).all()


def test_half_precision_rounds_no_probability_to_certainty():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = net()
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights([np.full((4, 3), [900, 0, 0], np.float32), np.zeros(3, np.float32)])
    clean = CleanScores(X, Y, X_VAL, np.ones(40, int))
    assert scored(clean, model)[0] == pytest.approx(-np.log(2.0**-24), rel=1e-3)


def test_an_augmenting_generator_is_refused():
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    images = RNG.random((8, 6, 6, 1))
    turned = ImageDataGenerator(rotation_range=20).flow(images, np.arange(8) % 2)
    plain = ImageDataGenerator().flow(images, np.arange(8) % 2, shuffle=False)
    with pytest.raises(InvalidFit, match="augments .rotation_range."):
        CleanScores(turned, plain)
    assert len(held(plain, Wanted()).labels) == 8


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (3, "got a int; give arrays"),
        ((X, None), "no labels"),
        ([], "got a list|no image"),
        (iter([(X, Y[:5])]), "may have no end"),
    ],
)
def test_what_fit_does_not_take_is_refused(data, said):
    with pytest.raises(InvalidFit, match=said):
        held(data, Wanted())


def test_labels_beyond_the_outputs_and_unknown_options_are_refused():
    with pytest.raises(InvalidFit, match="labels from 1 to 3, but the model has 3 classes"):
        scored(CleanScores(X, Y % 3 + 1, X_VAL, Y_VAL % 3 + 1))
    with pytest.raises(InvalidFit, match="no option name='stop'"):
        CleanScores(X, Y, X_VAL, Y_VAL, stop=True)


def test_channels_that_differ_between_train_and_val_are_seen():
    images = RNG.integers(0, 256, (60, 5, 5, 3)).astype(np.float32)
    train, same, scaled = Seen(), Seen(), Seen()
    for seen, of in ((train, images[:30]), (same, images[30:]), (scaled, images[30:] / 255)):
        seen.look(of)
    assert shifted_channel(train, same) is None
    found = shifted_channel(train, scaled)
    assert found is not None and found[0] > 100 and found[1] < 1


def test_callbacks_after_it_see_validation():
    clean = CleanScores(X, Y, X_VAL, Y_VAL)
    plateau = keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=9, verbose=0)
    stop = keras.callbacks.EarlyStopping("val_accuracy", patience=2, min_delta=1)
    model = net()
    shown = model.fit(X, Y, epochs=9, verbose=0, callbacks=[clean, plateau, stop]).history
    assert len(shown["val_loss"]) == 3
    assert shown["val_loss"] == pytest.approx(clean.fit.series("val", "loss"))
    assert float(model.optimizer.learning_rate) < 1e-3
    assert shown["val_accuracy"][-1] == pytest.approx(model.evaluate(X_VAL, Y_VAL, verbose=0)[1])


@pytest.mark.parametrize("size", [None, 1000, 600])
def test_of_a_data_set_in_order_of_classes_the_probe_has_every_class_and_no_favourites(size):
    x = np.arange(1000, dtype=np.float32)[:, None]
    y = np.arange(1000) // 100
    found = held(Batches(x, y), Wanted(size=size, least=200, share=1 / 20))
    assert len(found.labels) == 200
    counts = np.bincount(found.labels, minlength=10)
    assert counts.min() >= (20 if size != 600 else 10) and counts.max() <= 30
    places = found.images[:, 0].astype(int)
    assert len(set(places)) == 200 and places.max() > 900
    assert np.median(places % 100) == pytest.approx(50, abs=12)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([0, 0.9, 1], "a label is 0.9, which is no class"),
        ([[0.0], [0.1], [1.0]], "a label is 0.1"),
        ([0, float("nan"), 1], "a label is nan"),
        ([[0, 1], [float("nan"), 0], [1, 0]], "a label is nan"),
        (["cat", "dog", "cat"], "a label is 'cat'; expected class numbers"),
    ],
)
def test_what_would_be_taken_for_another_class_is_refused(given, said):
    images = np.zeros((3, 4), np.float32)
    for data in ((images, np.array(given)), [(images, np.array(given))]):
        with pytest.raises(InvalidFit, match=said):
            held(data, Wanted())


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([0, 0, 0], "no image"),
        ([1, -1, 1], "negative or no number"),
        ([1, float("nan"), 1], "negative or no number"),
        ([1, 1], "weights .2,. for 3 labels"),
    ],
)
def test_weights_that_no_mean_can_be_taken_with_are_refused(weights, said):
    images, labels = np.zeros((3, 4), np.float32), np.arange(3)
    for data in ((images, labels, np.array(weights)), [(images, labels, np.array(weights))]):
        with pytest.raises(InvalidFit, match=said):
            held(data, Wanted())


@pytest.mark.parametrize(
    "option", [{"batch_size": 0}, {"probe_size": -5}, {"val_steps": 0}, {"language": "xx"}]
)
def test_values_that_would_end_the_fit_later_are_refused_before_it(option):
    with pytest.raises(InvalidFit, match=f"CleanScores: {next(iter(option))}="):
        Options.named(option)
