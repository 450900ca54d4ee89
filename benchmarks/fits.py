"""Rows that train one kind of net: images a second, validation after every epoch included."""

import os
import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks import made
from benchmarks.measured import Measured, load_average, ratios
from benchmarks.processes import Side
from benchmarks.setting import Setting

NUM_VAL = 1000
OTHER_SEEDS = 1000


@dataclass(frozen=True)
class Work:
    """A net, and how much it is trained in a round."""

    model: str
    width: int
    num_train: int
    epochs: int
    shape: tuple[int, int, int] = (28, 28, 1)


def measure(name: str, work: Work, setting: Setting) -> Measured:
    """The notebook's fit against ours: alone, and side by side on every core as stages run them.

    The first epoch, in which both compile, is left out of the rate and kept in the remark. A round
    is one seed; the sides take turns to be first.
    """
    load, cores = load_average(), os.cpu_count() or 1
    num_train = setting.smaller(work.num_train, 64)
    folder = made.write(
        setting.folder / "data", num_train, setting.smaller(NUM_VAL, 32), work.shape
    )
    request = {
        "folder": str(folder),
        "model": work.model,
        "width": work.width,
        "epochs": work.epochs,
    }
    with ExitStack() as stack:
        notebook = stack.enter_context(Side("notebook"))
        ours = [stack.enter_context(Side("ours")) for _ in range(cores)]
        setting.said(f"{name}: warming up")
        _together([notebook], {**request, "epochs": 1}, 0)
        _together(ours, {**request, "epochs": 1}, 0)
        rounds = [_round(number, notebook, ours, request) for number in setting.each_round(name)]
    found = Measured(
        name=name,
        unit="s/image",
        notebook=[_steady(one["notebook"]) / num_train for one in rounds],
        ours=[_steady(one["ours"]) / num_train for one in rounds],
        notebook_losses=[one["notebook"][0]["loss"] for one in rounds],
        ours_losses=[one["alone"][0]["loss"] for one in rounds],
        remark=_remark(rounds, cores),
    )
    return setting.labelled(found, load)


def _round(number: int, notebook: Side, ours: list[Side], request: Any) -> dict[str, Any]:
    parts = {
        "notebook": lambda: _together([notebook], request, number),
        "alone": lambda: _together(ours[:1], request, number),
        "ours": lambda: _together(ours, request, OTHER_SEEDS * (number + 1)),
    }
    order = list(parts) if number % 2 == 0 else list(parts)[::-1]
    return {part: parts[part]() for part in order}


def _together(sides: list[Side], request: Any, seed: int) -> list[dict[str, Any]]:
    """One fit in each process at the same time, each with a seed of its own."""
    for position, side in enumerate(sides):
        side.send("trained", **request, seed=seed + position)
    return [side.receive() for side in sides]


def _steady(answers: list[dict[str, Any]]) -> float:
    """Seconds an epoch, without the first: of the slowest process, shared by all of them."""
    return float(max(statistics.mean(one["epochs"][1:]) for one in answers)) / len(answers)


def _whole(answers: list[dict[str, Any]]) -> float:
    return float(max(one["seconds"] for one in answers)) / len(answers)


def _remark(rounds: list[dict[str, Any]], cores: int) -> str:
    notebook = [_steady(one["notebook"]) for one in rounds]
    alone = statistics.median(ratios(notebook, [_steady(one["alone"]) for one in rounds]))
    whole = ratios(
        [_whole(one["notebook"]) for one in rounds], [_whole(one["ours"]) for one in rounds]
    )
    return (
        f"{cores} fits side by side; one fit alone, on one thread: {alone:.2f}x; "
        f"whole fits with the first epoch: {statistics.median(whole):.2f}x"
    )
