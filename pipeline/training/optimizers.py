"""Every optimizer params.yaml knows, and Adam as one kernel a variable.

Keras writes Adam as some fifteen operations a variable; TensorFlow has it as one. Both follow the
same formula, but the kernel takes 1 - beta_2 in float32, where 0.999 leaves 1.3e-5 less than a
thousandth. So its steps are longer by a few millionths, and weights agree to that (tested: 1e-5).
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from pipeline.params import Train
from pipeline.training.devices import TPU_VARIABLE

LAST_LAYER = "logits"
ADAMW_DECAY = MUON_DECAY = 0.004  # Keras' own defaults


class FusedAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Keras' Adam with TensorFlow's kernel for the update; for float32 variables.

    With `weight_decay` it is AdamW (Loshchilov & Hutter 2019): the decay is Keras' own step.
    What does not change from variable to variable is computed once a step.
    """

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Update all variables, as `keras.optimizers.Adam.apply`."""
        step = tf.cast(self.iterations + 1, tf.float32)
        beta_1, beta_2 = tf.constant(self.beta_1), tf.constant(self.beta_2)
        self._powers: Any = tf.pow(beta_1, step), tf.pow(beta_2, step)
        super().apply(grads, trainable_variables)
        self._powers = None

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable and its two moments in place."""
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=self._powers[0],
            beta2_power=self._powers[1],
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )


def make(train: Train, slow_variables: Sequence[Any] = ()) -> Any:
    """The Keras optimizer that `train` names, at `train.learning_rate`.

    Args:
        train: names the optimizer and its weight decay; None leaves Keras' default.
        slow_variables: those of a backbone, which learn at `train.backbone_rate` times the rate.
            Their weight decay is slowed down with them.
    """
    settings: dict[str, Any] = {"learning_rate": train.learning_rate}
    if train.weight_decay is not None:
        settings["weight_decay"] = train.weight_decay
    if train.clip_norm is not None:
        settings["global_clipnorm"] = train.clip_norm
    if train.ema is not None:
        settings |= {"use_ema": True, "ema_momentum": train.ema}
    if train.optimizer == "muon":
        settings["exclude_layers"] = [LAST_LAYER]
        settings["adam_weight_decay"] = settings.get("weight_decay", MUON_DECAY)
    known = _classes()
    optimizer_class = known[train.optimizer]
    if train.optimizer in ("adam", "adamw") and fused_fits():
        settings.setdefault("weight_decay", ADAMW_DECAY if train.optimizer == "adamw" else None)
        optimizer_class = FusedAdam
    if train.backbone_rate == 1.0 or not slow_variables:
        return optimizer_class(**settings)
    return _slowed(optimizer_class)(slow_variables, train.backbone_rate, **settings)


def fused_fits() -> bool:
    """Whether the fused kernel is for this machine: one that trains on its CPU."""
    return TPU_VARIABLE not in os.environ and not tf.config.list_physical_devices("GPU")


def _classes() -> dict[str, Callable[..., Any]]:
    names = keras.optimizers
    return {
        "adam": names.Adam,
        "adamw": names.AdamW,
        "sgd": names.SGD,
        "rmsprop": names.RMSprop,
        "adadelta": names.Adadelta,
        "adagrad": names.Adagrad,
        "nadam": names.Nadam,
        "adamax": names.Adamax,
        "lion": names.Lion,
        "muon": names.Muon,
    }


def _slowed(optimizer_class: Any) -> Any:
    """`optimizer_class` with a lower learning rate for some of its variables."""

    class Slowed(optimizer_class):  # type: ignore[misc]
        def __init__(self, slow_variables: Sequence[Any], factor: float, **settings: Any) -> None:
            super().__init__(**settings)
            self._slow = {self._var_key(variable) for variable in slow_variables}
            self._factor = factor

        def _apply_weight_decay(self, variables: Any) -> None:
            """Left to `update_step`, which knows each variable's own rate."""

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            slow = self._var_key(variable) in self._slow
            rate = learning_rate * self._factor if slow else learning_rate
            if self.weight_decay is not None and self._use_weight_decay(variable):
                self.assign_sub(variable, variable * (self.weight_decay * rate))
            super().update_step(gradient, variable, rate)

    Slowed.__name__ = optimizer_class.__name__
    return Slowed


def _handle(variable: Any) -> Any:
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
