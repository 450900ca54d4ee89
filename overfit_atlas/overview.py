"""Several models side by side, as text: verdict, best and last validation scores of each."""

import unicodedata
from collections.abc import Sequence

import numpy as np

from overfit_atlas.files import shortened
from overfit_atlas.record import Judgement
from overfit_atlas.scoring.fits import Fit
from overfit_atlas.words import Probability, text

COLUMNS = ("model", "verdict", "probability", "loss", "last_loss", "accuracy", "last_accuracy")
NOTHING = "-"


def table(made: Sequence[Judgement], language: str) -> str:
    """A line a model under a header. Scores are means over the seeds; no order is meant by it."""
    header = [text(f"overview.{name}", language) for name in COLUMNS]
    rows = [header, *(_row(one, language) for one in made)]
    widths = [max(_width(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _row(made: Judgement, language: str) -> list[str]:
    sure = NOTHING if made.probability is None else f"{Probability(made.probability):.0%}"
    losses, accuracies = (_of(made.fits, name) for name in ("loss", "accuracy"))
    epochs = [float(fit.epochs[np.nanargmin(values)]) for fit, values in losses]
    loss = _mean([float(np.nanmin(values)) for _, values in losses], ".3f")
    loss += f" ({np.mean(epochs):.0f})" if epochs else ""
    last_loss = _mean([_last(values) for _, values in losses], ".3f")
    best = _mean([float(np.nanmax(values)) for _, values in accuracies], ".1%")
    last = _mean([_last(values) for _, values in accuracies], ".1%")
    return [shortened(made.name), made.title(language), sure, loss, last_loss, best, last]


def _of(fits: Sequence[Fit], score: str) -> list[tuple[Fit, np.ndarray]]:
    """The fits that have a validation score, and its curve."""
    curves = [(fit, fit.series("val", score)) for fit in fits]
    return [(fit, values) for fit, values in curves if np.isfinite(values).any()]


def _last(values: np.ndarray) -> float:
    return float(values[np.isfinite(values)][-1])


def _mean(values: list[float], form: str) -> str:
    return format(float(np.mean(values)), form) if values else NOTHING


def _width(cell: str) -> int:
    """Columns of a terminal that a text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in cell)
