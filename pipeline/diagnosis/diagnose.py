"""Everything there is to say about one model's training, in one call: `diagnose`.

For a model that was not trained itself, such as an ensemble, `diagnose_predictions`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.diagnosis import gaps, onset, prechelt, scores, tracks, verdict
from pipeline.diagnosis.estimates import Estimate, over_seeds, proportion
from pipeline.diagnosis.gaps import When
from pipeline.diagnosis.histories import History
from pipeline.diagnosis.onset import Onsets
from pipeline.diagnosis.record import GAPS, Diagnosis, Named
from pipeline.diagnosis.scores import Predictions
from pipeline.diagnosis.tracks import SCORES, Score
from pipeline.diagnosis.verdict import Evidence, Message, Reference
from pipeline.params import Evaluate

WHENS: tuple[When, ...] = ("best", "last")


def diagnose(
    name: str,
    histories: Sequence[History],
    settings: Evaluate,
    reference: Reference | None = None,
    num_classes: int | None = None,
) -> Diagnosis:
    """The verdict on model `name` from one history a seed, with everything behind it.

    Seeds whose loss stopped being finite are counted and left out.

    Args:
        reference: what can be fitted on this data set (see `best_reference`);
            `settings.target_accuracy` goes before it. Without either no model is called underfit,
            unless it is no better than guessing.
        num_classes: needed to know what guessing would reach.

    Raises:
        ValueError: no histories.
    """
    if not histories:
        raise ValueError(f"diagnose {name=}: got no histories; give one a seed.")
    whole = [history for history in histories if history.failed is None]
    onsets: dict[str, Onsets] = {
        score: onset.over_seeds(
            [onset.onset(one, score, settings) for one in whole], settings.confidence
        )
        for score in SCORES
        if whole and _is_known(whole, score)
    }
    best_epochs = tuple(one.best_epoch for one in onsets["loss"].seeds) if whole else ()
    numbers = _numbers(whole, settings) if whole else _NOTHING
    evidence = Evidence(
        num_seeds=len(whole),
        num_failed=len(histories) - len(whole),
        num_epochs=min((history.num_finite for history in whole), default=0),
        num_images=gaps.num_images(whole) if whole else None,
        onset=onsets.get("loss"),
        best_epoch=float(np.median(best_epochs)) if best_epochs else None,
        reference=_reference(reference, settings),
        chance=1 / num_classes if num_classes else None,
        settings=settings,
        **_headline(numbers),
    )
    return Diagnosis(
        name=name,
        judgement=verdict.judge(evidence),
        evidence=evidence,
        onsets=onsets,
        best_epochs=best_epochs,
        stops=_early_stopping(whole),
        notes=_notes(evidence, whole),
        **numbers,
    )


_NOTHING: dict[str, Named] = {
    name: {} for name in ("gap", "excess_gap", "rise", "running_gap", "scores")
}


def _numbers(whole: Sequence[History], settings: Evaluate) -> dict[str, Named]:
    return {
        "gap": {f"{s}/{w}": gaps.gap(whole, s, w, settings) for s in GAPS for w in WHENS},
        "excess_gap": {score: gaps.excess_gap(whole, score, settings) for score in GAPS},
        "rise": {score: gaps.rise(whole, score, settings) for score in GAPS},
        "running_gap": {score: gaps.running_gap(whole, score, settings) for score in GAPS},
        "scores": {
            f"{split}/{metric}/{when}": _score(whole, (split, metric, when), settings)
            for split in ("probe", "val")
            for metric in ("loss", "accuracy", "ece", "brier", "true_accuracy")
            for when in WHENS
        },
    }


def _headline(numbers: Mapping[str, Named]) -> dict[str, Any]:
    """The numbers the rules look at."""
    found, loss = numbers["scores"], numbers["scores"].get("val/loss/best")
    return {
        "probe_accuracy": found.get("probe/accuracy/last"),
        "val_accuracy": found.get("val/accuracy/last"),
        "gap_loss": numbers["gap"].get("loss/last"),
        "gap_accuracy": numbers["gap"].get("accuracy/last"),
        "excess_gap": numbers["excess_gap"].get("loss"),
        "rise": numbers["rise"].get("loss"),
        "val_loss": None if loss is None else loss.value,
    }


def _score(
    whole: Sequence[History], what: tuple[str, str, When], settings: Evaluate
) -> Estimate | None:
    """One score over seeds; on training images the running one where there is no clean one."""
    split, metric, when = what
    values, errors = [], []
    for history in whole:
        index = gaps.Fit.of(history, "loss", settings).index(when)
        source = history.fitted if split == "probe" else split
        values.append(float(history.series(source, metric)[index]))
        errors.append(_image_error(history, (source, metric), index))
    if not np.isfinite(values).all():
        return None
    num_images = gaps.num_images(whole)
    if metric in ("accuracy", "true_accuracy") and num_images:
        return proportion(values, num_images, settings.confidence)
    return over_seeds(values, errors, settings.confidence, num_images)


def _image_error(history: History, what: tuple[str, str], index: int) -> float | None:
    split, metric = what
    if history.per_image is None or split == "running":
        return None
    if metric == "ece":
        confidence = history.per_image.epoch(split, "confidence", index)
        correct = history.per_image.epoch(split, "correct", index)
        return tracks.standard_error(scores.calibration_errors(confidence, correct))
    if metric == "brier" and history.per_image.val_brier is None:
        return None
    name = {"accuracy": "correct", "true_accuracy": "correct"}.get(metric, metric)
    return tracks.standard_error(history.per_image.epoch(split, name, index))


def _is_known(whole: Sequence[History], score: Score) -> bool:
    return all(np.isfinite(tracks.of(history, "val", score).curve).all() for history in whole)


def _early_stopping(whole: Sequence[History]) -> dict[str, tuple[int | None, ...]]:
    stops: dict[str, list[int | None]] = {
        name: [] for name in ("GL_2", "PQ_0.5", "UP_3", "patience_5")
    }
    for history in whole:
        val = tracks.of(history, "val", "loss").curve
        fitted = tracks.of(history, history.fitted, "loss").curve
        stops["GL_2"].append(prechelt.gl_stop(val, 2.0))
        stops["PQ_0.5"].append(prechelt.pq_stop(val, fitted, 0.5))
        stops["UP_3"].append(prechelt.up_stop(val, 3))
        stops["patience_5"].append(prechelt.patience_stop(val, 5))
    return {name: tuple(seeds) for name, seeds in stops.items()}


def _reference(given: Reference | None, settings: Evaluate) -> Reference | None:
    if settings.target_accuracy is not None:
        return Reference(settings.target_accuracy, "target")
    return given


def _notes(evidence: Evidence, whole: Sequence[History]) -> tuple[Message, ...]:
    failed = {"num_failed": evidence.num_failed, "num_seeds": evidence.num_seeds}
    told = {
        "one_seed": evidence.num_seeds == 1,
        "failed": evidence.num_failed > 0,
        "no_per_image": any(history.per_image is None for history in whole),
        "no_probe": any(not history.has_probe for history in whole),
        "no_reference": evidence.reference is None,
    }
    return tuple(Message(f"verdict.note.{key}", failed) for key, is_so in told.items() if is_so)


def best_reference(models: Mapping[str, Sequence[History]], settings: Evaluate) -> Reference | None:
    """The best probe accuracy, at the last epoch, of any model of one data set; None if unknown."""
    found = {}
    for name, histories in models.items():
        whole = [history for history in histories if history.failed is None]
        score = _score(whole, ("probe", "accuracy", "last"), settings) if whole else None
        if score is not None:
            found[name] = score
    if not found:
        return None
    best = max(found, key=lambda name: found[name].value)
    return Reference(found[best].value, "model", best, found[best].low)


def diagnose_predictions(
    name: str,
    splits: Mapping[str, Predictions],
    settings: Evaluate,
    reference: Reference | None = None,
) -> Diagnosis:
    """The verdict on a model without epochs of its own (an ensemble): no onset, no excess gap.

    Args:
        splits: its predictions on `probe` and `val`.
    """
    probe, val = splits["probe"], splits["val"]
    numbers = dict(_NOTHING)
    losses = [scores.cross_entropy(one.probabilities, one.labels) for one in (val, probe)]
    wrongs = [~one.correct for one in (val, probe)]
    both: dict[Score, Sequence[NDArray[Any]]] = {"loss": losses, "accuracy": wrongs}
    numbers["gap"] = {f"{score}/last": _gap_of(both[score], settings) for score in GAPS}
    numbers["scores"] = {
        f"{split}/accuracy/last": proportion(one.correct.mean(1), one.num_images)
        for split, one in splits.items()
        if split != "test"
    }
    evidence = Evidence(
        num_seeds=val.num_seeds,
        num_failed=0,
        num_epochs=0,
        num_images=val.num_images,
        onset=None,
        best_epoch=None,
        reference=_reference(reference, settings),
        chance=1 / val.num_classes,
        settings=settings,
        **_headline(numbers),
    )
    judged, notes = verdict.judge(evidence), _notes(evidence, [])
    return Diagnosis(name, judged, evidence, {}, (), stops={}, notes=notes, **numbers)


def _gap_of(both: Sequence[NDArray[Any]], settings: Evaluate) -> Estimate:
    """Gap from per-image scores of val and probe `(num_seeds, num_images)`, lower is better."""
    val, probe = both
    errors: list[float | None] = [
        float(np.hypot(tracks.standard_error(ours), tracks.standard_error(theirs)))
        for ours, theirs in zip(val, probe, strict=True)
    ]
    values = val.mean(1) - probe.mean(1)
    return over_seeds(values, errors, settings.confidence, val.shape[1])
