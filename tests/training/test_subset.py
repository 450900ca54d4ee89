"""A fit on a part of train: which part, what it says, and that it is not fitted twice."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.data import prepared
from pipeline.training import session, subset
from tests.fits import dense_task


@pytest.fixture(scope="module")
def task(digits_folder):
    return replace(dense_task(digits_folder, epochs=25, seed=3, units=[32]), share=0.7)


@pytest.fixture(scope="module")
def result(task):
    return session.run(task)


def test_the_part_is_drawn_from_the_seed():
    rows = subset.rows(100, 0.7, seed=1)
    assert len(rows) == 70 and np.all(np.diff(rows) > 0) and rows.dtype == np.int32
    assert np.array_equal(rows, subset.rows(100, 0.7, seed=1))
    assert not np.array_equal(rows, subset.rows(100, 0.7, seed=2))
    assert len(subset.rows(3, 0.999, seed=1)) == 2 and len(subset.rows(3, 0.001, seed=1)) == 1


def test_it_learns_its_part_alone(task, result, digits_folder):
    said, data = result.of_train, prepared.read(digits_folder)
    num_train = len(data.train)
    assert np.flatnonzero(said.inside).tolist() == subset.rows(num_train, 0.7, 3).tolist()
    assert said.probabilities.shape == (num_train, 10)
    assert said.val_probabilities.shape == (len(data.val), 10)
    right = said.probabilities.argmax(1) == data.train.labels
    assert right[said.inside].mean() > right[~said.inside].mean() > 0.5
    assert said.loss[said.inside].mean() < said.loss[~said.inside].mean()
    assert result.failed is None and result.history.curves["epoch"].tolist() == [25]
    again = session.run(task).of_train
    assert np.array_equal(again.loss, said.loss)


def test_a_finished_fit_is_read_and_a_damaged_one_made_again(task, result, tmp_path):
    kept = replace(task, checkpoints=tmp_path)
    first = session.run(kept).of_train
    (path,) = tmp_path.iterdir()
    arrays = {**np.load(path), "loss": np.full(len(first.loss), 7, np.float32)}
    np.savez(path, **arrays)
    assert session.run(kept).of_train.loss[0] == 7
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(session.run(kept).of_train.loss, result.of_train.loss)


def test_a_fit_that_breaks_down_says_so(task):
    wild = task.train.model_copy(update={"learning_rate": 1e30, "optimizer": "sgd"})
    assert session.run(replace(task, train=wild)).failed == "the loss is nan"
