from dataclasses import replace
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from benchmarks.truth import (
    bars,
    fits,
    images,
    judging,
    making,
    measures,
    moments,
    remedies,
    report,
    scores,
    stopping,
    stored,
    summaries,
    tables,
    transfer,
    truths,
)
from benchmarks.truth.__main__ import main
from benchmarks.truth.nets import Convolved, Stack, _kept
from benchmarks.truth.settings import CHANCES, FAMILIES, NUM_FRESH, NUM_JUDGED, PARTS, setting
from overfit_atlas.live import Watch
from overfit_atlas.rules import Rules

MEMBERS = NUM_JUDGED + NUM_FRESH
SHIPPED = resources.files("pipeline.data") / "shipped" / "fashion_mnist_mini.npz"


def tiny(number, **changes):
    """A setting of the report part, small enough for a test."""
    small = {"units": (12,), "num_train": 90, "num_val": 60, "epochs": 4, "num_truth": 400}
    small["pooling"] = 1
    return replace(setting("report", number), **(small | changes))


@pytest.fixture(scope="module")
def shipped():
    with resources.as_file(SHIPPED) as path:
        return images.read("fashion_mnist_mini", path)


@pytest.fixture(scope="module")
def kept(shipped):
    """Two fitted settings, one with dropout and noisy labels."""
    calm = tiny(0, kind="calm", dropout=0.0, label_noise=0.0, optimizer="adam", learning_rate=1e-2)
    return [fits.fit(calm, shipped), fits.fit(replace(calm, dropout=0.4, label_noise=0.4), shipped)]


def numbered(num_images=600, num_train_part=400):
    """Images whose first pixels say which they are."""
    which = np.arange(num_images)
    pixels = np.stack([which // 256, which % 256], axis=1).astype(np.uint8)
    return images.Images(pixels, (which % 10).astype(np.int64), num_train_part)


def identities(side):
    high, low = np.round(side.pixels * 255).astype(int).T
    return high * 256 + low


@pytest.mark.parametrize(
    ("optimizer", "rate", "momentum", "activation", "l2", "smoothing"),
    [
        ("adam", 1e-2, 0.0, "relu", 0.0, 0.0),
        ("adam", 3e-3, 0.0, "tanh", 1e-3, 0.2),
        ("sgd", 5e-2, 0.9, "tanh", 1e-3, 0.0),
        ("rmsprop", 3e-3, 0.0, "sigmoid", 0.0, 0.0),
    ],
)
def test_one_member_of_a_stack_is_the_plain_keras_fit(
    optimizer, rate, momentum, activation, l2, smoothing
):
    import keras

    generator = np.random.default_rng(0)
    pixels, labels = generator.random((100, 30)).astype(np.float32), generator.integers(0, 5, 100)
    recipe = tiny(0, units=(16, 8), optimizer=optimizer, learning_rate=rate, momentum=momentum)
    recipe = replace(recipe, activation=activation, l2=l2, dropout=0.0, num_train=100)
    stack = Stack(recipe, 30, 5, members=3, smoothing=smoothing)
    stack.initialise([recipe.generator(2, member) for member in range(3)])
    penalty = keras.regularizers.L2(l2) if l2 else None
    layers = [
        keras.layers.Dense(units, activation, kernel_regularizer=penalty) for units in (16, 8)
    ]
    plain = keras.Sequential(
        [keras.Input((30,)), *layers, keras.layers.Dense(5, kernel_regularizer=penalty)]
    )
    plain.set_weights(
        [part[1] for layer in stack.layers for part in (layer.kernel, layer.bias[:, 0])]
    )
    known = {"adam": keras.optimizers.Adam(rate), "rmsprop": keras.optimizers.RMSprop(rate)}
    known["sgd"] = keras.optimizers.SGD(rate, momentum=momentum)
    smoothed = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    plain.compile(known[optimizer], smoothed)
    before, of_classes = stack.logits(pixels)[1], np.eye(5, dtype=np.float32)[labels]
    for _ in range(4):
        order = np.stack([generator.permutation(100) for _ in range(3)])
        stack.train_epoch(pixels, labels, order, generator)
        plain.fit(pixels[order[1]], of_classes[order[1]], batch_size=32, shuffle=False, verbose=0)
    found, expected = stack.logits(pixels), np.asarray(plain(pixels))
    assert np.abs(found[1] - before).max() > 0.05
    np.testing.assert_allclose(found[1], expected, atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_one_member_of_a_convolved_stack_is_the_plain_keras_fit():
    import keras

    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (60, 6, 6, 3)).astype(np.uint8)
    labels = generator.integers(0, 4, 60)
    recipe = tiny(0, kind="cnn", units=(5, 7), optimizer="adam", learning_rate=1e-2, num_train=60)
    recipe = replace(recipe, activation="relu", dropout=0.0, l2=1e-3)
    squares = transfer._patches(pictures).astype(np.float32) / 255
    stack = Convolved(recipe, squares.shape[1], 4, members=2)
    stack.initialise([recipe.generator(2, member) for member in range(2)])
    penalty = keras.regularizers.L2(1e-3)
    plain = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(5, 3, activation="relu", kernel_regularizer=penalty),
            keras.layers.AveragePooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(7, "relu", kernel_regularizer=penalty),
            keras.layers.Dense(4, kernel_regularizer=penalty),
        ]
    )
    weights = [part[1] for layer in stack.layers for part in (layer.kernel, layer.bias[:, 0])]
    plain.set_weights([weights[0].reshape(3, 3, 3, 5), *weights[1:]])
    images_of_keras = pictures.astype(np.float32) / 255
    before = stack.logits(squares)[1]
    np.testing.assert_allclose(before, np.asarray(plain(images_of_keras)), atol=1e-5)
    plain.compile(
        keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    for _ in range(3):
        order = np.stack([generator.permutation(60) for _ in range(2)])
        stack.train_epoch(squares, labels, order, generator)
        plain.fit(
            images_of_keras[order[1]], labels[order[1]], batch_size=32, shuffle=False, verbose=0
        )
    found = stack.logits(squares)
    assert np.abs(found[1] - before).max() > 0.05
    np.testing.assert_allclose(found[1], np.asarray(plain(images_of_keras)), atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_transfer_settings_take_every_family_in_turn():
    made = [transfer.setting(number) for number in range(10)]
    assert [one.kind for one in made] == [*FAMILIES, *FAMILIES]
    assert made[0] == transfer.setting(0) and made[0].units != made[5].units
    assert main(["fits", "--part", "transfer", "--folder", "nowhere"]) == 2


def test_the_imbalanced_images_fall_evenly_to_a_tenth():
    labels = np.arange(4000) % 10
    pixels = np.zeros((4000, 784), np.uint8)
    found = transfer._imbalanced(images.Images(pixels, labels, 3000))
    counts = np.bincount(found.labels)
    assert counts[0] == 10 * counts[9] == 400
    np.testing.assert_allclose(counts[1:] / counts[:-1], 10 ** (-1 / 9), rtol=0.05)
    assert found.num_train_part == np.bincount(found.labels[: found.num_train_part]).sum() > 1000
    recipe = tiny(0, kind="imbalance", num_train=500, num_val=300, num_truth=100, pooling=1)
    drawn = images.draw(recipe, found)
    shares = np.bincount(drawn.train.true_labels, minlength=10)
    assert shares[0] > 5 * shares[9]


def test_kernels_begin_as_glorot_says():
    stack = Stack(tiny(0, units=(40,)), 100, 10, members=2)
    stack.initialise([np.random.default_rng(member) for member in range(2)])
    kernel, limit = stack.layers[0].kernel, np.sqrt(6 / 140)
    assert np.abs(kernel).max() <= limit < 1.01 * np.abs(kernel).max()
    assert np.std(kernel) == pytest.approx(limit / np.sqrt(3), rel=0.03)
    assert not np.array_equal(kernel[0], kernel[1])


def test_dropout_keeps_the_mean_and_drops_for_each_member_anew():
    kept = _kept((13, 32, 500), 0.3, np.random.default_rng(0))
    np.testing.assert_allclose(np.unique(kept), [0, 1 / 0.7], rtol=1e-6)
    # 208,000 draws: a standard error of 0.0014.
    assert kept.mean() == pytest.approx(1, abs=0.006)
    assert 0.4 < np.mean((kept[0] > 0) != (kept[1] > 0)) < 0.44


def test_dropout_is_used_in_training_and_not_in_scoring(shipped):
    drawn = images.draw(tiny(0, dropout=0.5), shipped)
    stacks = [Stack(tiny(0, dropout=rate, learning_rate=1e-2), 784, 10, 2) for rate in (0.0, 0.5)]
    order = np.stack([np.random.default_rng(0).permutation(90)] * 2)
    for stack in stacks:
        stack.initialise([np.random.default_rng(0), np.random.default_rng(0)])
        stack.train_epoch(drawn.train.pixels, drawn.train.labels, order, np.random.default_rng(1))
    without, dropped = (stack.logits(drawn.val.pixels) for stack in stacks)
    np.testing.assert_allclose(without[0], without[1], atol=1e-6)
    assert np.abs(dropped[0] - dropped[1]).max() > 1e-3
    np.testing.assert_array_equal(dropped, stacks[1].logits(drawn.val.pixels))


def test_a_setting_follows_from_part_and_number():
    assert setting("tune", 7) == setting("tune", 7)
    assert setting("tune", 7) != setting("tune", 8)
    assert setting("tune", 7).units != setting("report", 7).units
    assert {setting(part, 0).dataset for part in ("tune", "report")} == {"mnist", "fashion_mnist"}


def test_weights_give_back_the_natural_mix():
    drawn = [setting("tune", number) for number in range(800)]
    weights = np.array([one.weight for one in drawn])
    assert {one.weight for one in drawn} == {1 / chance for chance in CHANCES.values()}
    noisy = np.array([0 < one.label_noise < 1 for one in drawn])
    slow = np.array([one.kind == "slow" for one in drawn])
    assert noisy.mean() > 0.5
    # 0.94 of the mix is plain and 0.35 of all but random labels has noise.
    assert np.average(noisy, weights=weights) == pytest.approx(0.35, abs=0.06)
    assert np.average(slow, weights=weights) == pytest.approx(0.03, abs=0.01)


def test_sides_share_no_image_and_have_equal_shares_of_classes():
    recipe = tiny(0, num_train=100, num_val=60, num_truth=300, label_noise=0.0, kind="calm")
    drawn = images.draw(recipe, numbered())
    ids = [identities(side) for side in (drawn.train, drawn.val, drawn.truth)]
    assert [len(one) for one in ids] == [100, 60, 300]
    assert len(np.unique(np.concatenate(ids))) == 460
    assert max(ids[0].max(), ids[1].max()) < 400 <= ids[2].max()
    for side, each in ((drawn.train, 10), (drawn.val, 6)):
        assert np.bincount(side.true_labels).tolist() == [each] * 10
    assert np.bincount(drawn.train.true_labels[drawn.probe]).tolist() == [6] * 10
    np.testing.assert_array_equal(drawn.truth.labels, ids[2] % 10)


@pytest.mark.parametrize(("num_val", "num_truth", "enough"), [(300, 200, True), (301, 0, False)])
def test_too_few_images_are_refused(num_val, num_truth, enough):
    recipe = tiny(0, num_train=100, num_val=num_val, num_truth=num_truth)
    if enough:
        assert len(images.draw(recipe, numbered()).truth.labels) == 200
        recipe = replace(recipe, num_truth=201)
    with pytest.raises(ValueError, match="got 400 images of the train part and 600 in all"):
        images.draw(recipe, numbered())


def test_a_probe_is_all_of_train_where_train_is_smaller():
    drawn = images.draw(tiny(0, num_train=50, num_val=80), numbered())
    assert drawn.probe.tolist() == list(range(50))


def test_smaller_images_are_means_over_squares():
    pixels = np.arange(32, dtype=np.float32).reshape(2, 16)
    found = images.pooled(pixels, 2)
    # Rows of the first image: 0 1 2 3 / 4 5 6 7 / ...
    assert found.tolist() == [[2.5, 4.5, 10.5, 12.5], [18.5, 20.5, 26.5, 28.5]]
    assert images.pooled(pixels, 1) is pixels


def test_labels_are_wrong_on_every_side_at_the_rate_asked_for():
    recipe = tiny(0, num_train=3000, num_val=1000, num_truth=3000, label_noise=0.2, kind="noisy")
    drawn = images.draw(recipe, numbered(10_000, 5000))
    for side in (drawn.train, drawn.val, drawn.truth):
        assert np.mean(side.labels != side.true_labels) == pytest.approx(0.2, abs=0.05)
    drawn = images.draw(replace(recipe, kind="random labels"), numbered(10_000, 5000))
    assert np.mean(drawn.train.labels == drawn.train.true_labels) == pytest.approx(0.1, abs=0.03)


def test_scores_are_cross_entropy_and_hits():
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32)) + 5
    found = scores.of(logits, np.array([0, 1]))
    np.testing.assert_allclose(found.loss, -np.log([0.7, 0.3]), rtol=1e-5)
    assert found.correct.tolist() == [True, False]


@pytest.mark.parametrize("sharpened", [0.2, 1.0, 4.0])
def test_the_temperature_undoes_what_made_logits_too_sure(sharpened):
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20_000, 5)).astype(np.float32)
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (odds.cumsum(1) < generator.random((20_000, 1))).sum(1)
    loss, temperature = scores.calibrated(logits * np.float32(sharpened), labels)
    assert temperature == pytest.approx(sharpened, rel=0.03)
    assert loss.mean() == pytest.approx(scores.of(logits, labels).loss.mean(), abs=1e-3)


def test_the_temperature_stays_within_its_bounds():
    logits = np.eye(4, dtype=np.float32).repeat(25, axis=0)
    right = np.arange(4).repeat(25)
    assert scores.calibrated(logits, right)[1] == pytest.approx(0.05)
    assert scores.calibrated(logits, (right + 1) % 4)[1] == pytest.approx(20)


def test_what_is_stored_agrees_with_its_own_curves(kept):
    for one in kept:
        shape = (NUM_JUDGED, 4, 60)
        assert one.val_logits.shape == (*shape, 10)
        assert one.probe_loss.shape == one.probe_correct.shape == shape
        assert one.curves.truth_loss.shape == (MEMBERS, 4)
        assert one.val_logits.max() == 0
        logits = one.val_logits.astype(np.float32)
        for seed in range(NUM_JUDGED):
            for epoch in range(4):
                found = scores.of(logits[seed, epoch], one.val_labels)
                assert found.loss.mean() == pytest.approx(
                    one.curves.val_loss[seed, epoch], abs=2e-3
                )
        np.testing.assert_allclose(
            one.probe_loss.mean(-1, dtype=np.float64), one.curves.probe_loss[:NUM_JUDGED], atol=2e-3
        )
        np.testing.assert_allclose(
            one.probe_correct.mean(-1), one.curves.probe_accuracy[:NUM_JUDGED], atol=1e-6
        )
        assert np.all(one.curves.truth_calibrated <= one.curves.truth_loss + 1e-5)


def test_nets_learn_and_noise_makes_it_harder(kept):
    clean, noisy = (one.curves for one in kept)
    assert np.all(clean.truth_loss[:, -1] < clean.truth_loss[:, 0])
    assert clean.truth_accuracy[:, -1].mean() > noisy.truth_accuracy[:, -1].mean() + 0.1
    assert len(np.unique(clean.truth_loss[:, -1])) == MEMBERS
    assert np.mean(kept[1].val_labels != kept[1].val_true_labels) == pytest.approx(0.4, abs=0.15)


def test_image_errors_are_those_of_the_change_to_the_last_epoch(kept):
    for one in kept:
        assert one.image_errors.shape == (3, 4)
        assert np.all(one.image_errors[:, -1] == 0)
        assert np.all(one.image_errors[:, 0] > 0)
        assert np.all(one.image_errors < 0.1)


def test_a_fit_repeats_and_is_read_as_it_was_written(kept, shipped, tmp_path):
    again = fits.fit(kept[1].setting, shipped)
    path = stored.path(tmp_path, "report", 0)
    stored.write(path, kept[1])
    read = stored.read(path)
    assert read.setting == again.setting == kept[1].setting
    for one in (again, read):
        np.testing.assert_array_equal(one.val_logits, kept[1].val_logits)
        np.testing.assert_array_equal(one.curves.truth_loss, kept[1].curves.truth_loss)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no whole file of the truth bench"):
        stored.read(path)


def test_what_is_kept_is_not_made_again(kept, tmp_path):
    stored.write(stored.path(tmp_path, "report", 1), kept[0])
    order = making.Order("report", range(3), None, tmp_path)
    assert order.missing == [0, 2]
    said = []
    making.make(replace(order, numbers=[1]), said.append)
    assert said == ["report: 1 there, 0 to make"]


def test_smoothing_knows_no_later_epoch():
    np.testing.assert_allclose(truths.smoothed(np.array([3.0, 1, 2, 6, 4])), [3, 2, 2, 3, 4])


def test_damage_is_the_rise_from_the_best_epoch_to_the_last():
    # Smoothed: 4, 2.5, 2, 1, 1.05, 1.2.
    found = truths.damage(np.array([4.0, 1, 1, 1, 1.15, 1.45]), "loss")
    assert (found.best_epoch, found.onset) == (4, 4)
    assert found.best == pytest.approx(1)
    assert found.rise == pytest.approx(0.2)
    assert found.material == pytest.approx(0.05)
    assert found.severity == pytest.approx(4)


def test_onset_comes_before_the_best_epoch_where_little_is_gained():
    found = truths.damage(np.array([2.0, 1, 1, 1, 1, 0.98, 0.98]), "loss")
    # Smoothed: 2, 1.5, 1.33, 1, 1, 0.993, 0.987; half of material is 0.025.
    assert (found.best_epoch, found.onset, found.rise) == (7, 4, 0)


def test_material_has_a_floor_in_nats_and_is_a_point_of_accuracy():
    curve = np.full(5, 0.1)
    assert truths.damage(curve, "calibrated").material == pytest.approx(0.01)
    assert truths.damage(curve * 5, "calibrated").material == pytest.approx(0.025)
    assert truths.damage(curve * 5, "error").material == pytest.approx(0.01)


def test_the_slope_is_that_of_the_last_third_and_ignores_one_jump():
    curve = np.concatenate([np.full(12, 9.0), 1 - 0.1 * np.arange(6)])
    assert truths.slope(curve) == pytest.approx(-0.1)
    curve[15] += 5
    assert truths.slope(curve) == pytest.approx(-0.1, abs=0.05)


def test_the_recipe_is_judged_by_fresh_seeds_and_a_training_by_its_own_net(kept):
    loss = np.full((MEMBERS, 4), 1.0, np.float32)
    loss[NUM_JUDGED:] = [1.0, 1.0, 1.0, 1.6]
    loss[1] = [1.0, 1.0, 1.0, 1.9]
    curves = replace(kept[0].curves, truth_loss=loss, probe_loss=loss * np.float32(0.5))
    planted = replace(kept[0], curves=curves)
    recipe = truths.of_recipe(planted)
    assert recipe.damages["loss"].rise == pytest.approx(0.2)
    assert recipe.gap == pytest.approx(0.8)
    assert [truths.of_training(planted, seed).damages["loss"].rise for seed in range(3)] == (
        pytest.approx([0, 0.3, 0])
    )
    np.testing.assert_allclose(truths.rises_by_seed(planted, "loss"), np.full(NUM_FRESH, 0.2), 1e-5)
    with pytest.raises(ValueError, match="0 to 2"):
        truths.of_training(planted, 3)


def test_the_mix_is_told_with_its_weights():
    table = pd.DataFrame({"part": ["tune"] * 4, "weight": [1.0, 1.0, 2.0, 4.0]})
    for name in truths.SCORES:
        table[f"{name}_rise"] = [0.02, 0.05, 0.0, 0.004]
        table[f"{name}_material"] = 0.01
        table[f"{name}_rise_error_seeds"] = 0.003
        table[f"{name}_rise_error_images"] = 0.004
    lines = summaries.described(table).splitlines()
    assert lines[2] == "| tune | loss | 4 | 2 | 25% | 0.50 of material |"
    assert len(lines) == 5


def test_the_table_has_a_row_a_setting_in_order(kept, tmp_path):
    for number, one in enumerate(kept):
        stored.write(stored.path(tmp_path, "report", number), one)
    assert main(["summaries", "--folder", str(tmp_path), "--out", str(tmp_path / "t.csv")]) == 0
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["label_noise"].tolist() == [0.0, 0.4]
    assert table["units"].tolist() == [12, 12]
    rise = truths.of_recipe(kept[1]).damages["error"].rise
    assert table["error_rise"][1] == pytest.approx(rise, rel=1e-4)
    assert np.isfinite(table.select_dtypes("number")).all().all()
    with pytest.raises(SystemExit, match="no fits"):
        summaries.write(tmp_path / "none", tmp_path / "t.csv")


def rows_of(numbers, part="report", value=1.0):
    return pd.DataFrame({"part": part, "number": numbers, "value": value})


def test_a_table_grows_by_settings_and_equal_ones_are_replaced(tmp_path):
    table = tmp_path / "t.csv.gz"
    tables.grow(table, rows_of([4, 4, 2]), 3)
    tables.grow(table, rows_of([7], "tune", 0.123456), 3)
    before = table.read_bytes()
    tables.grow(table, rows_of([7], "tune", 0.123456), 3)
    assert table.read_bytes() == before
    whole = tables.grow(table, rows_of([2, 3], value=2.0), 3)
    assert whole[["part", "number", "value"]].values.tolist() == [
        ["tune", 7, 0.123], ["report", 2, 2.0], ["report", 3, 2.0], ["report", 4, 1.0],
        ["report", 4, 1.0],
    ]  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_csv(table), whole)


def test_judging_adds_to_the_tables_and_names_rows_of_another_judge(kept, tmp_path, capsys):
    later = replace(kept[1], setting=replace(kept[1].setting, number=1))
    for number, one in enumerate((kept[0], later)):
        stored.write(stored.path(tmp_path / str(number), "report", number), one)
    for number in range(2):
        folder = str(tmp_path / str(number))
        main(["judge", "--folder", folder, "--into", str(tmp_path), "--workers", "1"])
    assert "another version" not in capsys.readouterr().err
    judged, stopped = judging.read(tmp_path)
    assert judged["number"].tolist() == [0] * 4 + [1] * 4
    assert judged["seeds"].tolist() == [3, 1, 1, 1] * 2
    assert set(judged["judge"]) == {judging.version()}
    assert stopped["seed"].tolist() == [0, 1, 2] * 2
    main(["judge", "--folder", folder, "--into", str(tmp_path), "--workers", "1"])
    assert capsys.readouterr().err.startswith("0 settings judged anew")
    judged.assign(judge="another").to_csv(tmp_path / judging.TABLE, index=False)
    main(["judge", "--folder", folder, "--into", str(tmp_path), "--workers", "1"])
    assert "4 of them are by another version" in capsys.readouterr().err


def test_patience_ends_a_fit_so_many_epochs_after_the_lowest_value():
    curve = np.array([5.0, 4, 3, 3, 3.5, 3, 2, 2, 2, 2])
    # As Keras: an equal value is no improvement; what would end the last epoch ends nothing.
    assert stopping.patient(curve, 3) == (6, 2)
    assert stopping.patient(curve, 4) == (0, 6)
    assert stopping.patient(curve[:6], 3) == (0, 2)
    assert stopping.patient(-np.arange(9.0), 5) == (0, 8)


def test_the_watch_ends_a_fit_whose_images_become_worse_and_no_other():
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.05, (20, 300)).astype(np.float32)
    falling = 2 - 0.05 * np.arange(20, dtype=np.float32)[:, None] + noise
    rising = np.abs(np.arange(20, dtype=np.float32) - 6)[:, None] * 0.1 + 1 + noise
    assert stopping.watched(falling, Watch("loss")) == (0, 19)
    stopped, best = stopping.watched(rising, Watch("loss"))
    assert 7 <= best <= 8 and best + 1 < stopped <= 12


def test_what_stopping_gave_is_read_off_the_true_curve(kept):
    found = pd.DataFrame(stopping.rows(kept[1], judging.fits_of(kept[1]), Rules()))
    assert len(found) == NUM_JUDGED
    curves = kept[1].curves
    for seed, row in found.iterrows():
        given = row["patience 5, val_loss/given"] - 1
        assert given == curves.val_loss[seed].argmin()
        assert row["patience 5, val_loss/stopped"] == 0  # four epochs are fewer than five
        assert row["patience 5, val_loss/loss"] == pytest.approx(curves.truth_loss[seed, given])
        assert row["true/last/accuracy"] == pytest.approx(1 - curves.truth_accuracy[seed, -1])


def test_a_sure_probability_that_is_right_half_the_time_has_a_slope_below_one():
    generator = np.random.default_rng(0)
    odds = generator.normal(0, 2, 20_000)
    outcome = generator.random(20_000) < 1 / (1 + np.exp(-odds))
    said, ones = 1 / (1 + np.exp(-2 * odds)), np.ones(20_000)
    assert measures.slope(outcome, said, ones)(ones) == pytest.approx(0.5, abs=0.03)
    true = 1 / (1 + np.exp(-odds))
    assert measures.slope(outcome, true, ones)(ones) == pytest.approx(1, abs=0.05)
    assert measures.calibration_error(outcome, true, ones)(ones) < 0.01
    # |sigmoid(2x) - sigmoid(x)| is 0.115 on average over a normal x of standard deviation 2.
    assert measures.calibration_error(outcome, said, ones)(ones) == pytest.approx(0.1, abs=0.03)


def test_shares_are_weighted_and_one_without_a_miss_has_an_upper_end():
    rows = pd.DataFrame({"part": "tune", "number": range(40), "weight": [1.0, 3.0] * 20})

    def shares(table):
        every = np.ones(len(table), dtype=bool)
        yield measures.Measure("odd", every, measures.mean(table, table["number"] % 2 == 1))
        yield measures.Measure("none", every, measures.mean(table, np.zeros(len(table))))

    found = measures.all_of(rows, shares)
    assert found["odd"].value == pytest.approx(0.75)
    assert 0.6 < found["odd"].low < 0.75 < found["odd"].high < 0.9
    # Wilson's upper end of 0 of 32: 160^2 / 400 / ... settings count for (sum w)^2 / sum w^2 = 32.
    assert found["none"].low == pytest.approx(0, abs=1e-9)
    assert found["none"].high == pytest.approx(0.107, abs=0.001)


@pytest.mark.parametrize(
    ("low", "value", "high", "reached"),
    [
        (0.97, 0.98, 0.99, "the aim, surely"),
        (0.95, 0.975, 0.99, "the least, surely"),
        (0.9, 0.975, 0.99, "the aim, as measured"),
        (0.9, 0.95, 0.99, "the least, as measured"),
        (0.9, 0.93, 0.99, "no"),
    ],
)
def test_a_bar_is_reached_surely_as_measured_or_not(low, value, high, reached):
    bar = bars.Bar("x", (0.94, bars.ANY), (0.97, bars.ANY))
    assert bar.reached(measures.Measured(9, value, low, high)) == reached


def test_documents_say_what_the_record_says_and_the_record_what_the_tables_say():
    found = report.load()
    settings = pd.read_csv(summaries.TABLE)
    assert list(report.stale(report.ROOT, found, settings)) == []
    judged, stopped = judging.read()
    assert list(found) == [part for part in PARTS if part in set(judged["part"])]
    for part in found:
        own = judged[judged["part"] == part]
        values = {
            seeds: measures.values_of(own[own["seeds"] == int(seeds)], measures.of_judgements)
            for seeds in report.GROUPS
        }
        rules = stopped[stopped["part"] == part]
        if len(rules):
            values[report.STOPS] = measures.values_of(rules, measures.of_stops)
        assert values.keys() == found[part].keys()
        for group, by_name in values.items():
            told = {name: one.value for name, one in found[part][group].items()}
            assert told == pytest.approx(by_name, rel=1e-4, abs=1e-4, nan_ok=True)


def test_moments_judge_nearly_as_the_draws_they_are_of_and_other_rules_otherwise():
    judged = judging.read()[0]
    table = pd.read_csv(stored.HERE / moments.TABLE)[-120:]
    rows = judged[judged["seeds"] == 3].merge(table[tables.SETTING], on=tables.SETTING)
    again = moments.rejudged(table, Rules())
    assert again["true_verdict"].tolist() == rows["true_verdict"].tolist()
    said, before = (measures.verdict_table(one) for one in (again, rows))
    # The draws are normal in the one, and 400 in both: shares near 0.5 differ by 0.035 by chance.
    assert (said["verdict"] == before["verdict"]).mean() > 0.95
    assert (said["probability"] - before["probability"]).abs().mean() < 0.03
    for score in ("loss", "calibrated_loss", "accuracy"):
        assert (again[f"{score}/share"] - rows[f"{score}/share"]).abs().mean() < 0.03
        np.testing.assert_allclose(again[f"{score}/material"], rows[f"{score}/material"], rtol=1e-4)
    lax = moments.rejudged(table, Rules(material_accuracy=0.5, material_loss=9.0, wide_gap=50.0))
    assert set(lax["true_verdict"]) <= {"good fit", "underfit"}
    assert not np.any(lax["accuracy/true"] >= lax["accuracy/material"])


def lossy(start, change, num_epochs=12):
    """Fits of two sets of seeds whose losses go from `start` to `start + change`, with noise."""
    generator = np.random.default_rng(round(100 * start))
    line = start + change * np.linspace(0, 1, num_epochs, dtype=np.float32)
    losses = line[None, :, None] + generator.normal(
        0, 0.02, (2 * remedies.NUM_SEEDS, num_epochs, 50)
    )
    return remedies.Fits(*(losses.astype(np.float32) for _ in range(4)))


def test_early_stopping_holds_the_epoch_it_gives_back():
    fits_of_net = lossy(1.0, 1.0)
    stopped = fits_of_net.stopped(3)
    given = fits_of_net.val.mean(2)[0].argmin()
    np.testing.assert_array_equal(stopped.val[0, -1], fits_of_net.val[0, given])
    np.testing.assert_array_equal(stopped.val[0, : given + 1], fits_of_net.val[0, : given + 1])
    np.testing.assert_array_equal(stopped.at("last")[1][0], fits_of_net.probe[0, given])


def test_sets_are_classed_each_by_itself():
    base = lossy(1.0, 1.0)
    better = replace(base, val=base.val - np.float32(0.5))
    found = pd.DataFrame(remedies.classed({"baseline": base, "same": base, "better": better}))
    assert len(found) == 2 * 2 * 2
    by_name = found.groupby("remedy")["class"].unique().map(list).to_dict()
    assert by_name == {"same": ["no effect"], "better": ["cures"]}
    assert found.loc[found["remedy"] == "better", "effect"].to_numpy() == pytest.approx(-0.5)


def test_contradictions_are_pairs_of_different_classes_and_unclear_is_none():
    classes = pd.Series(["cures", "cures", "masks", "unclear"])
    assert remedies.contradicting(classes) == pytest.approx(2 / 6)
    rows = pd.DataFrame({"label_noise": 0.2, "remedy": "dropout", "moment": "last",
                         "set": range(4), "class": classes, "plain": "harms"})  # fmt: skip
    told = remedies.described(rows)
    assert told.startswith(
        f"Of the pairs among 4 sets of {remedies.NUM_SEEDS} fresh seeds, over 1 remedies"
    )
    assert "**33.3%** contradict" in told and "**25.0%** of the classes are `unclear`" in told
    assert "| 20% | dropout |  | cures 2, masks 1, unclear 1 |" in told


def test_a_plain_interval_that_holds_zero_is_no_effect():
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 1, (3, 400))
    assert (remedies.plainly(noise).low, remedies.plainly(noise).high) == (0, 0)
    high = remedies.plainly(noise - 1).high
    # A mean over 3 seeds and 400 images of a normal deviate: 1.96 / sqrt(1200) above it.
    assert high == pytest.approx(-1 + noise.mean() + 0.0566, abs=0.005)
