"""Many small fits on random parts of train, and what they say of each image; start at `tasks`.

A loop over the workers: nothing is searched for. Test images are not looked at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from overfit_atlas.images.membership import membership
from overfit_atlas.images.memorisation import influence, mean_memorisation, memorisation, memorised
from overfit_atlas.images.suspicious_labels import suspicious_labels
from pipeline import models
from pipeline.data.prepared import Manifest, Prepared, Split
from pipeline.params import Params, Train
from pipeline.training.task import FitError, FitResult, FitTask

FEWEST_FITS = 10
Paths = Sequence[str]


def tasks(
    params: Params, data: Path, manifest: Manifest, checkpoints: Path | None
) -> list[FitTask]:
    """One fit for each part of train; the same params give the same parts.

    Args:
        data: the folder of prepared images that `manifest` describes.
        checkpoints: where finished fits are kept until the study is over.
    """
    asked = params.images
    section, given = _net(params)
    changed = {"epochs": asked.epochs, "batch_size": asked.batch_size, "early_stopping": None}
    train = given.model_copy(
        update={**changed, "learning_rate": asked.learning_rate, "best_by": "last"}
    )
    seeds = np.random.SeedSequence([params.seed]).generate_state(asked.fits) % 2**31
    return [
        FitTask(
            model=asked.model,
            section=section,
            train=train,
            seed=int(seed),
            data=data,
            data_hash=manifest.content_hash,
            checkpoints=checkpoints,
            share=asked.share,
        )
        for seed in seeds
    ]


def _net(params: Params) -> tuple[Any, Train]:
    """The section of the net that is asked for, and how it is trained."""
    asked = params.images
    own = models.own_section(asked.model)
    if own:
        return own, params.train
    section = models.with_width(asked.model, getattr(params.models, asked.model), asked.width)
    return section, params.train_for(asked.model)


@dataclass
class Tally:
    """What finished fits said, added up; the order in which they finish changes nothing.

    Probabilities are summed as float16 came, in float64, which is exact.
    """

    data: Prepared
    inside: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    right: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    val_right: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    loss: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    outside: Any = 0.0
    val: Any = 0.0
    failures: list[str] = field(default_factory=list)

    def add(self, number: int, result: FitResult) -> None:
        """Count one fit; one whose loss left the finite numbers is only named."""
        said = result.of_train
        if said is None or result.failed:
            self.failures.append(f"fit {number}, {result.failed}")
            return
        self.inside[number] = said.inside
        self.right[number] = said.probabilities.argmax(1) == self.data.train.labels
        self.val_right[number] = said.val_probabilities.argmax(1) == self.data.val.labels
        self.loss[number] = said.loss
        sums = said.probabilities.astype(np.float64)
        sums[said.inside] = 0
        self.outside = self.outside + sums
        self.val = self.val + said.val_probabilities.astype(np.float64)

    def stacked(self, name: str) -> NDArray[Any]:
        """`inside`, `right`, `val_right` or `loss` of all fits (num_fits, num_images), in order."""
        by_number = getattr(self, name)
        return np.stack([by_number[number] for number in sorted(by_number)])

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Of train images, the mean over the fits that did not learn from them; NaN for none."""
        left_out = (~self.stacked("inside")).sum(0)[:, None]
        means = self.outside / np.maximum(left_out, 1)
        return np.where(left_out > 0, means, np.nan)

    @property
    def val_probabilities(self) -> NDArray[np.float64]:
        """Of val images, the mean over all fits."""
        return np.asarray(self.val / len(self.inside))


@dataclass(frozen=True)
class Found:
    """The tables of the study by name, and its summary as plain JSON values."""

    tables: dict[str, pd.DataFrame]
    summary: dict[str, Any]


def tallied(data: Prepared, results: Iterable[tuple[int, FitResult]]) -> Tally:
    """All results counted.

    Raises:
        FitError: so many fits broke down that fewer than ten are left.
    """
    tally = Tally(data)
    for number, result in results:
        tally.add(number, result)
    if len(tally.inside) < FEWEST_FITS:
        raise FitError(
            f"{len(tally.failures)} fits broke down ({tally.failures[0]}), and {len(tally.inside)} "
            f"are left, expected {FEWEST_FITS} or more: lower images.learning_rate."
        )
    return tally


def found(tally: Tally, params: Params, paths: Paths) -> Found:
    """What the fits say of each image.

    Args:
        paths: the file of each image by its id; empty where the images are no files.
    """
    confidence = params.evaluate.confidence
    inside, data = tally.stacked("inside"), tally.data
    of_train = memorisation(inside, tally.stacked("right"), confidence)
    leak = membership(inside, tally.stacked("loss"), confidence)
    named = _named(data.train, data.manifest, paths)
    labels = _labels(tally.probabilities, data.train, data.manifest)
    train = pd.concat([named, of_train.drop(columns="image"), labels], axis=1)
    train["membership"] = leak.of_images
    val = pd.concat(
        [
            _named(data.val, data.manifest, paths),
            pd.DataFrame({"right": tally.stacked("val_right").mean(0)}),
            _labels(tally.val_probabilities, data.val, data.manifest),
        ],
        axis=1,
    )
    pairs = influence(inside, tally.stacked("val_right"), confidence=confidence)
    lists = _lists(train, params.images.suspicion)
    tables = {"train": train, "val": val, "influence": _pairs(pairs, train, val), **lists}
    gap = mean_memorisation(of_train, confidence)
    summary = {
        **_setting(tally, params),
        "gap_accuracy": vars(gap),
        "memorised": int(memorised(train).sum()),
        "membership_auc": vars(leak.auc),
        "suspicious": {
            "train": int(train["suspicious"].sum()),
            "val": int(val["suspicious"].sum()),
        },
        "wrong_labels_expected": float(train["suspicion"].sum()),
        "dropped": len(lists["drop"]),
        "dropped_expected": float(lists["drop"]["suspicion"].sum()),
        "relabelled": len(lists["relabel"]),
        "influence_pairs": len(pairs),
    }
    return Found(tables, summary)


def _setting(tally: Tally, params: Params) -> dict[str, Any]:
    data = tally.data
    return {
        "dataset": data.manifest.dataset,
        "content_hash": data.manifest.content_hash,
        "num_train": len(data.train),
        "num_val": len(data.val),
        "num_fits": len(tally.inside),
        "failures": sorted(tally.failures),
        "seed": params.seed,
        "confidence": params.evaluate.confidence,
        "study": params.images.model_dump(mode="json"),
        "val_accuracy": float(tally.stacked("val_right").mean()),
    }


def _named(split: Split, manifest: Manifest, paths: Paths) -> pd.DataFrame:
    ids = np.asarray(split.ids)
    return pd.DataFrame(
        {
            "id": ids,
            "path": [paths[number] if paths else "" for number in ids.tolist()],
            "class": np.array(manifest.class_names, dtype=object)[np.asarray(split.labels)],
        }
    )


def _labels(probabilities: NDArray[Any], split: Split, manifest: Manifest) -> pd.DataFrame:
    """`suspicious_labels` of the images that any fit left out; of others nothing is known."""
    known = np.flatnonzero(np.isfinite(probabilities).all(1))
    table = suspicious_labels(probabilities[known], np.asarray(split.labels)[known])
    names = np.array(manifest.class_names, dtype=object)
    table["suggested"] = names[table["suggested"].to_numpy()]
    table = table.drop(columns=["image", "label"]).set_index(known).reindex(range(len(split)))
    return table.assign(suspicious=table["suspicious"].eq(True))


def _lists(train: pd.DataFrame, suspicion: float) -> dict[str, pd.DataFrame]:
    """Images to leave out, and those of them of which one other class is likely; by rank."""
    listed = train[train["suspicion"] >= suspicion].sort_values("rank", ignore_index=True)
    sure = listed["suggested_chance"] >= suspicion
    columns = ["id", "path", "class", "suggested", "suspicion", "expected_precision"]
    return {"drop": listed[columns], "relabel": listed.loc[sure, columns].reset_index(drop=True)}


def _pairs(pairs: pd.DataFrame, train: pd.DataFrame, val: pd.DataFrame) -> pd.DataFrame:
    """Pairs by id, file and class in place of places."""
    names = ["id", "path", "class"]
    wrong = val.loc[pairs["wrong"], names].add_prefix("val_").reset_index(drop=True)
    harms = train.loc[pairs["train"], names].add_prefix("train_").reset_index(drop=True)
    return pd.concat([wrong, harms, pairs.drop(columns=["wrong", "train"])], axis=1)
