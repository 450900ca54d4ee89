"""The learning rate of every epoch: pure functions of the settings and of what has happened.

Which fields of `params.Schedule` count, with `rate` for `train.learning_rate`:

    constant           -
    warmup             warmup_epochs (up from min_rate), flat_epochs (at rate; at least: epochs
                       left over lengthen it), cooldown_epochs (down to min_rate)
    cosine             warmup_epochs, then half a cosine down towards min_rate
    step               factor, every step_epochs epochs, never below min_rate
    one_cycle          up from min_rate (or a tenth of the rate), down again, and far below
    reduce_on_plateau  factor, after patience epochs without a better val loss; min_rate

`burn_in_epochs` at `burn_in_rate`, with the backbone frozen, come first in any of them. The
others then share the remaining epochs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, inf, pi

import numpy as np

from overfit_atlas.errors import AtlasError
from pipeline.params import Schedule

PHASES = ("burn_in", "warm_up", "flat", "cool_down")
"""In their order, numbered from 1 in tables of curves."""
MIN_IMPROVEMENT = 1e-4
RISE = 0.45
ONE_CYCLE_START = 0.1
ANNIHILATION = 0.01


class ScheduleError(AtlasError):
    """The schedule does not fit the epochs or itself; names the key, and what would do."""


def rate(
    schedule: Schedule, learning_rate: float, epochs: int, val_losses: Sequence[float]
) -> float:
    """The learning rate of the next epoch, given the clean val loss of every epoch so far.

    It depends on nothing else, so a resumed fit goes on with the same rates.
    """
    if schedule.name == "reduce_on_plateau":
        return _on_plateau(schedule, learning_rate, val_losses)
    return rates(schedule, learning_rate, epochs)[min(len(val_losses), epochs - 1)]


def rates(schedule: Schedule, learning_rate: float, epochs: int) -> tuple[float, ...]:
    """The learning rate of each epoch; for reduce_on_plateau as if the loss always fell."""
    check(schedule, learning_rate, epochs)
    burn_in = (schedule.burn_in_rate,) * schedule.burn_in_epochs
    return burn_in + _SHAPES[schedule.name](schedule, learning_rate, epochs - len(burn_in))


def phase(schedule: Schedule, epochs: int, epoch: int) -> dict[str, int]:
    """`{"phase": number}` of an epoch, both from 1: what it is for, by its place in `PHASES`.

    Empty where the epoch is in none: where all have one rate, go down in steps, or in a cycle.
    """
    name = _phase(schedule, epochs, epoch)
    return {"phase": 1 + PHASES.index(name)} if name else {}


def _phase(schedule: Schedule, epochs: int, epoch: int) -> str | None:
    begun = schedule.burn_in_epochs + schedule.warmup_epochs
    falls = schedule.name == "cosine"
    last_flat = begun if falls else epochs - schedule.cooldown_epochs
    if epoch <= begun:
        return "burn_in" if epoch <= schedule.burn_in_epochs else "warm_up"
    if epoch > last_flat:
        return "cool_down" if begun or not falls else None
    has_phases = begun or schedule.cooldown_epochs
    return "flat" if has_phases and schedule.name in ("constant", "warmup") else None


@dataclass(frozen=True)
class Plateau:
    """The state of reduce_on_plateau, by the rules of Keras' ReduceLROnPlateau.

    Attributes:
        rate: of the next epoch.
        best: the lowest val loss so far.
        waited: epochs since, or since the last reduction.
    """

    rate: float
    best: float = inf
    waited: int = 0

    def after(self, val_loss: float, schedule: Schedule) -> "Plateau":
        """The state once an epoch has ended with `val_loss`."""
        if val_loss < self.best - MIN_IMPROVEMENT:
            return Plateau(self.rate, val_loss, 0)
        if self.waited + 1 < schedule.patience:
            return Plateau(self.rate, self.best, self.waited + 1)
        reduced = max(self.rate * schedule.factor, min(schedule.min_rate, self.rate))
        return Plateau(reduced, self.best, 0)


def check(schedule: Schedule, learning_rate: float, epochs: int) -> None:
    """Raises ScheduleError where the phases do not fit the epochs, or a field has no meaning."""
    _check_fields(schedule)
    if schedule.min_rate > learning_rate:
        raise ScheduleError(
            f"train.schedule.min_rate={schedule.min_rate} is above"
            f" train.learning_rate={learning_rate}: lower one or raise the other."
        )
    ramps = schedule.warmup_epochs + schedule.cooldown_epochs
    if ramps and schedule.min_rate == 0:
        raise ScheduleError(
            "train.schedule.min_rate is 0: an epoch of warm-up or cool-down would learn nothing."
            " Give the rate they start from or end at, for instance a hundredth of the rate."
        )
    needed = schedule.burn_in_epochs + ramps + schedule.flat_epochs
    least = needed if schedule.name == "warmup" else needed + 1
    if needed and least > epochs:
        raise ScheduleError(
            f"train.schedule {schedule.name!r} needs {least} epochs (burn-in"
            f" {schedule.burn_in_epochs}, warm-up {schedule.warmup_epochs}, flat"
            f" {schedule.flat_epochs}, cool-down {schedule.cooldown_epochs}), but train.epochs is"
            f" {epochs}: raise it, or shorten the phases."
        )


def _check_fields(schedule: Schedule) -> None:
    for field, users in _USERS.items():
        if getattr(schedule, field) and schedule.name not in users:
            raise ScheduleError(
                f"train.schedule.{field} has no meaning for {schedule.name!r}: set it to 0, or"
                f" choose name among {', '.join(users)}."
            )
    if schedule.name == "warmup" and not schedule.warmup_epochs + schedule.cooldown_epochs:
        raise ScheduleError(
            "train.schedule 'warmup' needs warmup_epochs or cooldown_epochs above 0; for one rate"
            " throughout choose name: constant."
        )


def _constant(_: Schedule, learning_rate: float, epochs: int) -> tuple[float, ...]:
    return (learning_rate,) * epochs


def _warmup(schedule: Schedule, learning_rate: float, epochs: int) -> tuple[float, ...]:
    flat = epochs - schedule.warmup_epochs - schedule.cooldown_epochs
    return (
        _rising(schedule, learning_rate)
        + (learning_rate,) * flat
        + _falling(schedule, learning_rate)
    )


def _rising(schedule: Schedule, learning_rate: float) -> tuple[float, ...]:
    """From min_rate in equal steps, so that the epoch after the last is at the full rate."""
    span, count = learning_rate - schedule.min_rate, schedule.warmup_epochs
    return tuple(schedule.min_rate + span * epoch / count for epoch in range(count))


def _falling(schedule: Schedule, learning_rate: float) -> tuple[float, ...]:
    """In equal steps down from the full rate, the last epoch being at min_rate."""
    span, count = learning_rate - schedule.min_rate, schedule.cooldown_epochs
    return tuple(learning_rate - span * epoch / count for epoch in range(1, count + 1))


def _cosine(schedule: Schedule, learning_rate: float, epochs: int) -> tuple[float, ...]:
    """min + (rate - min) (1 + cos(pi t / T)) / 2 (Loshchilov & Hutter 2017, eq. 5; no restarts)."""
    count, span = epochs - schedule.warmup_epochs, learning_rate - schedule.min_rate
    falling = (
        schedule.min_rate + span * (1 + cos(pi * epoch / count)) / 2 for epoch in range(count)
    )
    return _rising(schedule, learning_rate) + tuple(falling)


def _step(schedule: Schedule, learning_rate: float, epochs: int) -> tuple[float, ...]:
    powers = (epoch // schedule.step_epochs for epoch in range(epochs))
    return tuple(max(learning_rate * schedule.factor**power, schedule.min_rate) for power in powers)


def _one_cycle(schedule: Schedule, learning_rate: float, epochs: int) -> tuple[float, ...]:
    """Two equal ramps over 90 % of the epochs, then down to a hundredth (Smith & Topin 2018)."""
    start = schedule.min_rate or ONE_CYCLE_START * learning_rate
    peak = round(RISE * (epochs - 1))
    corners = [0, peak, 2 * peak, max(epochs - 1, 2 * peak + 1)]
    heights = [start, learning_rate, start, ANNIHILATION * start]
    if peak == 0:
        return (learning_rate,) * epochs
    return tuple(float(value) for value in np.interp(range(epochs), corners, heights))


def _on_plateau(schedule: Schedule, learning_rate: float, val_losses: Sequence[float]) -> float:
    if len(val_losses) < schedule.burn_in_epochs:
        return schedule.burn_in_rate
    state = Plateau(learning_rate)
    for val_loss in val_losses[schedule.burn_in_epochs :]:
        state = state.after(val_loss, schedule)
    return state.rate


_SHAPES: dict[str, Callable[[Schedule, float, int], tuple[float, ...]]] = {
    "constant": _constant,
    "warmup": _warmup,
    "cosine": _cosine,
    "step": _step,
    "one_cycle": _one_cycle,
    "reduce_on_plateau": _constant,
}

_USERS = {
    "warmup_epochs": ("warmup", "cosine"),
    "flat_epochs": ("warmup",),
    "cooldown_epochs": ("warmup",),
    "min_rate": ("warmup", "cosine", "step", "one_cycle", "reduce_on_plateau"),
}
