"""Fits made up from numbers: no network, no training."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from overfit_atlas.scoring import scores
from overfit_atlas.scoring.fits import Fit, PerImage
from pipeline.training.task import FitResult

CLASSES, IMAGES = 3, 12
LABELS = np.tile(np.arange(CLASSES), IMAGES // CLASSES)


def sure(probability: float, wrong: int = 0) -> np.ndarray:
    """Probabilities that give the label `probability`; the first `wrong` images miss it."""
    rest = (1 - probability) / (CLASSES - 1)
    found = np.full((IMAGES, CLASSES), rest)
    said = np.where(np.arange(IMAGES) < wrong, (LABELS + 1) % CLASSES, LABELS)
    found[np.arange(IMAGES), said] = probability
    return found


def scored(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    predicted = probabilities.argmax(-1)
    tempered = probabilities**0.5 / (probabilities**0.5).sum(-1, keepdims=True)  # T = 2
    return {
        "loss": scores.cross_entropy(probabilities, LABELS),
        "calibrated": scores.cross_entropy(tempered, LABELS),
        "confidence": probabilities.max(-1),
        "brier": scores.brier(probabilities, LABELS),
        "correct": predicted == LABELS,
    }


@pytest.fixture
def labels() -> np.ndarray:
    return LABELS


@pytest.fixture
def probabilities() -> Any:
    return sure


@pytest.fixture
def fit() -> Any:
    """A maker of fits: seed, validation probabilities of each epoch, best epoch."""

    def make(
        seed: int, val: list[np.ndarray], best: int, probe: float = 0.9, failed: str | None = None
    ) -> FitResult:
        rows, kept = [], {}
        for epoch, probabilities in enumerate(val, start=1):
            rows.append({"epoch": epoch, "split": "running", "loss": 1.0, "accuracy": 0.5})
            for split, one in (("probe", sure(probe)), ("val", probabilities)):
                found = scored(one)
                row = {"loss": found["loss"].mean(), "accuracy": found["correct"].mean()}
                row |= {"ece": 0.1, "brier": found["brier"].mean()}
                row |= {"calibrated_loss": found["calibrated"].mean()}
                row |= {"true_accuracy": row["accuracy"]}
                rows.append({"epoch": epoch, "split": split, **row})
                for name, values in found.items():
                    kept.setdefault(f"{split}_{name}", []).append(values)
        curves = pd.DataFrame(rows)
        curves.insert(0, "seed", seed)
        per_image = PerImage(**{name: np.stack(each) for name, each in kept.items()})
        history = Fit(curves, per_image, seed)
        return FitResult(seed, history, best, 1.5, 100, val[best - 1], failed=failed)

    return make
