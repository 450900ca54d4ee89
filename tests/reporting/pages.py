"""Whole pages from made-up results."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from overfit_atlas.page import render
from pipeline import params
from pipeline.data import prepared
from pipeline.data.prepared import Manifest, Prepared, Split
from pipeline.reporting import report, results
from pipeline.reporting.results import Results
from tests.reporting import studies, synthetic

MODELS = {"dense": "overfit 2", "cnn": "by heart"}
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
REMEDIES = (
    "L1", "L2", "elastic net", "dropout", "L2 + dropout", "augmentation", "batch norm",
    "label smoothing", "early stopping", "one temperature", "half width", "twice the data",
    "ensemble of 3",
)  # fmt: skip
DROPOUTS = (0.0, 0.2, 0.4, 0.6, 0.8)
ORIGIN = {"commit": "0123456789ab", "Python": "3.11.7"}
_made: dict[str, str] = {}


def html(language: str, data: Path, folder: Path) -> str:
    """The page with everything on it; made once a session and language."""
    if language not in _made:
        _made[language] = rendered(everything(data, folder), ORIGIN, language=language)
    return _made[language]


def everything(data: Path, folder: Path) -> Results:
    """Results of two models, a map and a comparison."""
    if not (folder / "metrics.json").exists():
        synthetic.write(folder, prepared.read(data), MODELS)
        studies.write_tune(folder / "tune")
        studies.write_compare(folder / "compare" / "remedies")
    return results.read(folder, data, folder / "models")


def like_the_default(data: Path, folder: Path) -> Results:
    """Results as long in names and numbers as those of a default run."""
    made = prepared.read(data)
    synthetic.write(folder, made, synthetic.KINDS)
    studies.write_tune(folder / "tune", [2.0**power for power in range(1, 9)], DROPOUTS)
    kinds = itertools.cycle(studies.EFFECTS.values())
    effects = dict(zip(REMEDIES, kinds, strict=False))
    studies.write_compare(folder / "compare" / "remedies", remedies=effects)
    found = results.read(folder, data, folder / "models")
    if made.manifest.num_classes != len(CLASSES):
        return found
    return replace(
        found, prepared=replace(made, manifest=replace(made.manifest, class_names=CLASSES))
    )


def of_many_classes(folder: Path, num_classes: int) -> Results:
    """Results as long as those of a default run, on colour images of noise, the hardest to pack."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(num_classes, dtype=np.int32), 16)
    images = rng.integers(0, 256, (len(labels), 32, 32, 3), np.uint8)
    ids = np.arange(len(labels))
    whole = Split("all", images, labels, labels, ids)
    parts = np.split(ids, [len(ids) // 2, -len(ids) // 4])
    train, val, test = map(whole.take, parts, prepared.SPLITS)
    names = tuple(f"class number {number}" for number in range(num_classes))
    manifest = Manifest("noise", names, (32, 32, 3), {}, (), (), "")
    made = Prepared(manifest, train, val, test, train.take(ids[: len(val)], "probe"))
    prepared.write(folder / "data", made)
    return like_the_default(folder / "data", folder / "results")


def rendered(found: Results, origin: Mapping[str, str], **asked: Any) -> str:
    """The page of `found`, with `asked` as parameters of the report."""
    return render.html(report.report(found, params.parse({"report": asked}), origin))
