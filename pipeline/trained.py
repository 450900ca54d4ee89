"""What training left on disk, read again: facts and fits of one model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.errors import AtlasError
from overfit_atlas.scoring.fits import Fit, PerImage, from_table
from pipeline.params import trained_by

FITS = "fits.json"
"""In the folder of a model that has been trained."""


def facts(folder: Path) -> list[dict[str, Any]]:
    """One record a seed of the model in `folder`: seed, best_epoch, num_parameters, temperature.

    Raises:
        AtlasError: the model has not been trained.
    """
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
