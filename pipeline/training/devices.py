"""What a fit runs on: the CPU, a GPU, or several GPUs or a TPU through `tf.distribute`.

On several devices each takes its share of every batch, and gradients are added up. So a batch
stays a batch, and a net without dropout and batch norm learns the same as on one device but for
rounding; with them, masks and batch statistics are drawn and taken on each device alone.

How a device computes best is its `Arithmetic`. Those of GPUs and TPUs follow their makers' advice;
only that of the CPU was measured.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

GPU_FILES = "nvidia[0-9]*"
TPU_VARIABLE = "TPU_NAME"
FIRST_WITH_BFLOAT16 = (8, 0)
"""The compute capability from which NVIDIA's GPUs multiply bfloat16 in hardware (Ampere)."""


@dataclass(frozen=True)
class Arithmetic:
    """How updates are computed. Weights, scores and saved models are float32 in any case.

    Attributes:
        policy: the Keras dtype policy; with "mixed_bfloat16" layers multiply in 16 bits.
        xla: whether the update is compiled by XLA.
    """

    policy: str = "float32"
    xla: bool = False


CPU = Arithmetic()


def has_accelerator() -> bool:
    """Whether this machine shows a GPU, or the environment names a TPU; without TensorFlow."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    found = any(Path("/dev").glob(GPU_FILES)) and not hidden
    return found or TPU_VARIABLE in os.environ


def told(num_workers: int) -> str:
    """One line on what fits run on."""
    processes = "one process" if num_workers == 1 else f"{num_workers} processes side by side"
    if has_accelerator():
        return f"Training on GPU or TPU, in {processes}."
    return f"No GPU found: training on the CPU, in {processes}."


def default_workers() -> int:
    """A process a core; only one where a GPU or TPU is to be used, for it takes all of them."""
    return 1 if has_accelerator() else os.cpu_count() or 1


@lru_cache(maxsize=1)
def strategy() -> Any:
    """The `tf.distribute` strategy for all devices this process sees; None where one is enough."""
    import tensorflow as tf

    if TPU_VARIABLE in os.environ:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        return tf.distribute.TPUStrategy(resolver)
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return None


@lru_cache(maxsize=1)
def arithmetic() -> Arithmetic:
    """What suits the devices this process sees.

    On CPUs XLA and bfloat16 were measured to lose. bfloat16 has the range of float32, so that no
    loss needs scaling; older GPUs, which lack it, stay with float32.
    """
    import tensorflow as tf

    if TPU_VARIABLE in os.environ:
        return Arithmetic("mixed_bfloat16")  # what runs on a TPU is compiled by XLA in any case
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return CPU
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    able = all(one.get("compute_capability", (0, 0)) >= FIRST_WITH_BFLOAT16 for one in details)
    return Arithmetic("mixed_bfloat16" if able else "float32", xla=True)
