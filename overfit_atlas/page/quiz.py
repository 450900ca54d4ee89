"""Ten questions from this very run: curves without their verdict, then answer and reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from overfit_atlas.estimates import Json
from overfit_atlas.page.numbers import points, signed, whole
from overfit_atlas.words import text

NUM_QUESTIONS = 10
ANSWERS = ("underfit", "good_fit", "too_sure", "wrong_more_often", "by_heart")
"""What can be said, in the order of the keys 1 to 5."""
CURVES = ("epochs", "probe", "val", "probe_accuracy", "val_accuracy")
MADE_UP: Mapping[str, tuple[float, float, float, float]] = {
    # last probe loss, lowest val loss, rise of the val loss, fall of the val accuracy
    "underfit": (1.1, 1.12, 0.0, 0.0),
    "good_fit": (0.35, 0.42, 0.0, 0.0),
    "too_sure": (0.03, 0.45, 0.35, 0.0),
    "wrong_more_often": (0.05, 0.6, 0.5, 0.06),
    "by_heart": (0.05, 0.75, 0.0, 0.0),
}


def questions(
    courses: Sequence[Json], plane: Json | None, remedies: Json | None, language: str
) -> list[Json]:
    """At most ten questions; answers take turns, and equal runs ask the same.

    Asked are judged models, variants of remedies and points of the map whose verdict is one of
    `ANSWERS`; made-up curves fill up what a run has not enough of.

    Returns: title, curves (`CURVES`), answer, reason.
    """
    by_answer: dict[str, list[Json]] = {name: [] for name in ANSWERS}
    for one in (*_models(courses), *_variants(remedies), *_points(plane)):
        answer = _answer(one)
        if answer and len(one["epochs"]) > 2:
            by_answer[answer].append(one)
    for answer, shape in MADE_UP.items():
        by_answer[answer] += [_made_up(answer, shape, last, language) for last in (30, 18)]
    turns = [name for round_ in range(NUM_QUESTIONS) for name in _turn(round_) if by_answer[name]]
    asked: list[Json] = []
    for answer in turns:
        if by_answer[answer] and len(asked) < NUM_QUESTIONS:
            asked.append(_question(by_answer[answer].pop(0), answer, language))
    return asked


def _turn(number: int) -> list[str]:
    """The answers in another order each round, the same for every page."""
    order = np.random.default_rng(number).permutation(len(ANSWERS))
    return [ANSWERS[place] for place in order]


def _answer(one: Json) -> str | None:
    verdict, kind = str(one["verdict"]).replace(" ", "_"), str(one["kind"]).replace(" ", "_")
    if verdict in ("underfit", "good_fit"):
        return verdict
    return kind if verdict == "overfit" and kind in ANSWERS else None


def _models(courses: Sequence[Json]) -> Iterator[Json]:
    for one in courses:
        if one["epochs"]:
            loss, accuracy = one["curves"]["loss"], one["curves"]["accuracy"]
            curves = {"probe": loss["probe"], "val": loss["val"]}
            of_accuracy = {f"{split}_accuracy": accuracy[split] for split in ("probe", "val")}
            yield {**one, **curves, **of_accuracy, "title": one["name"]}


def _variants(remedies: Json | None) -> Iterator[Json]:
    for name, one in (remedies or {}).get("variants", {}).items():
        yield {**one, "title": name}


def _points(plane: Json | None) -> Iterator[Json]:
    """Points whose verdict is sure, the surest first."""
    found = [one for one in (plane or {}).get("points", ()) if "val" in one]
    for one in sorted(found, key=lambda one: -(one.get("probability") or 0)):
        model = plane["model"] if plane else ""
        yield {**one, "title": f"{model} {one['width']:g} / {one['dropout']:g}"}


def _made_up(
    answer: str, shape: tuple[float, float, float, float], last: int, language: str
) -> Json:
    """Smooth curves of `last` epochs that are what `answer` says by how they are made."""
    fitted, lowest, rise, fall = shape
    epochs = np.arange(1, last + 1)
    rate = last / (1.2 if answer == "underfit" else 8.0)
    gone = np.exp(-epochs / rate)
    late = np.clip((epochs - last / 3) / (last / 1.5), 0, 1)
    start = 2.3
    probe = fitted + (start - fitted) * gone
    val = lowest + (start - lowest) * gone + rise * late
    accuracy = {
        "probe_accuracy": 0.98 - 0.27 * probe,
        "val_accuracy": 0.9 - 0.2 * (val - rise * late) - fall * late,
    }
    curves = {name: [round(float(x), 4) for x in found] for name, found in accuracy.items()}
    named = {"title": text("page.quiz_made_up", language), "epochs": epochs.tolist()}
    return {**named, **curves, "probe": probe.round(4).tolist(), "val": val.round(4).tolist()}


def _question(one: Mapping[str, Any], answer: str, language: str) -> Json:
    return {
        "title": one["title"],
        "answer": answer,
        "reason": reason(one, answer, language),
        **{name: one[name] for name in CURVES},
    }


def reason(one: Mapping[str, Any], answer: str, language: str) -> str:
    """What the curves themselves show: gap, rise of the loss, and fall of the accuracy."""
    val = np.array([np.nan if x is None else x for x in one["val"]], float)
    accuracy = np.array([np.nan if x is None else x for x in one["val_accuracy"]], float)
    best = int(np.nanargmin(val))
    values = {
        "gap": signed(val[-1] - float(one["probe"][-1] or 0)),
        "rise": signed(val[-1] - val[best], 3),
        "fall": points(accuracy[-1] - accuracy[best]),
        "epoch": whole(one["epochs"][best]),
    }
    numbers = text("page.quiz_numbers", language, **values)
    return text("page.then", language, first=text(f"page.reason.{answer}", language), last=numbers)
