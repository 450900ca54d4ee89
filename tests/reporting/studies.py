"""Made-up results of `tune` and `compare`, in the form in which those stages write them."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tests.overfit_atlas import synthetic
from tests.reporting.synthetic import SEEDS, curves

WIDTHS, DROPOUTS = (4, 16, 64, 256), (0.0, 0.4, 0.8)
LADDER = [2.0**power for power in range(2, 9)]
POINT = ["width", "dropout", "seed"]
START = "from a width of about 9 on (8 to 10, 95% interval): its gap reaches 0.30 nats there"
SENTENCES = {
    epochs: {
        "en": f"After {epochs} epochs, dense without dropout overfits {en}.",
        "ja": f"{epochs} エポック後、ドロップアウトなしの dense は{ja}。",
    }
    for epochs, en, ja in (
        (5, START, "幅およそ 9 から過学習する"),
        (2, "at no width examined", "調べたどの幅でも過学習しない"),
    )
}
EFFECTS = {  # by variant: kind, effect on val_accuracy, val_loss, gap_loss
    "dropout 0.5": ("cures", 0.02, -0.2, -0.3),
    "half width": ("masks", 0.0, 0.01, -0.1),
    "L1": ("harms", -0.05, 0.2, -0.2),
    "batch norm": ("no effect", 0.001, -0.01, 0.01),
    "twice the data": ("improves", 0.03, -0.1, 0.02),
    "L2": ("unclear", 0.0, -0.02, -0.02),
}


def write_tune(
    folder: Path, widths: Sequence[float] = WIDTHS, dropouts: Sequence[float] = DROPOUTS
) -> None:
    """results/tune: the map, its surface and frontier, and the search."""
    rng = np.random.default_rng(0)
    fits = pd.DataFrame(itertools.product(widths, dropouts, range(SEEDS)), columns=POINT)
    fits = scored(fits).assign(epochs=40, train_fraction=1.0, label_noise=0.0)
    fits["gap_loss"] += rng.normal(0, 0.01, len(fits))
    fits["onset_epoch"] = (30 - 40 * fits["gap_loss"]).round().where(fits["gap_loss"] > 0.1)
    frontier = pd.DataFrame({"width": LADDER, "dropout": np.linspace(0, 0.6, len(LADDER))})
    frontier["dropout_low"] = (frontier["dropout"] - 0.05).clip(0)
    frontier["dropout_high"] = frontier["dropout"] + 0.05
    frontier.loc[len(LADDER) - 1, "dropout_high"] = np.nan  # more than was examined
    early = frontier.assign(epochs=2, dropout=0.0)  # the first part of the training needs none
    frontier = pd.concat([early, frontier.assign(epochs=5)], ignore_index=True)
    frontier["need"] = np.where(frontier["dropout"] > 0, "some", "none")
    folder.mkdir(parents=True)
    points, courses = _points(fits), _map_curves(fits)
    stages = points[["width", "dropout"]].assign(epoch=2, verdict="underfit", kind="too short")
    stages["probability"] = np.where(stages["width"] == 16, 0.7, 0.95)
    named = {"points": points, "map_curves": courses, "frontier": frontier, "epochs": stages}
    for name, table in named.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    start = {"reach": "from a width", "width": 9.2, "low": 8.1, "high": 10.4}
    slices = [
        {"overfits_from": start, "epochs": epochs, "sentence": SENTENCES[epochs]}
        for epochs in SENTENCES
    ]
    (folder / "summary.json").write_text(json.dumps({"slices": slices, "threshold": 0.3}))


def _points(fits: pd.DataFrame) -> pd.DataFrame:
    """The means of the seeds, and a verdict by them."""
    means = fits.groupby(["width", "dropout", "epochs"], as_index=False)[["gap_loss"]].mean()
    wide = means["gap_loss"] > 0.3
    said = {
        "verdict": np.where(wide, "overfit", "good fit"),
        "kind": np.where(wide, "by heart", ""),
    }
    onset = {"onset": np.where(wide, "confirmed", "none"), "onset_epoch": 3}
    sure = {"probability": np.where(means["width"] == 4, 0.7, 0.95), "num_seeds": SEEDS}
    return means.assign(**said, **onset, onset_low=2, onset_high=4, **sure)


def _map_curves(fits: pd.DataFrame) -> pd.DataFrame:
    """Curves that part, by five epochs, to the gap of each fit."""
    rows = []
    for fit in fits.to_dict("records"):
        for epoch in range(1, 6):
            gap = fit["gap_loss"] * epoch / 5
            for split, loss in (("probe", 1 / epoch), ("val", 1 / epoch + gap)):
                at = {name: fit[name] for name in POINT}
                rows.append({**at, "epoch": epoch, "split": split, "loss": loss, "accuracy": 0.8})
    return pd.DataFrame(rows)


def scored(at: pd.DataFrame) -> pd.DataFrame:
    """Gap and scores at each row of `at` (width, dropout)."""
    size = np.log2(at["width"]) * (1 - at["dropout"])
    gap = 0.01 * size**2
    return at.assign(
        gap_loss=gap,
        probe_accuracy=0.6 + 0.05 * size,
        val_loss=1 - 0.1 * size + gap,
        val_accuracy=0.6 + 0.03 * size,
    )


def write_compare(
    folder: Path,
    title: str = "What cures overfitting?",
    remedies: Mapping[str, tuple[str, float, float, float]] = EFFECTS,
) -> None:
    """results/compare/NAME: effects, curves, and what each variant is."""
    folder.mkdir(parents=True)
    rows, tables, variants = [], [], {"baseline": {"baseline": True, "changes": {}}}
    tables.append(_curves("overfit 2", "baseline"))
    for name, (kind, *effects) in remedies.items():
        for at in ("last", "best"):
            for metric, effect in zip(
                ("val_accuracy", "val_loss", "gap_loss"), effects, strict=True
            ):
                row = {"name": name, "metric": metric, "at": at, "effect": effect, "kind": kind}
                row |= {"low": effect - 0.01, "high": effect + 0.01}
                rows.append(row | {"num_seeds": SEEDS, "num_images": 400})
        tables.append(_curves("ideal", name))
        changes = {"models.dense.dropout": 0.5}
        variants[name] = {"changes": changes, "verdict": "good fit", "num_parameters": 407050}
    pd.DataFrame(rows).to_csv(folder / "effects.csv", index=False)
    pd.concat(tables).to_csv(folder / "curves.csv", index=False)
    (folder / "variants.json").write_text(json.dumps(variants))
    summary = {"title": title, "baseline": "baseline", "model": "dense", "confidence": 0.95}
    summary["kinds"] = {
        name: dict.fromkeys(("last", "best"), kind[0]) for name, kind in remedies.items()
    }
    (folder / "summary.json").write_text(json.dumps(summary))


def _curves(kind: str, name: str) -> pd.DataFrame:
    return curves(synthetic.make(kind, seed=7, num_seeds=SEEDS)).assign(variant=name)
