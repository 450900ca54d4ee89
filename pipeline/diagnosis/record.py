"""What a diagnosis holds, and how it is written down: JSON, scalar metrics, tags, marks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pipeline.diagnosis.estimates import Estimate, Json
from pipeline.diagnosis.onset import Onsets
from pipeline.diagnosis.tracks import Score
from pipeline.diagnosis.verdict import Evidence, Judgement, Message

GAPS: tuple[Score, ...] = ("loss", "accuracy")
Named = Mapping[str, Estimate | None]


@dataclass(frozen=True)
class Diagnosis:
    """One model's verdict and the numbers behind it; None stands for "not known".

    Attributes:
        onsets: by score (loss, accuracy, calibration); empty for a model without epochs.
        best_epochs: 1-based, one a seed, by smoothed validation loss.
        gap: by score and epoch: "loss/best", "loss/last", "accuracy/best", "accuracy/last".
        excess_gap, rise, running_gap: by score (loss, accuracy).
        scores: by split, score and epoch: "val/loss/last", "probe/ece/best", ...
        stops: by criterion (GL_2, PQ_0.5, UP_3, patience_5): the epoch, or None, of each seed.
        notes: what makes the verdict less certain.
    """

    name: str
    judgement: Judgement
    evidence: Evidence
    onsets: Mapping[str, Onsets]
    best_epochs: tuple[int, ...]
    gap: Named
    excess_gap: Named
    rise: Named
    running_gap: Named
    scores: Named
    stops: Mapping[str, tuple[int | None, ...]]
    notes: tuple[Message, ...]

    @property
    def verdict(self) -> str:
        """underfit, good fit, overfit, memorising or undetermined."""
        return self.judgement.verdict

    def as_json(self) -> Json:
        """All of it as plain JSON values; sentences in every language."""
        evidence = self.evidence
        groups = ("gap", "excess_gap", "rise", "running_gap", "scores")
        return self.judgement.as_json() | {
            "num_seeds": evidence.num_seeds,
            "num_failed": evidence.num_failed,
            "num_images": evidence.num_images,
            "num_epochs": evidence.num_epochs,
            "best_epoch": _spread(self.best_epochs),
            "onset": {score: one.as_json() for score, one in self.onsets.items()},
            "early_stopping": {name: _stops(seeds) for name, seeds in self.stops.items()},
            "reference": None if evidence.reference is None else dict(vars(evidence.reference)),
            "notes": [note.as_json() for note in self.notes],
            **{group: _tree(getattr(self, group)) for group in groups},
        }

    def metrics(self) -> dict[str, float]:
        """Scalars by which runs can be sorted: gaps, best epoch, onset (if there is one)."""
        named = {f"gap/{score}": self.gap.get(f"{score}/last") for score in GAPS}
        named |= {"excess_gap": self.excess_gap.get("loss")}
        named |= {f"running_gap/{score}": self.running_gap.get(score) for score in GAPS}
        found = {name: one.value for name, one in named.items() if one is not None}
        if self.best_epochs:
            found["best_epoch"] = float(np.median(self.best_epochs))
        for score, one in self.onsets.items():
            suffix = "" if score == "loss" else f"/{score}"
            found[f"onset_censored{suffix}"] = float(one.status == "censored")
            if one.median is not None:
                found[f"onset_epoch{suffix}"] = one.median
        return found

    def tags(self) -> dict[str, str]:
        """What a run is tagged with: `verdict`, and `onset`: confirmed, none or censored."""
        status = {"onset": self.onsets["loss"].status} if self.onsets else {}
        return {"verdict": self.verdict, **status}

    def marks(self) -> pd.DataFrame:
        """Best epochs and onsets for figures: model, kind, metric, epoch, low, high, status."""
        rows: list[dict[str, Any]] = []
        if self.best_epochs:
            best = _spread(self.best_epochs)
            ends = {"epoch": best["median"], "low": best["low"], "high": best["high"]}
            rows.append({"kind": "best", "metric": "loss", "status": None, **ends})
        for score, one in self.onsets.items():
            ends = {"epoch": one.median, "low": one.first, "high": one.last}
            rows.append({"kind": "onset", "metric": score, "status": one.status, **ends})
        columns = ["kind", "metric", "epoch", "low", "high", "status"]
        table = pd.DataFrame(rows, columns=columns)
        table.insert(0, "model", self.name)
        return table.astype({"epoch": float, "low": float, "high": float})


def _spread(epochs: Sequence[int]) -> Json:
    if not epochs:
        return {"median": None, "low": None, "high": None, "seeds": []}
    ends = {"low": int(min(epochs)), "high": int(max(epochs))}
    return {"median": float(np.median(epochs)), **ends, "seeds": [int(epoch) for epoch in epochs]}


def _stops(seeds: Sequence[int | None]) -> Json:
    """The epochs by seed; the median only where more than half of the seeds were stopped."""
    fired = [epoch for epoch in seeds if epoch is not None]
    median = float(np.median(fired)) if 2 * len(fired) > len(seeds) else None
    return {"seeds": list(seeds), "num_stopped": len(fired), "median": median}


def _tree(named: Named) -> Json:
    """Estimates under keys like "val/loss/last" as nested objects."""
    tree: Json = {}
    for key, estimate in named.items():
        *branches, leaf = key.split("/")
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[leaf] = None if estimate is None else estimate.as_json()
    return tree
