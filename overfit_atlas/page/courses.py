"""The course of a training, epoch by epoch: curves, confusions, calibration, and its verdict."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from overfit_atlas.estimates import Json
from overfit_atlas.page.numbers import known, rounded, true_minus
from overfit_atlas.rules import PLAINLY
from overfit_atlas.scoring.fits import Fit, Floats

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("loss", "calibrated_loss", "accuracy")
NUM_BINS = 10
MOST_CELLS = 150  # of a confusion matrix, kinds of mistakes kept of an epoch


def course(
    judged: Json, fits: Sequence[Fit], language: str, labels: NDArray[np.integer] | None = None
) -> Json:
    """One model as the page shows it; all numbers of epochs are means over seeds.

    Args:
        judged: the record of its judgement (`Judgement.as_json`).
        fits: its seeds; without any there are no curves.
        labels: classes of the validation images `(num_images,)`, where they are known.

    Returns: name, verdict, kind, title, why, notes, probability, plainly, likeliest, onset, gap,
        num_seeds, num_images; epochs; fitted: what the curves "probe" are of, probe or running;
        curves: by metric and split a value an epoch, with the ends of the seeds for val;
        calibration: an epoch, bins of (claimed, right); mistakes: an epoch, (true, predicted,
        times), most frequent first; right: an epoch, right answers by class; totals: images of
        each class; both over all seeds.
    """
    whole = [fit for fit in fits if fit.failed is None]
    made = {
        **{name: judged.get(name) for name in ("name", "verdict", "kind", "probability")},
        "plainly": plainly(judged.get("probability")),
        "likeliest": list(judged.get("likeliest") or ()),
        "title": said(judged.get("title"), language) or str(judged.get("verdict", "")),
        "why": said(judged.get("why"), language),
        "notes": [said(one, language) for one in judged.get("notes", ())],
        "onset": (judged.get("onset") or {}).get("loss"),
        "gap": (judged.get("gap") or {}).get("loss"),
        "num_seeds": judged.get("num_seeds"),
        "num_images": judged.get("num_images"),
        "epochs": [],
    }
    if not whole:
        return made
    return made | _over_epochs(whole, labels)


def plainly(probability: Any) -> bool:
    """Whether a verdict of this probability is said without "probably"; not where none is known."""
    return known(probability) and float(probability) >= PLAINLY


def said(message: Any, language: str) -> str:
    """A sentence of a record (a text by language) in one language."""
    if isinstance(message, dict):
        message = message.get(language) or message.get("en") or message.get("key", "")
    return true_minus(str(message or ""))


def _over_epochs(fits: Sequence[Fit], labels: NDArray[np.integer] | None) -> Json:
    longest = max(fits, key=lambda fit: fit.num_epochs)
    found: Json = {
        "epochs": [int(epoch) for epoch in longest.epochs],
        "fitted": longest.fitted,
        "curves": {metric: curves(fits, metric) for metric in METRICS},
    }
    if all(fit.per_image is not None for fit in fits):
        found["calibration"] = calibration(fits)
    if labels is not None and _has_classes(fits):
        counted = np.bincount(labels)
        found["mistakes"] = mistakes(fits, labels)
        found["right"] = right(fits, labels)
        found["totals"] = [int(one) * len(fits) for one in counted]
    return found


def _has_classes(fits: Sequence[Fit]) -> bool:
    return all(
        fit.per_image is not None and fit.per_image.val_predicted is not None for fit in fits
    )


def curves(fits: Sequence[Fit], metric: str) -> Json:
    """Means over seeds at each epoch, and the ends of the seeds on val: probe, val, low, high."""
    val = _table(fits, lambda fit: fit.series("val", metric))
    fitted = _table(fits, lambda fit: fit.series(fit.fitted, metric))
    ends = {"low": val.min(0), "high": val.max(0)}
    return {
        name: rounded(curve)
        for name, curve in {"probe": fitted.mean(0), "val": val.mean(0), **ends}.items()
    }


def _table(fits: Sequence[Fit], curve: Callable[[Fit], Floats]) -> Floats:
    """Seeds in rows; the epochs that all of them have."""
    shortest = min(fit.num_epochs for fit in fits)
    longest = max(fit.num_epochs for fit in fits)
    values = np.full((len(fits), longest), np.nan)
    values[:, :shortest] = [curve(fit)[:shortest] for fit in fits]
    return values


def curves_by(
    table: "pd.DataFrame", by: Sequence[str], *, sort: bool = True
) -> Iterator[tuple[Any, Json]]:
    """Of each group of fits its key, a tuple, and its curves: means over seeds at each epoch.

    Args:
        table: one row a fit, epoch and split. by: columns that tell the groups apart; a group
            without probe or without val is left out. sort: False keeps the groups as they come.

    Yields: epochs, probe, probe_accuracy, val, val_accuracy; gap: val minus probe, of the loss.
    """
    clean = table[table["split"].isin(["probe", "val"])]
    grouped = clean.groupby([*by, "split", "epoch"], as_index=False, sort=sort)
    means = grouped[["loss", "accuracy"]].mean()
    for key, rows in means.groupby(list(by), sort=sort):
        of = {str(split): one.sort_values("epoch") for split, one in rows.groupby("split")}
        if set(of) == {"probe", "val"}:
            found: Json = {"epochs": [int(epoch) for epoch in of["val"]["epoch"]]}
            for split, one in of.items():
                found[split] = rounded(one["loss"])
                found[f"{split}_accuracy"] = rounded(one["accuracy"])
            gap = of["val"]["loss"].to_numpy() - of["probe"]["loss"].to_numpy()
            yield key, found | {"gap": rounded(gap)}


def calibration(fits: Sequence[Fit]) -> list[list[tuple[float, float]]]:
    """At each epoch, of bins of equal size: probability claimed on val, and share right."""
    found = []
    for index in range(min(fit.num_epochs for fit in fits)):
        pairs = [
            (fit.per_image.epoch("val", "confidence", index), fit.per_image.val_correct[index])
            for fit in fits
            if fit.per_image is not None
        ]
        claimed = np.concatenate([claim for claim, _ in pairs])
        right = np.concatenate([one for _, one in pairs])
        order = np.argsort(claimed, kind="stable")
        bins = np.array_split(order, min(NUM_BINS, len(order)))
        found.append(
            [(round(float(claimed[b].mean()), 3), round(float(right[b].mean()), 3)) for b in bins]
        )
    return found


def mistakes(fits: Sequence[Fit], labels: NDArray[np.integer]) -> list[list[tuple[int, int, int]]]:
    """At each epoch the kinds of mistakes on val: (true, predicted, times over all seeds)."""
    found = []
    for index in range(min(fit.num_epochs for fit in fits)):
        said = [np.asarray(fit.per_image.val_predicted)[index] for fit in fits if fit.per_image]
        true, predicted = np.tile(labels, len(said)), np.concatenate(said)
        wrong = true != predicted
        pairs, times = np.unique(
            np.stack([true[wrong], predicted[wrong]], 1).astype(int), axis=0, return_counts=True
        )
        order = np.argsort(-times, kind="stable")[:MOST_CELLS]
        found.append([(int(pairs[i, 0]), int(pairs[i, 1]), int(times[i])) for i in order])
    return found


def right(fits: Sequence[Fit], labels: NDArray[np.integer]) -> list[list[int]]:
    """At each epoch, right answers on val by class, over all seeds."""
    epochs = range(min(fit.num_epochs for fit in fits))
    kept = [fit.per_image.val_correct for fit in fits if fit.per_image is not None]
    size = int(labels.max()) + 1
    counts = [sum(np.bincount(labels[one[t]], minlength=size) for one in kept) for t in epochs]
    return [[int(one) for one in np.atleast_1d(of_epoch)] for of_epoch in counts]
