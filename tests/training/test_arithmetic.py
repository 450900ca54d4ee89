"""The arithmetic that GPUs and TPUs get, tried out on this CPU: fits differ by rounding alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipeline import models
from pipeline.data import prepared
from pipeline.training import devices
from pipeline.training.devices import CPU, Arithmetic
from pipeline.training.export import keras_bytes
from tests.fits import dense_task

EPOCHS = 3
NET: dict[str, Any] = {"units": (16,), "l2": 0.001, "batch_norm": True}


def fitted(folder: Path, arithmetic: Arithmetic, augmentation: tuple[str, ...] = ()) -> Any:
    """A program after some epochs, and the running loss and accuracy of each."""
    from pipeline.training.program import Program

    task, resident = dense_task(folder, EPOCHS, seed=3, **NET), _resident(folder)
    task = replace(task, train=task.train.model_copy(update={"augmentation": augmentation}))
    program = Program(task, resident.data, arithmetic)
    return program, [program.train_epoch(resident, epoch, 3, 0.01) for epoch in (1, 2, 3)]


def differences(one: Any, other: Any) -> Iterator[float]:
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        yield float(np.abs(a - b).max())


def test_xla_learns_the_same_but_for_rounding(digits_folder: Path) -> None:
    # Without dropout: XLA draws other random numbers from the same seed.
    plain, losses = fitted(digits_folder, CPU, ("flip",))
    compiled, others = fitted(digits_folder, Arithmetic(xla=True), ("flip",))
    assert max(differences(plain, compiled)) < 1e-3
    for alone, other in zip(losses, others, strict=True):
        assert alone["loss"] == pytest.approx(other["loss"], abs=1e-4)
    assert compiled.num_traces == 1


def test_what_learns_in_16_bits_is_scored_and_saved_in_32(
    digits_folder: Path, tmp_path: Path
) -> None:
    plain, losses = fitted(digits_folder, CPU)
    mixed, others = fitted(digits_folder, Arithmetic("mixed_bfloat16"))
    assert 0 < max(differences(plain, mixed)) < 0.1
    assert others[-1]["loss"] == pytest.approx(losses[-1]["loss"], abs=0.05)
    assert keras.config.dtype_policy().name == "float32"

    path = tmp_path / "model.keras"
    path.write_bytes(keras_bytes(mixed.model))
    saved = keras.models.load_model(path)
    assert {layer.dtype_policy.name for layer in saved.layers} == {"float32"}
    images = np.asarray(prepared.read(digits_folder).val.images)
    shown = keras.ops.softmax(mixed.logits(images)).numpy()
    np.testing.assert_allclose(saved.predict(images, verbose=0), shown, atol=1e-6)

    # A fit that goes on from a checkpoint learns from what was restored, not from what it had.
    weights, slots = mixed.model.get_weights(), mixed.slots()
    again = fitted(digits_folder, Arithmetic("mixed_bfloat16"))[0]
    section = dense_task(digits_folder, EPOCHS, **NET).section
    again.begin(models.build("dense", section, (8, 8, 1), 10, seed=5))
    again.restore(weights, slots)
    resident = _resident(digits_folder)
    assert again.train_epoch(resident, 4, 3, 0.01) == mixed.train_epoch(resident, 4, 3, 0.01)


def _resident(folder: Path) -> Any:
    from pipeline.training.program import Resident

    return Resident.of(prepared.read(folder))


@pytest.mark.parametrize(
    ("capability", "policy"), [((7, 5), "float32"), ((8, 0), "mixed_bfloat16"), (None, "float32")]
)
def test_a_gpu_gets_what_it_can(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int] | None, policy: str
) -> None:
    import tensorflow as tf

    details = {"compute_capability": capability} if capability else {}
    monkeypatch.delenv("TPU_NAME", raising=False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    found = devices.arithmetic.__wrapped__()
    assert found == Arithmetic(policy, xla=True)


def test_a_cpu_keeps_to_what_was_measured_to_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TPU_NAME", raising=False)
    assert devices.arithmetic.__wrapped__() == CPU == Arithmetic("float32", xla=False)
    monkeypatch.setenv("TPU_NAME", "local")
    assert devices.arithmetic.__wrapped__() == Arithmetic("mixed_bfloat16")
