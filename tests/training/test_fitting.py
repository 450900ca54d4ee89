from dataclasses import replace

import numpy as np
import pytest

from overfit_atlas.scoring.fits import smoothed
from pipeline.data import prepared
from pipeline.training import checkpoints, finished, session
from pipeline.training.task import FitError, Vary
from tests.fits import dense_task


@pytest.fixture(scope="module")
def task(digits_folder):
    return dense_task(digits_folder, epochs=5, seed=3, keep_weights=True, units=[12], dropout=0.3)


@pytest.fixture(scope="module")
def whole(task):
    return session.run(task)


class Killed(Exception):
    pass


def _killed_after(epoch):
    def watch(progress):
        if progress.epoch == epoch:
            raise Killed

    return watch


def test_every_epoch_has_a_running_and_two_clean_rows(whole):
    curves = whole.history.curves
    assert len(curves) == 15
    assert (
        curves.groupby("epoch")["split"].apply(list).tolist() == [["running", "probe", "val"]] * 5
    )
    clean = curves[curves["split"] != "running"]
    assert clean[["loss", "accuracy", "ece", "brier", "true_accuracy"]].notna().all().all()
    assert whole.history.per_image.val_loss.shape == (5, 60)


def test_the_loss_of_an_epoch_is_the_mean_of_its_images(whole):
    means = whole.history.per_image.val_loss.astype(float).mean(axis=1)
    assert means == pytest.approx(whole.history.series("val", "loss"), rel=1e-3)


def test_the_class_said_is_kept_of_every_image_and_epoch(whole, digits):
    kept = whole.history.per_image
    assert kept.val_predicted.dtype == np.uint8
    assert ((kept.val_predicted == digits.val.labels) == kept.val_correct).all()


def test_it_learns(whole):
    losses = whole.history.series("probe", "loss")
    assert losses[-1] < losses[0] < 4
    assert whole.num_parameters == 64 * 12 + 12 + 12 * 10 + 10


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(task, whole):
    again, other = session.run(task), session.run(replace(task, seed=4))
    assert again.history.curves.equals(whole.history.curves)
    assert (again.best, again.last) == (whole.best, whole.last)
    assert other.best != whole.best


@pytest.mark.parametrize("epoch", [1, 4, 5])
def test_a_killed_fit_goes_on_and_ends_with_the_numbers_of_a_whole_one(
    task, whole, epoch, tmp_path
):
    kept = replace(task, checkpoints=tmp_path)
    with pytest.raises(Killed):
        session.run(kept, _killed_after(epoch))
    seen = []
    resumed = session.run(kept, lambda progress: seen.append(progress.epoch))
    assert seen == list(range(epoch + 1, 6))
    assert resumed.history.curves.equals(whole.history.curves)
    assert (resumed.best, resumed.last) == (whole.best, whole.last)
    assert np.array_equal(resumed.probabilities, whole.probabilities)
    finished.discard_checkpoints([kept])
    assert not list(tmp_path.iterdir())


def test_a_killed_fit_reads_its_checkpoint_once(task, tmp_path, monkeypatch):
    kept = replace(task, checkpoints=tmp_path, keep_weights=False)
    with pytest.raises(Killed):
        session.run(kept, _killed_after(2))
    load, read = checkpoints.load, []
    monkeypatch.setattr(checkpoints, "load", lambda path: read.append(path) or load(path))
    session.run(kept)
    assert read == [kept.checkpoint]


def test_a_checkpoint_of_another_task_is_not_continued(task, tmp_path):
    kept = replace(task, checkpoints=tmp_path)
    with pytest.raises(Killed):
        session.run(kept, _killed_after(2))
    other = replace(kept, section=kept.section.model_copy(update={"units": (13,)}))
    assert other.key() != kept.key()


def test_a_second_seed_traces_nothing(task):
    session.run(task)
    assert session.run(replace(task, seed=9)).num_traces == 0


def test_the_best_weights_are_those_of_the_best_epoch(task, whole):
    losses = whole.history.series("val", "calibrated_loss")
    best = int(np.argmin(smoothed(losses, task.smoothing)))
    assert whole.best_epoch == best + 1


def test_an_exploding_fit_stops_and_names_the_epoch(task):
    train = task.train.model_copy(update={"learning_rate": 1000.0, "optimizer": "sgd"})
    broken = session.run(replace(task, train=train))
    assert broken.failed is not None
    assert broken.failed.startswith("epoch ")
    with pytest.raises(FitError, match=r"1 of 1 fits broke down \(seed 3, epoch "):
        finished.require_success([broken])


def test_early_stopping_waits_its_patience(task):
    train = task.train.model_copy(
        update={"early_stopping": 2, "epochs": 60, "learning_rate": 0.05, "seeds": (3,)}
    )
    result = session.run(replace(task, train=train))
    losses = result.history.series("val", "loss")
    assert len(losses) == int(np.argmin(losses)) + 3 < 60


def test_smoothing_looks_back_only():
    assert smoothed(np.array([4.0, 2.0, 3.0]), 2).tolist() == [4.0, 3.0, 2.5]
    assert smoothed(np.array([4.0]), 3).tolist() == [4.0]


def _with(task, **train):
    return replace(task, train=task.train.model_copy(update=train))


def test_averaged_weights_are_scored_and_a_killed_fit_goes_on_with_both(task, tmp_path):
    averaged = replace(_with(task, ema=0.9, epochs=3), checkpoints=tmp_path)
    expected = session.run(replace(averaged, checkpoints=None))
    plain = session.run(_with(task, epochs=3))
    first = plain.history.series("running", "loss")[0]
    assert expected.history.series("running", "loss")[0] == first  # one epoch learns the same
    assert expected.history.series("val", "loss")[0] > plain.history.series("val", "loss")[0]

    class Killed(Exception):
        pass

    def kill(progress):
        if progress.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        session.run(averaged, kill)
    resumed = session.run(averaged)
    assert resumed.last == expected.last
    np.testing.assert_array_equal(
        resumed.history.series("running", "loss"), expected.history.series("running", "loss")
    )


def test_the_files_are_read_once_for_all_folds(task, monkeypatch):
    read, folders = prepared.read, []
    monkeypatch.setattr(prepared, "read", lambda folder: folders.append(folder) or read(folder))
    kept = task.data, "of its own"
    first, second = (session._data(*kept, Vary(fold=fold)) for fold in (1, 2))
    assert folders == [task.data]
    assert set(first.val.ids) != set(second.val.ids)


def test_the_average_is_the_one_keras_takes(task):
    """After one epoch: average = 0.9 average + 0.1 weights at each step, begun with the first."""
    from pipeline import models
    from pipeline.training.program import Program, Resident

    data = session._data(task.data, task.data_hash, task.vary)
    averaged = _with(task, ema=0.9, batch_size=len(data.train))
    program, resident = Program(averaged, data), Resident.of(data)
    program.begin(models.build("dense", task.section, resident.shape, 10, 3))
    seen, average = [], None
    for epoch in (1, 2, 3):
        program.train_epoch(resident, epoch, seed=0, rate=0.01)
        seen.append(program.weights()[0])
        average = seen[0] if average is None else 0.9 * average + 0.1 * seen[-1]
        np.testing.assert_allclose(program.model.get_weights()[0], average, rtol=1e-5, atol=1e-7)
    assert not np.array_equal(seen[0], seen[1])


def test_gradients_are_clipped_by_their_length_all_together(task):
    """With SGD at rate 1 one step is as long as the gradient, and then at most `clip_norm`."""
    from pipeline import models
    from pipeline.training.program import Program, Resident

    data = session._data(task.data, task.data_hash, task.vary)

    def step(**train):
        asked = _with(task, optimizer="sgd", batch_size=len(data.train), **train)
        program, resident = Program(asked, data), Resident.of(data)
        program.begin(models.build("dense", task.section, resident.shape, 10, 3))
        before = program.weights()
        program.train_epoch(resident, 1, seed=0, rate=1.0)
        moves = [new - old for new, old in zip(program.weights(), before, strict=True)]
        return np.concatenate([move.ravel() for move in moves])

    free, clipped = step(), step(clip_norm=0.01)
    assert np.linalg.norm(free) > 0.1
    assert np.linalg.norm(clipped) == pytest.approx(0.01, rel=1e-3)
    np.testing.assert_allclose(clipped / 0.01, free / np.linalg.norm(free), atol=1e-4)
