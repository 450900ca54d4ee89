"""CleanScores on real images: fits whose truth is known."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from overfit_atlas import live
from overfit_atlas.clean_scores import CleanScores
from overfit_atlas.keras_outputs import how_made
from overfit_atlas.rules import Rules
from overfit_atlas.scoring.fits import InvalidFit

DIGITS = load_digits()
ORDER = np.random.default_rng(0).permutation(len(DIGITS.target))
X = (DIGITS.data / 16).astype(np.float32)[ORDER]
Y = DIGITS.target[ORDER]
X_VAL, Y_VAL = X[:400], Y[:400]
X_TRAIN, Y_TRAIN = X[400:1000], Y[400:1000]


def net(width=32, activation="softmax", dropout=0.0, l2=0.0, rate=1e-2, from_logits=False):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(width, "relu", kernel_regularizer=keras.regularizers.L2(l2)),
            layers.Dropout(dropout),
            layers.Dense(10, activation),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def fitted(model, train, val, epochs, batch_size=64, keras_val=None, **more):
    clean = CleanScores(*train, *val, **more)
    history = model.fit(
        *train,
        validation_data=keras_val,
        epochs=epochs,
        batch_size=batch_size,
        verbose=0,
        callbacks=[clean],
    )
    return clean, history.history


@pytest.fixture(scope="module")
def dropped():
    model = net(dropout=0.5, l2=1e-3)
    val = X_VAL, Y_VAL
    return model, *fitted(model, (X_TRAIN, Y_TRAIN), val, epochs=4, keras_val=val)


def test_clean_val_loss_is_keras_own_less_the_penalty(dropped):
    _, clean, keras_history = dropped
    history = clean.fit
    shown = history.series("val", "loss") + history.series("running", "penalty")
    assert shown == pytest.approx(keras_history["val_loss"], abs=1e-5)
    assert history.series("val", "accuracy") == pytest.approx(keras_history["val_accuracy"])
    assert history.series("running", "loss") == pytest.approx(keras_history["loss"])
    assert (history.series("running", "penalty") > 0).all()
    assert history.series("running", "learning_rate") == pytest.approx([0.01] * 4)


def test_dropout_makes_the_keras_gap_differ_from_the_clean_one(dropped):
    _, clean, keras_history = dropped
    found = clean.judge()
    shown = keras_history["val_loss"][-1] - keras_history["loss"][-1]
    assert found.running_gap() == pytest.approx(shown, abs=1e-5)
    assert found.estimate("gap/loss").value > shown + 0.1


def test_the_scores_are_those_of_the_weights_after_the_epoch(dropped):
    model, clean, _ = dropped
    probabilities = model.predict(X_VAL, verbose=0)
    losses = -np.log(probabilities[np.arange(400), Y_VAL])
    assert clean.fit.per_image.val_loss[-1] == pytest.approx(losses, rel=2e-3, abs=1e-3)
    assert (clean.fit.per_image.val_predicted[-1] == probabilities.argmax(-1)).all()


def test_the_page_of_a_fit_is_saved(dropped, tmp_path):
    dropped[1].save_page(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"mistakes":[[[' in page  # the classes said at each epoch, as the slider shows them
    assert '"gallery":null' in page  # what this net takes is no image


def test_the_probe_is_a_twentieth_but_two_hundred_and_as_mixed_as_train():
    clean = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL)
    counts = np.bincount(clean._labels["probe"])
    assert counts.sum() == 200
    assert counts == pytest.approx(np.bincount(Y_TRAIN) * 200 / 600, abs=1)
    many = np.zeros((8000, 4), np.float32), np.arange(8000) % 10
    assert len(CleanScores(many, (many[0][:1000], many[1][:1000]))._labels["probe"]) == 400
    small = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL, probe_size=10**6)
    assert len(small._labels["probe"]) == 600


def test_random_labels_are_learned_by_heart_and_the_sentence_names_the_labels():
    rng = np.random.default_rng(0)
    train = X_TRAIN[:150], rng.integers(0, 10, 150)
    val = X_VAL, rng.integers(0, 10, 400)
    clean, _ = fitted(net(512, rate=2e-2), train, val, epochs=45, batch_size=50)
    found = clean.judge()
    assert (found.verdict, found.kind) == ("overfit", "by heart")
    assert found.why().key == "verdict.why.overfit_by_heart_labels"
    assert "labels" in found.why().text("en") and "ラベル" in found.why().text("ja")
    assert found.estimate("gap/accuracy").value == pytest.approx(1 - 1 / 10, abs=0.05)


def test_a_copy_of_the_training_images_is_no_validation():
    copy = X_TRAIN[:400], Y_TRAIN[:400]
    clean, _ = fitted(net(), copy, copy, epochs=8, probe_size=400)
    found = clean.judge()
    assert found.estimate("gap/loss").value == pytest.approx(0, abs=1e-3)
    assert (found.verdict, found.kind) == ("data", "copies")
    assert "100.0%" in found.why().text("en")


def test_a_wide_net_on_a_hundred_images_overfits():
    few = X_TRAIN[:100], Y_TRAIN[:100]
    clean, _ = fitted(net(512, rate=2e-2), few, (X_VAL, Y_VAL), epochs=30, batch_size=50)
    found = clean.judge()
    assert found.verdict == "overfit"
    assert found.onset["loss"].status == "confirmed"
    assert "overfit" in clean.report() and "過学習" in clean.report("ja")


def test_a_net_of_width_one_underfits():
    rules = Rules(target_accuracy=0.9)
    clean, _ = fitted(net(1), (X_TRAIN, Y_TRAIN), (X_VAL, Y_VAL), epochs=8, rules=rules)
    found = clean.judge()
    assert found.verdict == "underfit"
    assert found.estimate("gap/accuracy").includes_zero


@pytest.mark.parametrize(
    ("activation", "declared", "given"),
    [("softmax", False, None), (None, True, None), (None, False, True), (None, None, None)],
)
def test_logits_and_probabilities_give_the_same_scores(activation, declared, given):
    model = net(activation=activation, from_logits=bool(declared))
    if declared is None:
        model.compile("adam", "sparse_categorical_crossentropy")
    clean = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL, from_logits=given)
    clean.set_model(model)
    clean.on_epoch_end(0)
    reference = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL)
    reference.set_model(net())
    reference.on_epoch_end(0)
    found, expected = (one.fit.series("val", "loss")[0] for one in (clean, reference))
    assert found == pytest.approx(expected, rel=1e-5)


def test_one_hot_labels_are_the_same_as_class_numbers():
    hot = keras.utils.to_categorical
    clean = CleanScores(X_TRAIN, hot(Y_TRAIN), X_VAL, Y_VAL[:, None])
    assert np.array_equal(clean._labels["val"][:, 0], Y_VAL)
    plain = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL)
    assert np.array_equal(clean._labels["probe"].argmax(1), plain._labels["probe"])


def test_a_sigmoid_is_a_model_of_two_classes():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    odd = Y_VAL % 2
    clean = CleanScores(X_VAL, odd, X_VAL, odd)
    clean.set_model(model)
    clean.on_epoch_end(0)
    says = model.predict(X_VAL, verbose=0)[:, 0]
    expected = -np.log(np.where(odd == 1, says, 1 - says)).mean()
    assert clean.fit.series("val", "loss")[0] == pytest.approx(expected, rel=1e-5)
    assert clean.facts.majority == pytest.approx(max(odd.mean(), 1 - odd.mean()))


def test_inputs_may_be_a_dict_of_arrays():
    first, second = keras.Input((32,), name="left"), keras.Input((32,), name="right")
    joined = keras.layers.Concatenate()([first, second])
    model = keras.Model([first, second], keras.layers.Dense(10, "softmax")(joined))
    model.compile("adam", "sparse_categorical_crossentropy")

    def halves(x):
        return {"left": x[:, :32], "right": x[:, 32:]}

    clean = CleanScores(halves(X_TRAIN), Y_TRAIN, halves(X_VAL), Y_VAL)
    clean.set_model(model)
    clean.on_epoch_end(0)
    assert clean.fit.per_image.val_loss.shape == (1, 400)


def test_a_second_fit_begins_anew():
    model = net(4)
    clean = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL)
    for epochs in (2, 1):
        model.fit(X_TRAIN, Y_TRAIN, epochs=epochs, batch_size=600, verbose=0, callbacks=[clean])
    assert clean.fit.num_epochs == 1
    assert len(clean.curves) == 3
    assert [len(fits) for fits in clean.fits.values()] == [1, 1]
    assert [name.endswith("continued") for name in clean.fits] == [False, True]


def test_equal_nets_are_seeds_of_one_model_and_others_its_siblings():
    clean = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL)
    for width in (1, 1, 64):
        model = net(width, rate=0.03)
        model.fit(X_TRAIN, Y_TRAIN, epochs=40, batch_size=200, verbose=0, callbacks=[clean])
    small, large = clean.fits
    assert [len(fits) for fits in clean.fits.values()] == [2, 1]
    made = clean.judge(small)
    assert (made.verdict, made.kind, made.sibling) == ("underfit", "too simple", large)
    assert set(clean.to_frame()["model"]) == {small, large}
    assert "too simple" in clean._repr_html_()


def test_nets_are_seeds_only_where_they_are_made_and_compiled_alike():
    first = how_made(net(4))
    keras.utils.set_random_seed(1)
    assert how_made(net(4)) == first  # of other names and another seed
    for other in (net(4, dropout=0.5), net(4, l2=0.1), net(4, rate=0.1), net(5)):
        assert how_made(other) != first


def test_a_net_that_keras_cannot_describe_goes_by_its_weights():
    class Own(keras.Model):
        def __init__(self, made):
            super().__init__()
            self.made = made

        def call(self, inputs):
            return self.made(inputs)

        def get_config(self):
            raise NotImplementedError

    assert how_made(Own(net(4))) == how_made(Own(net(4, dropout=0.5)))
    assert how_made(Own(net(4))) != how_made(Own(net(5)))


def test_the_line_after_each_epoch_says_which_way_validation_goes():
    loss = [3, 2, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9]
    accuracy = np.linspace(0.1, 0.9, 12)
    said = live.line(loss, accuracy, 1)
    assert said == "epoch 12: val loss rising since epoch 3, val accuracy still rising"
    assert "エポック 3 から上がっている" in live.line(loss, accuracy, 1, "ja")


def test_a_loss_that_is_not_finite_is_recorded_and_not_judged():
    model = net(4)
    model.set_weights([np.full_like(one, np.nan) for one in model.get_weights()])
    clean = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL)
    clean.set_model(model)
    clean.on_epoch_end(0)
    assert clean.fit.failed == "epoch 1: the loss is not finite"
    assert clean.judge().verdict == "undetermined"


def test_before_the_first_epoch_there_is_nothing_to_say():
    with pytest.raises(InvalidFit, match="no epoch yet"):
        CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL).report()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X_TRAIN[:5], Y_TRAIN[:6], "for 6 labels"),
        (X_TRAIN[:5], np.zeros((5, 2, 2)), r"labels of shape \(5, 2, 2\)"),
        (X_TRAIN[:0], Y_TRAIN[:0], "labels of shape"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(x, y, message):
    with pytest.raises(InvalidFit, match=message):
        CleanScores(x, y, X_VAL, Y_VAL)


def test_mlflow_gets_curves_metrics_and_verdict_beside_what_autolog_logs(tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    try:
        mlflow.keras.autolog(log_models=False, log_datasets=False, silent=True)
        with mlflow.start_run() as run:
            clean, _ = fitted(
                net(4), (X_TRAIN, Y_TRAIN), (X_VAL, Y_VAL), epochs=2, log_to_mlflow=True
            )
        client = mlflow.MlflowClient()
        logged = client.get_run(run.info.run_id)
        steps = client.get_metric_history(run.info.run_id, "val/loss")
    finally:
        mlflow.keras.autolog(disable=True, silent=True)
        mlflow.set_tracking_uri(before)
    assert "loss" in logged.data.metrics and logged.info.status == "FINISHED"  # autolog's
    assert [one.step for one in steps] == [1, 2]
    assert [one.value for one in steps] == pytest.approx(clean.fit.series("val", "loss"))
    assert logged.data.tags["verdict"] == "undetermined"
    assert logged.data.metrics["gap/loss"] == pytest.approx(clean.judge().metrics()["gap/loss"])


def test_mlflow_without_a_run_is_refused_before_training():
    from overfit_atlas.active_run import NoRun

    clean = CleanScores(X_TRAIN, Y_TRAIN, X_VAL, Y_VAL, log_to_mlflow=True)
    with pytest.raises(NoRun, match="no MLflow run is active"):
        clean.on_train_begin()


EXAMPLE = """
import keras
from overfit_atlas import live
from overfit_atlas.clean_scores import CleanScores

model = keras.Sequential([keras.layers.Dense(64, "relu"), keras.layers.Dense(10, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
clean = CleanScores(x_train, y_train, x_val, y_val)
model.fit(x_train, y_train, validation_data=(x_val, y_val), epochs=10, callbacks=[clean])
print(clean.report())
"""


def test_the_example_of_ten_lines_runs(capsys):
    names = {"x_train": X_TRAIN[:100], "y_train": Y_TRAIN[:100], "x_val": X_VAL, "y_val": Y_VAL}
    assert len(EXAMPLE.strip().splitlines()) <= 10
    exec(EXAMPLE.replace("epochs=10", "epochs=8, verbose=0"), names)
    assert "How wide is the gap?" in capsys.readouterr().out
