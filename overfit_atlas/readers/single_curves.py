"""Logs that keep each curve for itself, with its steps: put side by side again."""

from collections.abc import Mapping, Sequence

import numpy as np

from overfit_atlas.errors import ReadError
from overfit_atlas.readers.names import is_curve, meaning
from overfit_atlas.readers.raw import Facts, Raw, named
from overfit_atlas.readers.table import Table, refuse_size, table

Points = Sequence[tuple[float, float]]  # (step, value), in the order of the log


def merged(curves: Mapping[str, Points], name: str, format: str, facts: Facts | None = None) -> Raw:
    """One table of curves by name, a row a step.

    Where a curve "epoch" gives the epoch of each step, rows are epochs by it. Where all curves
    stand at the same steps, or validation at every k-th, steps are epochs; else a row is a step
    and what lies between two validations becomes one epoch.
    """
    known = {key: list(points) for key, points in curves.items() if len(points)}
    if not any(is_curve(key) for key in known):
        raise ReadError(f"{name}: no loss and no accuracy among {named(curves)}")
    known = {key: _counted(points) for key, points in known.items()}
    epoch = next((key for key in known if meaning(key).kind == "epoch"), None)
    steps = sorted({step for key, points in known.items() if key != epoch for step, _ in points})
    refuse_size(len(steps), len(known))
    columns: dict[str, list[object]] = {}
    for key, points in known.items():
        values = dict(points)
        if key != epoch:
            columns[key] = [values.get(step) for step in steps]
    numbers = _epochs_of(steps, known[epoch]) if epoch else _steps_as_epochs(steps, columns)
    if numbers is not None:
        columns = {"epoch": numbers, **columns}
    return Raw(name, _ordered(columns), format, facts or Facts())


def _ordered(columns: dict[str, list[object]]) -> Table:
    return table(columns)


def _counted(points: Points) -> list[tuple[float, float]]:
    """Points, numbered from 0 where all were logged at one step."""
    if len(points) > 1 and len({step for step, _ in points}) == 1:
        return [(float(i), value) for i, (_, value) in enumerate(points)]
    return list(points)


def _epochs_of(steps: list[float], epochs: Points) -> list[object]:
    """The epoch of each step: that of the next step at which it was logged."""
    pairs = sorted(epochs)
    at = np.array([step for step, _ in pairs])
    values = np.array([value for _, value in pairs])
    index = np.minimum(np.searchsorted(at, np.array(steps)), len(at) - 1)
    return [float(value) for value in values[index]]


def _steps_as_epochs(steps: list[float], columns: dict[str, list[object]]) -> list[object] | None:
    """The steps, where they count epochs: one by one, each with what is known of training."""
    if any(step != int(step) for step in steps) or not steps or steps[0] > 1:
        return None
    if len(steps) > 1 and set(np.diff(steps)) != {1.0}:
        return None
    return list(steps)
