"""Kept fits: what comes back is what was kept, to the bit, and nothing else is taken for it."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.training import finished, session
from pipeline.training.finished import Kept
from tests.fits import dense_task


@pytest.fixture
def tasks(digits_folder):
    first = dense_task(digits_folder, 2, keep_weights=True, units=[12])
    return [replace(first, seed=seed) for seed in (3, 4)]


def _fitted(tasks):
    yield from ((index, session.run(task)) for index, task in reversed(list(enumerate(tasks))))


def _nothing(tasks):
    raise AssertionError(f"no fit was expected, got {len(tasks)}")


def test_a_kept_fit_comes_back_to_the_bit_and_is_not_fitted_again(tasks, tmp_path):
    kept = Kept(tmp_path / "kept")
    assert kept.lacks(tasks)
    first = dict(kept.run(tasks, _fitted))
    assert not kept.lacks(tasks)
    again = dict(kept.run(tasks, _nothing))
    for index, result in first.items():
        found = again[index]
        assert found.history.curves.equals(result.history.curves)
        assert found.history.curves.dtypes.equals(result.history.curves.dtypes)
        for name, scores in vars(result.history.per_image).items():
            back = getattr(found.history.per_image, name)
            assert back.dtype == scores.dtype and np.array_equal(back, scores)
        assert np.array_equal(found.probabilities, result.probabilities)
        assert (found.best, found.last) == (result.best, result.last)
        facts = [(getattr(one, name) for name in finished.FACTS) for one in (found, result)]
        assert list(facts[0]) == list(facts[1])


def test_only_what_is_missing_is_fitted_and_what_a_study_left_goes(tasks, tmp_path):
    kept = Kept(tmp_path)
    made = dict(kept.run(tasks[:1], _fitted))
    asked = []

    def fitted(missing):
        asked.extend(missing)
        return [(0, made[0])]

    list(kept.run(tasks, fitted))
    assert asked == tasks[1:]
    said = kept.arrays(tasks, lambda: {"p": np.eye(2)})
    assert np.array_equal(kept.arrays(tasks, dict)["p"], said["p"])
    kept.discard_others(tasks[1:])
    assert kept.lacks(tasks[:1]) and not kept.lacks(tasks[1:])
    assert kept.arrays(tasks, dict) == {}
    (tmp_path / f"{tasks[1].key()}.npz").write_bytes(b"cut short")
    asked.clear()
    list(kept.run(tasks[1:], fitted))
    assert asked == tasks[1:]


def test_other_weights_in_the_same_file_are_another_fit(tasks, tmp_path, monkeypatch):
    from pipeline import models

    section = tasks[0].section.model_copy(update={"weights": "mine.npz"})
    task = replace(tasks[0], section=section)
    keys = []
    for content in ("one", "two"):
        monkeypatch.setattr(models, "origin", lambda *_, content=content: content)
        keys.append(task.key())
    assert keys[0] != keys[1]
