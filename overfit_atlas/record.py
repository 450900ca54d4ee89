"""What a judgement holds, and how it is written down: JSON, scalar metrics, tags, marks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from overfit_atlas import prechelt
from overfit_atlas.draws import Draws
from overfit_atlas.estimates import Estimate, Json, finite_or_none
from overfit_atlas.facts import Facts
from overfit_atlas.findings import Damage, Onset
from overfit_atlas.held_out import ACCURACY
from overfit_atlas.rules import PLAINLY, Rules
from overfit_atlas.scoring.fits import Fit
from overfit_atlas.verdicts import Known
from overfit_atlas.words import LANGUAGES, sentences
from overfit_atlas.words.message import Message

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
"""Version of the JSON record; it grows where a key changes its meaning or goes."""


@dataclass(frozen=True)
class Stops:
    """When early stopping would have ended each fit, by criterion; None: never. 1-based."""

    by_criterion: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, fits: Sequence[Fit]) -> "Stops":
        """Prechelt's criteria and patience (see `prechelt`)."""
        found: dict[str, list[int | None]] = {}
        for fit in fits:
            val, fitted = fit.series("val", "loss"), fit.series(fit.fitted, "loss")
            stops = {
                "GL_2": prechelt.gl_stop(val, 2.0),
                "PQ_0.5": prechelt.pq_stop(val, fitted, 0.5),
                "UP_3": prechelt.up_stop(val, 3),
                "patience_5": prechelt.patience_stop(val, 5),
            }
            for name, epoch in stops.items():
                found.setdefault(name, []).append(epoch)
        return cls({name: tuple(seeds) for name, seeds in found.items()})

    def as_json(self) -> Json:
        """The epochs by seed; the median only where more than half of the seeds were stopped."""
        return {name: _stops(seeds) for name, seeds in self.by_criterion.items()}


def _stops(seeds: Sequence[int | None]) -> Json:
    fired = [epoch for epoch in seeds if epoch is not None]
    median = float(np.median(fired)) if 2 * len(fired) > len(seeds) else None
    return {"seeds": list(seeds), "num_stopped": len(fired), "median": median}


@dataclass(frozen=True)
class Judgement:
    """One model's verdict, its kind, and the numbers behind them; None or "" for "not known".

    Attributes:
        verdict: good fit, overfit, underfit, data, or undetermined.
        kind: within the verdict ("too sure"); of `undetermined` why (failed, epochs, ...); ""
            for a good fit and where no verdict is likely enough; "unclear" where no kind is.
        probability: of the likeliest verdict, also where it is not likely enough to be said.
        kind_probability: of the kind, given the verdict.
        before: verdict and kind of what was before a training broke down.
        probabilities: verdict -> probability, together 1. kinds: kind -> probability, given the
            likeliest verdict. likeliest: the two likeliest verdicts.
        damage, onset: by score (loss, calibrated_loss, accuracy).
        by_labels: by heart because val is no better than chance: labels or split are to blame.
        sibling: the best other model, or "target"; None where there is nothing to compare with.
        sibling_accuracy: what it reaches on val, 0..1.
        fits: all that were given. num_failed: how many of them broke down.
    """

    name: str
    verdict: str
    rules: Rules
    facts: Facts
    kind: str = ""
    probability: float | None = None
    kind_probability: float | None = None
    before: tuple[str, str] | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, float] = field(default_factory=dict)
    likeliest: tuple[str, ...] = ()
    draws: Draws | None = None
    known: Known | None = None
    damage: Mapping[str, Damage] = field(default_factory=dict)
    onset: Mapping[str, Onset] = field(default_factory=dict)
    by_labels: bool = False
    sibling: str | None = None
    sibling_accuracy: float | None = None
    fits: tuple[Fit, ...] = ()
    stops: Stops = field(default_factory=Stops)
    num_failed: int = 0

    @property
    def plainly(self) -> bool:
        """Whether the verdict is said without "probably"."""
        return self.probability is not None and self.probability >= PLAINLY

    @property
    def num_seeds(self) -> int:
        """How many fits were judged."""
        return 0 if self.draws is None else self.draws.num_seeds

    def estimate(self, name: str) -> Estimate | None:
        """A quantity of `Draws` with its interval; accuracies as accuracies, not as errors."""
        found = self.draws
        if found is None or name not in found.values:
            return None
        value, (low, high) = found.values[name], found.interval(name, self.rules.confidence)
        if name.endswith(f"/{ACCURACY}") and name.split("/")[0] in ("val", "probe", "best"):
            value, low, high = 1 - value, 1 - high, 1 - low
        return Estimate(value, low, high, found.num_seeds, found.num_images)

    def why(self) -> Message:
        """The sentence that says what was found, with its numbers."""
        return sentences.why(self)

    def questions(self) -> dict[str, Message]:
        """The three questions, answered: learned, gap, longer."""
        return sentences.questions(self)

    def notes(self) -> tuple[Message, ...]:
        """What makes the verdict less certain."""
        return tuple(sentences.notes(self))

    def remedies(self) -> tuple[str, ...]:
        """Keys of what is usually worth trying (`verdict.remedy.*`)."""
        return sentences.remedies(self)

    def title(self, language: str) -> str:
        """Verdict and kind in words, with "probably" where it is not sure."""
        return sentences.title(self, language)

    def as_json(self) -> Json:
        """All of it as plain JSON values; sentences in every language."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "verdict": self.verdict,
            "kind": self.kind,
            "probability": self.probability,
            "kind_probability": self.kind_probability,
            "probabilities": dict(self.probabilities),
            "kinds": dict(self.kinds),
            "likeliest": list(self.likeliest),
            "by_labels": self.by_labels,
            "title": {language: self.title(language) for language in LANGUAGES},
            "why": self.why().as_json(),
            "questions": {name: one.as_json() for name, one in self.questions().items()},
            **self._numbers(),
            "sibling": self.sibling,
            "early_stopping": self.stops.as_json(),
            "notes": [note.as_json() for note in self.notes()],
            "remedies": [
                {**Message(f"verdict.remedy.{name}").as_json(), "key": name}
                for name in self.remedies()
            ],
        }

    def _numbers(self) -> Json:
        found = self.draws
        gaps = {
            score: self._json(f"gap/{score}") for score in ("loss", "calibrated_loss", "accuracy")
        }
        scores = {
            split: {score: self._json(f"{split}/{score}") for score in gaps}
            for split in ("val", "probe", "best")
        }
        prices: Json = {}
        for (chosen, paid), price in (found.prices if found else {}).items():
            prices.setdefault(chosen, {})[paid] = price
        return {
            "num_seeds": self.num_seeds,
            "num_failed": self.num_failed,
            "num_images": self.facts.num_images if found is None else found.num_images,
            "num_epochs": 0 if found is None else found.num_epochs,
            "gap": gaps | {"wide": None if self.known is None else self.known.wide},
            "running_gap": finite_or_none(self.running_gap()),
            "fall": self._json("fall"),
            "damage": {score: _plain(one.as_json()) for score, one in self.damage.items()},
            "onset": {score: one.as_json() for score, one in self.onset.items()},
            "prices": prices,
            "scores": scores,
        }

    def _json(self, name: str) -> Json | None:
        found = self.estimate(name)
        return None if found is None else found.as_json()

    def running_gap(self) -> float | None:
        """The gap in loss (nats) that a Keras history would have shown at the last epoch.

        Keras subtracts a validation loss with the penalty in it from a running mean of the training
        loss with dropout, augmentation and penalty in it. None without running scores.
        """
        whole = [fit for fit in self.fits if fit.failed is None]
        values = [
            fit.series("val", "loss")[-1]
            + np.nan_to_num(fit.series("running", "penalty")[-1])
            - fit.series("running", "loss")[-1]
            for fit in whole
        ]
        return float(np.mean(values)) if values and np.isfinite(values).all() else None

    def metrics(self) -> dict[str, float]:
        """Scalars by which runs can be sorted: probabilities, gaps, damages, epochs."""
        found: dict[str, float | None] = {
            "probability": self.probability,
            **{f"p/{name}": one for name, one in self.probabilities.items()},
            "running_gap/loss": self.running_gap(),
        }
        for name in ("gap/loss", "gap/calibrated_loss", "gap/accuracy"):
            estimate = self.estimate(name)
            found[name] = None if estimate is None else estimate.value
        for score, damage in self.damage.items():
            found[f"damage/{score}"] = damage.value
            found[f"p_material/{score}"] = damage.probability
        for score, onset in self.onset.items():
            found[f"best_epoch/{score}"] = float(onset.best_epoch)
            found[f"onset_epoch/{score}"] = None if onset.epoch is None else float(onset.epoch)
        return {name: float(one) for name, one in found.items() if one is not None}

    def tags(self) -> dict[str, str]:
        """What a run is tagged with: `verdict`, `kind`, and `onset` of the loss."""
        status = {"onset": self.onset["loss"].status} if self.onset else {}
        return {"verdict": self.verdict, "kind": self.kind, **status}

    def marks(self) -> "pd.DataFrame":
        """Best epochs and onsets for figures: model, kind, metric, epoch, low, high, status."""
        import pandas as pd

        columns = ["model", "kind", "metric", "epoch", "low", "high", "status"]
        table = pd.DataFrame(list(self._marks()), columns=columns)
        return table.astype({"epoch": float, "low": float, "high": float})

    def _marks(self) -> Iterator[dict[str, Any]]:
        for score, onset in self.onset.items():
            ends = {"low": onset.low, "high": onset.high, "status": onset.status}
            rows = {"best": onset.best_epoch, "onset": onset.epoch}
            for kind, epoch in rows.items():
                yield {"model": self.name, "kind": kind, "metric": score, "epoch": epoch, **ends}


def _plain(fields: Mapping[str, float]) -> Json:
    return {name: finite_or_none(value) for name, value in fields.items()}
