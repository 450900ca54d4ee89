"""The ensemble of fits that are there already: one ordinary Keras model, and what it scores."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import prediction
from pipeline.data import prepared
from pipeline.data.prepared import Split
from pipeline.files import FITS
from pipeline.models.ensemble import combine as combined
from pipeline.params import Params
from pipeline.training.clean import clean
from pipeline.training.export import keras_bytes
from pipeline.training.task import FitError


@dataclass(frozen=True)
class Combined:
    """The ensemble.

    Attributes:
        model: the bytes of its `.keras` file.
        curves: clean scores of the finished ensemble on probe and val, at its members' mean best
            epoch: one point, for an ensemble is not trained.
        probabilities: of the validation images `(1, num_val, num_classes)`.
        facts: what `fits.json` says of it.
    """

    model: bytes
    curves: pd.DataFrame
    probabilities: np.ndarray
    facts: list[dict[str, Any]]


def combine(params: Params, folder: Path, images: Path) -> Combined:
    """The ensemble that `models.ensemble` describes, from the models in `folder`.

    Args:
        images: the folder of prepared ones.

    Raises:
        FitError: a member has not been trained.
    """
    data = prepared.read(images)
    paths = members(params, folder)
    made = combined([prediction.load(path) for path in paths], params.models.ensemble.average)
    call = prediction.compiled(made)
    found = {name: prediction.run(call, data.split(name).images) for name in ("probe", "val")}
    epoch = round(float(np.mean([_facts(path)["best_epoch"] for path in paths])))
    rows = [
        {"seed": 0, "epoch": epoch, "split": name, **_scores(found[name], data.split(name))}
        for name in found
    ]
    facts = {
        "seed": 0,
        "best_epoch": epoch,
        "num_parameters": int(made.count_params()),
        "members": [f"{path.parent.name}/{path.name}" for path in paths],
    }
    return Combined(keras_bytes(made), pd.DataFrame(rows), found["val"][None], [facts])


def members(params: Params, folder: Path) -> list[Path]:
    """The `.keras` files that are averaged: the first seeds of the base, or each named model's."""
    chosen = params.models.ensemble
    named = chosen.members if isinstance(chosen.members, tuple) else (chosen.base,)
    paths = [
        folder / name / f"seed-{seed}.best.keras"
        for name in named
        for seed in params.train_for(name).seeds
    ]
    if isinstance(chosen.members, int):
        paths = paths[: chosen.members]
    for path in paths:
        if not path.exists():
            raise FitError(
                f"models.ensemble: {path} is not there; train its members first "
                f"(`dvc repro train@{path.parent.name}`)."
            )
    return paths


def _scores(probabilities: np.ndarray, split: Split) -> dict[str, float]:
    tiny = np.finfo(np.float32).tiny
    return clean(np.log(np.maximum(probabilities, tiny)), split)[0]


def num_parameters(params: Params, folder: Path) -> int:
    """How many weights all members together have."""
    return sum(_facts(path)["num_parameters"] for path in members(params, folder))


def _facts(path: Path) -> dict[str, int]:
    fits: list[dict[str, int]] = json.loads((path.parent / FITS).read_text())
    seed = int(path.name.split(".")[0].removeprefix("seed-"))
    return next(fit for fit in fits if fit["seed"] == seed)
