"""What training left on disk, read again: facts and fits of one model."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.errors import AtlasError
from overfit_atlas.scoring.fits import Fit, PerImage, from_table
from pipeline.files import FITS
from pipeline.params import TUNED, trained_by


def enabled(folder: Path, names: Iterable[str]) -> list[str]:
    """Those of the models `names` in `folder` that were trained, in their order.

    Training leaves an empty list of fits of a model that `enabled` in params.yaml leaves out, and
    of the search's winner where there was no search.
    """
    found = [name for name in names if (folder / name).is_dir()]
    return [name for name in found if _fits(folder / name)]


def facts(folder: Path) -> list[dict[str, Any]]:
    """One record a seed of the model in `folder`: seed, best_epoch, num_parameters, temperature.

    Raises:
        AtlasError: the model has not been trained.
    """
    found = _fits(folder)
    if not found:
        raise left_out(folder)
    return found


def left_out(folder: Path) -> AtlasError:
    """Why the model in `folder` has no fits although its stage has run, and what to do."""
    name = folder.name
    why = f"params.yaml says enabled.{name}: false; set it to true"
    if name == TUNED:
        why = "nothing was searched; set tune.search_trials"
    return AtlasError(f"{folder}: no fits, for {why} and run `dvc repro {trained_by(name)}`.")


def _fits(folder: Path) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = json.loads((folder / FITS).read_text())
    except FileNotFoundError:
        raise AtlasError(
            f"{folder}: no {FITS}; run `dvc repro {trained_by(folder.name)}`."
        ) from None
    return found


def weights(folder: Path) -> list[Path]:
    """The delivered model of each seed."""
    return [folder / f"seed-{fit['seed']}.best.keras" for fit in facts(folder)]


def read_fits(folder: Path, curves: Path) -> list[Fit]:
    """One fit a seed of the model in `folder`, with its per-image scores.

    Args:
        curves: the folder with its table of curves.
    """
    table = pd.read_csv(curves / f"{folder.name}.csv")
    per_image = {}
    for fit in facts(folder):
        with np.load(folder / f"seed-{fit['seed']}.per_image.npz", allow_pickle=False) as arrays:
            per_image[int(fit["seed"])] = PerImage(**arrays)
    return from_table(table, per_image)
