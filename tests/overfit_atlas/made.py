"""Fits made from planted curves, for tests of the judge: what is put in must come out."""

import numpy as np
import pandas as pd

from overfit_atlas.scoring.fits import Fit, PerImage


def fit(val, probe, error=0.2, probe_error=0.05, calibrated=None, images=400, seed=0):
    """A fit whose mean curves are these; images differ about them by a fixed pattern.

    `error` and `probe_error` are shares of wrong images, one number or one an epoch.
    """
    rng = np.random.default_rng(seed)
    val, probe = np.asarray(val, float), np.asarray(probe, float)
    calibrated = val if calibrated is None else np.asarray(calibrated, float)
    spread = rng.exponential(1.0, images)
    spread /= spread.mean()
    order = rng.permutation(images) / images
    wrong = {
        "val": order < np.broadcast_to(error, val.shape)[:, None],
        "probe": order < np.broadcast_to(probe_error, val.shape)[:, None],
    }
    losses = {"val": val[:, None] * spread, "probe": probe[:, None] * spread}
    arrays = {}
    for split in ("val", "probe"):
        arrays[f"{split}_loss"] = losses[split].astype(np.float32)
        arrays[f"{split}_correct"] = ~wrong[split]
        arrays[f"{split}_confidence"] = np.full_like(losses[split], 0.9)
    arrays["val_calibrated"] = (calibrated[:, None] * spread).astype(np.float32)
    return Fit(curves(arrays, seed), PerImage(**arrays), seed)


def curves(arrays, seed=0):
    """The table of curves that belongs to per-image scores."""
    tables = []
    for split in ("val", "probe"):
        loss, correct = arrays[f"{split}_loss"], arrays[f"{split}_correct"]
        epochs = np.arange(1, len(loss) + 1)
        columns = {"loss": loss.mean(1), "accuracy": correct.mean(1)}
        tables.append(pd.DataFrame({"seed": seed, "epoch": epochs, "split": split, **columns}))
    return pd.concat(tables, ignore_index=True)


def turn(epochs=20, best=8, low=0.5, slope=0.05):
    """A loss that falls until epoch `best` (1-based) and rises by `slope` an epoch afterwards."""
    t = np.arange(1, epochs + 1)
    return np.where(t <= best, low + 0.1 * (best - t), low + slope * (t - best))


def falling(epochs=20, start=1.0, end=0.02):
    """A training loss that keeps falling."""
    return np.geomspace(start, end, epochs)


def flat(epochs=20, level=0.5):
    """A loss that falls in the first epochs and stays."""
    return level + np.exp(-np.arange(epochs))
