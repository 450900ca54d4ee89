"""Rows that run many fits: whole processes, from start to end, imports included."""

import csv
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import made, processes
from benchmarks.measured import Measured, load_average
from benchmarks.processes import BenchmarkError
from benchmarks.setting import Setting
from pipeline import params as parameters
from pipeline.files import write_json

NUM_RATES, HIGHEST_RATE = 16, 0.6
SWEEP_EPOCHS = 2
MAP_IMAGES = 1600, 400  # as the shipped data set is split
MEMBERS, MEMBER_EPOCHS, MEMBER_IMAGES = 5, 2, 960
Command = Callable[[int, Path], list[str]]
Losses = Callable[[str, Path], dict[str, Any]]


def sweep(name: str, model: str, width: int, num_train: int, setting: Setting) -> Measured:
    """16 rates of dropout, one fit each: ours is the real tune stage, with Optuna and MLflow."""
    rates = [HIGHEST_RATE * index / (NUM_RATES - 1) for index in range(setting.smaller(16, 4))]
    tune = {"widths": [width], "dropouts": rates, "epochs": SWEEP_EPOCHS}
    num_train = setting.smaller(num_train, 64)
    folder = made.write(setting.folder / "data", num_train, setting.smaller(1000, 32), (28, 28, 1))
    return _study(name, {**tune, "model": model}, 1, folder, setting)


def default_map(name: str, setting: Setting) -> Measured:
    """The map as params.yaml has it: 40 points, three fits each."""
    params = parameters.load(processes.ROOT / "params.yaml")
    tune = {
        "model": params.tune.model,
        "widths": list(params.tune.widths[:: setting.shrink]),
        "dropouts": list(params.tune.dropouts),
        "epochs": setting.smaller(params.tune.epochs, 2),
    }
    folder = made.write(setting.folder / "data", *MAP_IMAGES, (28, 28, 1))
    return _study(name, tune, len(params.tune.seeds), folder, setting)


def _study(
    name: str, tune: dict[str, Any], num_seeds: int, folder: Path, setting: Setting
) -> Measured:
    def trials(number: int) -> list[dict[str, Any]]:
        return [
            {"model": tune["model"], "width": width, "dropout": rate, "seed": seed}
            for width in tune["widths"]
            for rate in tune["dropouts"]
            for seed in _seeds(number, num_seeds)
        ]

    def notebook(number: int, _: Path) -> list[str]:
        request = {"folder": str(folder), "epochs": tune["epochs"], "trials": trials(number)}
        return ["-m", "benchmarks.notebook", "sweep", json.dumps(request)]

    def ours(number: int, place: Path) -> list[str]:
        document = {"tune": {**tune, "seeds": _seeds(number, num_seeds)}}
        write_json(place / "params.yaml", document)  # JSON is YAML
        paths = ["--params", "params.yaml", "--data", str(folder), "--out", "tune"]
        return ["-m", "pipeline.stages.tune", *paths]

    num_fits = len(trials(0))
    sides: dict[str, tuple[Command, Losses]] = {
        "notebook": (notebook, _answer),
        "ours": (ours, _of_map(num_fits)),
    }
    remark = f"{num_fits} fits, {tune['epochs']} epochs each, whole processes"
    return _alternating(name, sides, num_fits, setting, remark)


def _seeds(number: int, count: int) -> list[int]:
    """Every round has seeds of its own."""
    return list(range(number * count, (number + 1) * count))


def ensemble(name: str, setting: Setting) -> Measured:
    """Five nets and the average of what they say, on validation images."""
    num_train = setting.smaller(MEMBER_IMAGES, 64)
    num_val = setting.smaller(500, 32)
    folder = made.write(setting.folder / "data", num_train, num_val, (32, 32, 3))
    members = setting.smaller(MEMBERS, 2)

    def request(number: int) -> str:
        one = {"model": "efficientnet", "width": 0, "dropout": 0.2}
        trials = [{**one, "seed": seed} for seed in _seeds(number, members)]
        return json.dumps({"folder": str(folder), "epochs": MEMBER_EPOCHS, "trials": trials})

    sides: dict[str, tuple[Command, Losses]] = {
        "notebook": (lambda n, _: ["-m", "benchmarks.notebook", "ensemble", request(n)], _answer),
        "ours": (lambda n, _: ["-m", "benchmarks.ours", "ensemble", request(n)], _answer),
    }
    remark = f"{members} fits, {num_train} images, {MEMBER_EPOCHS} epochs each, whole processes"
    return _alternating(name, sides, members, setting, remark)


def _alternating(
    name: str,
    sides: dict[str, tuple[Command, Losses]],
    num_fits: int,
    setting: Setting,
    remark: str,
) -> Measured:
    """Both commands in turns; each must have made all fits, to a finite loss."""
    load = load_average()
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    losses: dict[str, list[float]] = {side: [] for side in sides}
    for number in setting.each_round(name):
        for side in list(sides)[:: 1 if number % 2 == 0 else -1]:
            command, read = sides[side]
            place = setting.folder / f"{side}-{number}"
            place.mkdir()
            taken, printed = processes.timed([sys.executable, *command(number, place)], place)
            answer = read(printed, place)
            if answer["num_fits"] != num_fits:
                raise BenchmarkError(f"{side}: {answer['num_fits']} of {num_fits} fits came back")
            seconds[side].append(taken)
            losses[side].append(processes.finite(answer, side))
    found = Measured(
        name=name,
        unit="s",
        notebook=seconds["notebook"],
        ours=seconds["ours"],
        notebook_losses=losses["notebook"],
        ours_losses=losses["ours"],
        remark=remark,
    )
    return setting.labelled(found, load)


def _answer(printed: str, _: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return answer


def _of_map(num_fits: int) -> Losses:
    """Reads the tables of the tune stage: the mean of the losses after the last epoch."""

    def read(_: str, place: Path) -> dict[str, Any]:
        with (place / "tune" / "map.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        last = max((row["epochs"] for row in rows), key=int, default="")
        losses = [float(row["val_loss"] or math.nan) for row in rows if row["epochs"] == last]
        return {"loss": sum(losses) / max(1, len(losses)), "num_fits": len(losses)}

    return read
