"""What must not creep in, seen without a clock: tracing anew, and needless copies of the images."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from pipeline.data import prepared
from pipeline.data.prepared import Prepared
from pipeline.training import session
from tests.fits import dense_task

MEGABYTE = 1e6


@pytest.fixture(scope="module")
def task(digits_folder):
    return dense_task(digits_folder, epochs=2, units=[5])


def test_the_epoch_is_traced_once_for_all_seeds_and_lengths(task):
    longer = task.train.model_copy(update={"epochs": 3, "seeds": (7, 8)})
    tasks = [task, replace(task, seed=1), replace(task, seed=7, train=longer)]
    assert [session.run(one).num_traces for one in tasks] == [1, 0, 0]


def test_all_rates_of_dropout_above_0_are_one_trace(task):
    sections = [task.section.model_copy(update={"dropout": rate}) for rate in (0.5, 0.1, 0.9)]
    tasks = [replace(task, section=section) for section in sections]
    assert [session.run(one).num_traces for one in tasks] == [1, 0, 0]


@pytest.fixture(scope="module")
def thirty_megabytes(digits, tmp_path_factory):
    images = np.zeros((10_000, 32, 32, 3), np.uint8)
    rows = np.arange(len(images))
    labels = (rows % 10).astype(np.int32)
    train = replace(digits.train, images=images, labels=labels, true_labels=labels, ids=rows)
    few = train.take(rows[:10])
    manifest = replace(digits.manifest, image_shape=images.shape[1:])
    folder = tmp_path_factory.mktemp("large") / "prepared"
    parts = [replace(few, name=name) for name in ("val", "test", "probe")]
    prepared.write(folder, Prepared(manifest, train, *parts))
    return folder


def with_peak(call, argument):
    """What `call(argument)` gives, and the most memory it took meanwhile, in bytes."""
    tracemalloc.start()
    try:
        return call(argument), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_prepared_images_takes_no_memory(thirty_megabytes):
    data, peak = with_peak(prepared.read, thirty_megabytes)
    assert data.train.images.nbytes > 30 * MEGABYTE
    assert peak < 2 * MEGABYTE


def test_images_become_tensors_with_one_copy_at_most(thirty_megabytes):
    from pipeline.training.program import Resident

    data = prepared.read(thirty_megabytes)
    resident, peak = with_peak(Resident.of, data)
    assert resident.images.dtype == "uint8"
    assert peak < 1.1 * data.train.images.nbytes
