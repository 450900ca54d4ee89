"""The verdict on a model, the sentence that says why, and the remedies worth trying.

`judge` applies the rules to evidence that `diagnose` has gathered. A sentence is kept as the key of
a text and its values, so that it can be said in any language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.diagnosis.estimates import Estimate, Json, finite_or_none
from pipeline.diagnosis.onset import Onsets
from pipeline.params import Evaluate

Verdict = Literal["underfit", "good fit", "overfit", "memorising", "undetermined"]

ABOUT_ZERO = 0.01
"""A probe error not above it counts as "about 0": the training images are known by heart."""
MATERIAL_SHARE, MATERIAL_NATS = 0.25, 0.05
"""A rise of the validation loss by this share of it, and by these nats, must be excluded before a
fit is called good; else the evidence is too thin."""
FEWEST_IMAGES = 30


@dataclass(frozen=True)
class Message:
    """A sentence as the key of a text and the values that stand in it."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, language: str) -> str:
        """The sentence in `language` ("en" or "ja")."""
        from pipeline.texts import text

        return text(self.key, language, **self.values)

    def as_json(self) -> Json:
        """Key, values, and the sentence in every language."""
        from pipeline.texts import LANGUAGES

        values = {name: finite_or_none(value) for name, value in self.values.items()}
        said = {language: self.text(language) for language in LANGUAGES}
        return {"key": self.key, "values": values, **said}


@dataclass(frozen=True)
class Reference:
    """The probe accuracy that shows what can be fitted on this data set, and whose it is.

    `low` is the lower end of its interval; None for a target, which is exact.
    """

    accuracy: float
    source: Literal["model", "target"] = "model"
    name: str = ""
    low: float | None = None


@dataclass(frozen=True)
class Evidence:
    """All that the rules look at; scores are those of the last epoch, over seeds that did not fail.

    Attributes:
        num_epochs: of the shortest seed; 0 for a model without training of its own (an ensemble).
        gap_loss, excess_gap: nats; gap_accuracy: share of images.
        rise: validation loss at the last epoch minus that at the best epoch.
        val_loss: mean validation loss at the best epoch.
        chance: the accuracy of guessing; None where the number of classes is not known.
    """

    num_seeds: int
    num_failed: int
    num_epochs: int
    num_images: int | None
    onset: Onsets | None
    probe_accuracy: Estimate | None
    val_accuracy: Estimate | None
    gap_loss: Estimate | None
    gap_accuracy: Estimate | None
    excess_gap: Estimate | None
    rise: Estimate | None
    val_loss: float | None
    best_epoch: float | None
    reference: Reference | None
    chance: float | None
    settings: Evaluate


@dataclass(frozen=True)
class Judgement:
    """A verdict, why, and what to try; all sentences by key."""

    verdict: Verdict
    why: Message
    remedies: tuple[str, ...]

    def as_json(self) -> Json:
        """`verdict`, `why` and `remedies`, with the sentences in every language."""
        remedies = [Message(f"verdict.remedy.{name}").as_json() for name in self.remedies]
        for name, remedy in zip(self.remedies, remedies, strict=True):
            remedy["key"] = name
            remedy.pop("values")
        return {"verdict": self.verdict, "why": self.why.as_json(), "remedies": remedies}


REMEDIES: dict[str, tuple[str, ...]] = {
    "underfit": ("wider", "longer", "less_regularisation", "learning_rate"),
    "good fit": ("keep",),
    "still falling": ("longer",),
    "overfit": (
        "early_stopping",
        "more_data",
        "augmentation",
        "dropout",
        "weight_decay",
        "smaller",
    ),
    "memorising": ("keep", "more_data", "augmentation"),
    "noise": ("check_labels", "more_data", "smaller"),
    "failed": ("learning_rate", "check_images"),
    "epochs": ("longer",),
    "images": ("more_validation",),
    "seeds": ("more_seeds",),
    "no epochs": ("members",),
}


def judge(evidence: Evidence) -> Judgement:
    """The verdict by the rules of the definitions, in this order.

    Nothing to judge -> undetermined; worse than the reference on the probe and no gap -> underfit;
    probe error about 0 with a gap and labels that validation never confirmed -> memorising;
    confirmed onset of the loss -> overfit; probe error about 0 with a gap and validation not yet
    worse -> memorising; excess gap above 0 -> overfit; a material rise not excluded ->
    undetermined; else good fit.
    """
    rules = (_nothing, _underfit, _noise, _onset, _benign, _excess, _thin)
    for rule in rules:
        found = rule(evidence)
        if found is not None:
            return found
    return _good(evidence)


def _judgement(verdict: Verdict, why: str, remedies: str, values: Mapping[str, Any]) -> Judgement:
    key = f"verdict.{verdict.replace(' ', '_')}.{why}"
    return Judgement(verdict, Message(key, dict(values)), REMEDIES[remedies])


def _nothing(evidence: Evidence) -> Judgement | None:
    if evidence.num_failed and not evidence.num_seeds:
        values = {"num_failed": evidence.num_failed}
        return _judgement("undetermined", "failed", "failed", values)
    if evidence.num_images is not None and evidence.num_images < FEWEST_IMAGES:
        values = {"num_images": evidence.num_images, "needed": FEWEST_IMAGES}
        return _judgement("undetermined", "images", "images", values)
    return None


def _underfit(evidence: Evidence) -> Judgement | None:
    accuracy, gap = evidence.probe_accuracy, evidence.gap_accuracy
    if accuracy is None or gap is None or accuracy.low is None or accuracy.high is None:
        return None
    if not gap.includes_zero or not (evidence.gap_loss and evidence.gap_loss.includes_zero):
        return None
    values = {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high}
    reference = evidence.reference
    if reference is not None and accuracy.high < _surely_reached(reference):
        values["reference"] = reference.accuracy
        named = values | {"name": reference.name}
        return _judgement("underfit", reference.source, "underfit", named)
    if evidence.chance is not None and accuracy.low <= evidence.chance:
        return _judgement("underfit", "guessing", "underfit", values | {"chance": evidence.chance})
    return None


def _surely_reached(reference: Reference) -> float:
    return reference.accuracy if reference.low is None else reference.low


def _knows_by_heart(evidence: Evidence) -> bool:
    accuracy, gap = evidence.probe_accuracy, evidence.gap_loss
    if accuracy is None or gap is None or gap.low is None:
        return False
    return 1 - accuracy.value <= ABOUT_ZERO and gap.low > 0


def _noise(evidence: Evidence) -> Judgement | None:
    accuracy = evidence.val_accuracy
    if accuracy is None or accuracy.low is None or evidence.chance is None:
        return None
    if not _knows_by_heart(evidence) or accuracy.low > evidence.chance:
        return None
    return _judgement(
        "memorising", "noise", "noise", _heart(evidence) | {"chance": evidence.chance}
    )


def _onset(evidence: Evidence) -> Judgement | None:
    onset = evidence.onset
    if onset is None or onset.status != "confirmed":
        return None
    values = _course(evidence) | {"onset": onset.median, "num_confirmed": onset.num_confirmed}
    return _judgement("overfit", "onset", "overfit", values)


def _benign(evidence: Evidence) -> Judgement | None:
    rise = evidence.rise
    worse = rise is not None and rise.low is not None and rise.low > 0
    if worse or not _knows_by_heart(evidence):
        return None
    return _judgement("memorising", "benign", "memorising", _heart(evidence))


def _excess(evidence: Evidence) -> Judgement | None:
    excess = evidence.excess_gap
    if excess is None or excess.low is None or excess.low <= 0:
        return None
    return _judgement("overfit", "excess", "overfit", _course(evidence))


def _thin(evidence: Evidence) -> Judgement | None:
    """Too little to call the fit good: says which of epochs, seeds and images is missing most."""
    if not evidence.num_epochs:
        return _judgement("undetermined", "no_epochs", "no epochs", {})
    needed = 2 * evidence.settings.patience + 1
    if evidence.num_epochs < needed:
        values = {"num_epochs": evidence.num_epochs, "needed": needed}
        return _judgement("undetermined", "epochs", "epochs", values)
    onset = evidence.onset
    if onset is not None and onset.num_confirmed >= 2:
        values = {"num_confirmed": onset.num_confirmed, "num_seeds": evidence.num_seeds}
        return _judgement("undetermined", "disagree", "seeds", values)
    rise = evidence.rise
    if rise is None or rise.high is None or rise.high <= _material(evidence):
        return None
    values = _course(evidence) | {"rise_high": rise.high, "num_images": evidence.num_images}
    wanting = _wanting(rise)
    return _judgement("undetermined", f"thin_{wanting}", wanting, values)


def _material(evidence: Evidence) -> float:
    return max(MATERIAL_NATS, MATERIAL_SHARE * (evidence.val_loss or 0.0))


def _wanting(rise: Estimate) -> str:
    others = max(rise.se_seeds or 0.0, rise.se_epochs or 0.0)
    return "images" if (rise.se_images or 0.0) > others else "seeds"


def _good(evidence: Evidence) -> Judgement:
    onset = evidence.onset
    if onset is not None and onset.status == "censored":
        return _judgement("good fit", "still_falling", "still falling", _course(evidence))
    return _judgement("good fit", "flat", "good fit", _course(evidence))


def _course(evidence: Evidence) -> dict[str, Any]:
    values: dict[str, Any] = {
        "best_epoch": evidence.best_epoch,
        "last_epoch": evidence.num_epochs,
        "num_seeds": evidence.num_seeds,
    }
    for name in ("rise", "excess_gap", "gap_loss"):
        estimate: Estimate | None = getattr(evidence, name)
        values[name] = estimate.value if estimate else None
    excess = evidence.excess_gap
    ends = (None, None) if excess is None else (excess.low, excess.high)
    return values | {"excess_low": ends[0], "excess_high": ends[1]}


def _heart(evidence: Evidence) -> dict[str, Any]:
    assert evidence.probe_accuracy and evidence.gap_loss
    val = evidence.val_accuracy
    return {
        "probe_error": 1 - evidence.probe_accuracy.value,
        "val_error": None if val is None else 1 - val.value,
        "gap_loss": evidence.gap_loss.value,
    }
