"""What the other stages wrote, as far as it is there: tables by name, and None for what is not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from overfit_atlas.errors import AtlasError
from overfit_atlas.scoring.fits import Fit, PerImage, from_table
from pipeline.data import prepared
from pipeline.data.prepared import Manifest, Prepared
from pipeline.params import MODEL_NAMES

Tables = Mapping[str, pd.DataFrame]
Arrays = Mapping[str, NDArray[Any]]
ORDER = MODEL_NAMES
MAIN_COMPARISON = "remedies"


class ResultsError(AtlasError):
    """The results cannot be reported: a file is missing or broken; names it and the remedy."""


@dataclass(frozen=True)
class Results:
    """All there is to report; `read` makes it.

    metrics: scores by model and split. diagnosis: by model. tables: of one row a score, by kind
    ("per_class", ...) and model; of kinds "data" and "images", by file name. curves: by model.
    tune: tables and records of the map, by file name. compare: the same by comparison. overtuning:
    of the search's winner, empty where there was none. paths: predictions and Grad-CAM, by kind and
    model, and per_image: scores of single images, a file a seed; read when they are asked for.
    """

    prepared: Prepared
    metrics: Mapping[str, Mapping[str, Mapping[str, Any]]]
    diagnosis: Mapping[str, Mapping[str, Any]]
    comparison: Mapping[str, Any]
    tables: Mapping[str, Tables]
    tune: Mapping[str, Any]
    compare: Mapping[str, Mapping[str, Any]]
    overtuning: Mapping[str, Any] = field(default_factory=dict)
    paths: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    per_image: Mapping[str, Sequence[Path]] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """What is known about the data."""
        return self.prepared.manifest

    @property
    def curves(self) -> Tables:
        """The learning curves by model, in the order of the models."""
        found = self.tables.get("curves", {})
        return {name: found[name] for name in self.models if name in found}

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The models that were evaluated, in the order of params.yaml, others after them."""
        known = [name for name in ORDER if name in self.metrics]
        return (*known, *sorted(set(self.metrics) - set(known)))

    @property
    def best(self) -> str:
        """The model with the lowest loss on validation; test never chooses."""
        return min(self.models, key=lambda name: (self.score(name, "val", "loss"), name))

    def score(self, model: str, split: str, score: str) -> float:
        """One number of metrics.json; inf where it is missing."""
        found = self.metrics[model].get(split, {}).get(score)
        return float("inf") if found is None else float(found)

    def table(self, kind: str, model: str) -> pd.DataFrame | None:
        """One table of one model, or None where it was not written or has no rows."""
        found = self.tables.get(kind, {}).get(model)
        return None if found is None or found.empty else found

    def arrays(self, kind: str, model: str) -> Arrays | None:
        """The arrays of one model ("predictions", "gradcam"), or None where there are none."""
        path = self.paths.get(kind, {}).get(model)
        return None if path is None else _arrays(path)

    def judged(self, model: str) -> Mapping[str, Any]:
        """The record of a model's judgement; one that says nothing where it was not judged."""
        return self.diagnosis.get(model) or {"verdict": "undetermined"}

    def fits(self, model: str) -> list[Fit]:
        """One fit a seed with its per-image scores; none for a model without epochs."""
        table = self.table("curves", model)
        if table is None or table["epoch"].nunique() < 2:
            return []
        arrays = {int(path.name.split(".")[0][5:]): path for path in self.per_image.get(model, ())}
        kept = {seed: _per_image_of(path) for seed, path in arrays.items()}
        return from_table(table, {seed: one for seed, one in kept.items() if one is not None})


def read(
    results: Path,
    data: Path,
    models: Path | None = None,
    comparisons: Sequence[str] = (MAIN_COMPARISON,),
) -> Results:
    """All results below `results`, of `comparisons` those named; and the prepared data in `data`.

    `models` is where the stages keep the scores of single images beside the models.

    Raises:
        ResultsError: nothing was evaluated yet, or a file cannot be read.
    """
    metrics = _json(results / "metrics.json")
    if not metrics:
        raise ResultsError(f"{results / 'metrics.json'}: not found. Run `dvc repro evaluate`.")
    kinds = ("curves", "per_class", "confused_pairs", "data", "images")
    return Results(
        prepared=prepared.read(data),
        metrics=metrics,
        diagnosis=_json(results / "diagnosis.json"),
        comparison=_json(results / "comparison.json"),
        tables={kind: _tables(results / kind) for kind in kinds},
        tune=_folder(results / "tune"),
        overtuning=_json(results / "overtuning.json"),
        compare=_comparisons(results / "compare", comparisons),
        paths={
            kind: {path.stem: path for path in sorted((results / kind).glob("*.npz"))}
            for kind in ("predictions", "gradcam")
        },
        per_image={} if models is None else _per_image(models),
    )


def _per_image_of(path: Path) -> PerImage | None:
    """The scores of single images of one fit; None for a file that lacks those that must be."""
    arrays = _arrays(path)
    try:
        return PerImage(**arrays)
    except TypeError:
        return None


def _per_image(models: Path) -> dict[str, list[Path]]:
    """Files by model, in the order of their seeds' numbers as text."""
    found: dict[str, list[Path]] = {}
    for path in sorted(models.glob("*/seed-*.per_image.npz")):
        found.setdefault(path.parent.name, []).append(path)
    return found


def _comparisons(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    found = {name: _folder(folder / name) for name in names}
    return {name: tables for name, tables in found.items() if tables}


def _folder(folder: Path) -> dict[str, Any]:
    """The tables (.csv) and records (.json) of a folder, by file name without its ending."""
    records = {path.stem: _json(path) for path in sorted(folder.glob("*.json"))}
    return {**records, **_tables(folder)}


def _tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: _table(path) for path in sorted(folder.glob("*.csv"))}


def _table(path: Path) -> pd.DataFrame:
    # A class may be called "None" or "NA": only empty cells are missing.
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        raise ResultsError(_unreadable(path, error)) from None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ResultsError(_unreadable(path, error)) from None


def _arrays(path: Path) -> Arrays:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ResultsError(_unreadable(path, error)) from None


def _unreadable(path: Path, error: Exception) -> str:
    first = " ".join(str(error).split())[:200]
    return f"{path}: cannot be read: {first}. Run `dvc repro -f` for the stage that writes it."
