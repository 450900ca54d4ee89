"""A fit over two devices equals one over one: here two logical CPUs, in their own process."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.training import devices

CODE = """
import sys
from pathlib import Path
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import numpy as np
from pipeline import models
from pipeline.data import prepared
from pipeline.params import Dense, Train
from pipeline.training import devices
from pipeline.training.program import Resident, on_devices
from pipeline.training.task import FitTask

data = prepared.read(Path(sys.argv[1]))
resident = Resident.of(data)
assert devices.strategy() is None
two_devices = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def compare(batch_size):
    train = Train(seeds=(0,), epochs=2, batch_size=batch_size, augmentation=())
    task = FitTask("dense", Dense(units=(16,), l2=0.001), train, 3, Path(sys.argv[1]))
    found = []
    for over in (None, two_devices):
        program = on_devices(task, data, over)
        program.begin(models.build("dense", task.section, data.manifest.image_shape, 10, 4))
        running = [program.train_epoch(resident, epoch, 3, 0.01) for epoch in (1, 2)]
        found.append((running, program.model.get_weights(), program.logits(resident.val_images)))
    (one, weights, logits), (two, others, more) = found
    for alone, shared in zip(one, two):
        assert abs(alone["loss"] - shared["loss"]) < 1e-5, (alone, shared)
        assert alone["accuracy"] == shared["accuracy"], (alone, shared)
    assert max(np.abs(a - b).max() for a, b in zip(weights, others)) < 1e-4
    assert np.abs(logits - more).max() < 1e-3
    assert one[1]["loss"] < one[0]["loss"]
    print("equal", batch_size)


for batch_size in map(int, sys.argv[2:]):
    compare(batch_size)
"""
BATCH_SIZES = ("32", "199")  # of 200 images: the last batch has 8, or 1


def test_two_devices_learn_what_one_learns(digits_folder: Path) -> None:
    run = [sys.executable, "-c", CODE, str(digits_folder), *BATCH_SIZES]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.stdout.splitlines()[-2:] == ["equal 32", "equal 199"], done.stderr[-2000:]


def test_without_a_gpu_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "GPU_FILES", "no-such-device")
    monkeypatch.delenv("TPU_NAME", raising=False)
    assert devices.told(2) == "No GPU found: training on the CPU, in 2 processes side by side."
    assert devices.told(1) == "No GPU found: training on the CPU, in one process."
    assert devices.default_workers() >= 1


def test_with_a_gpu_one_process_takes_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "GPU_FILES", "null")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices.default_workers() == 1
    assert devices.told(1) == "Training on GPU or TPU, in one process."
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert not devices.has_accelerator()
