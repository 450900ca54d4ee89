"""The whole report: results in, page out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.estimates import Json
from overfit_atlas.page import answer, quiz
from overfit_atlas.page.courses import course
from overfit_atlas.page.document import Page, Table
from overfit_atlas.page.effects import effects
from overfit_atlas.page.gallery import Pictures, gallery
from overfit_atlas.page.numbers import number, percent, with_span
from overfit_atlas.page.plane import plane
from overfit_atlas.scoring.scores import areas
from overfit_atlas.words import text
from pipeline.params import DROPOUT, WIDTH, Params
from pipeline.reporting import more
from pipeline.reporting.results import MAIN_COMPARISON, Results

USUAL_AXES = [WIDTH, DROPOUT]


def report(results: Results, params: Params, origin: Mapping[str, str]) -> Page:
    """The page of `results` in the language of `params`; `origin` is versions and commit."""
    language, val = params.report.language, results.prepared.val
    fits = {name: results.fits(name) for name in results.models}
    courses = [
        course({**results.judged(name), "name": name}, fits[name], language, val.labels)
        for name in results.models
    ]
    the_plane, remedies = _plane(results, params), _remedies(results)
    tested = {name: dict(results.metrics[name].get("test", {})) for name in results.models}
    return Page(
        language=language,
        headline=headline(results, courses, language),
        subject=_subject(results, language),
        courses=courses,
        advice=_advice(results, remedies, courses, language),
        scores=answer.side_by_side(courses, tested if any(tested.values()) else {}, language),
        plane=the_plane,
        remedies=remedies,
        gallery=gallery(_pictures(results), fits),
        classes=_classes(results, language),
        quiz=quiz.questions(courses, the_plane, remedies, language),
        more=more.folds(results, params, origin),
        colophon=text("page.colophon", language),
    )


def headline(results: Results, courses: list[Json], language: str) -> str:
    """The verdicts and the model that validation chose, in one sentence."""
    best = results.best
    scores = results.metrics[best].get("test", {})
    accuracy = answer.score(scores, "accuracy", language)
    verdicts = answer.verdict_sentence(courses, language)
    if not scores or not verdicts:
        return verdicts or text("page.only_best", language, model=best, accuracy=accuracy)
    return text("page.headline", language, verdicts=verdicts, model=best, accuracy=accuracy)


def _advice(
    results: Results, remedies: Json | None, courses: Sequence[Json], language: str
) -> list[str]:
    """What was measured to help; what is usually tried first where no remedy was measured."""
    if MAIN_COMPARISON in results.compare:
        return answer.advice(remedies, courses, language)
    return answer.usual(map(results.judged, results.models), language)


def _subject(results: Results, language: str) -> str:
    manifest = results.manifest
    counts = {split: sum(manifest.counts[split]) for split in ("train", "val", "test")}
    values = {"dataset": manifest.dataset, "classes": manifest.num_classes}
    return text("page.subject", language, **values, **counts)


def _plane(results: Results, params: Params) -> Json | None:
    tune = results.tune
    summary: Mapping[str, Any] = tune.get("summary") or {}
    if "threshold" not in summary or summary.get("axes", USUAL_AXES) != USUAL_AXES:
        return None  # no map, or one of parameters that the page has no words for
    names = ("points", "map_curves", "frontier", "epochs")
    tables = {name: tune[name] for name in names if name in tune}
    model = str(summary.get("model") or params.tune.model)
    return plane(tables, float(summary["threshold"]), model, _said(summary, params.report.language))


def _said(summary: Mapping[str, Any], language: str) -> dict[int, str]:
    """By budget of epochs, what the study says of the map with all data and least noise."""
    parts: Sequence[Mapping[str, Any]] = summary.get("slices") or [{}]
    first = {name: parts[0].get(name) for name in ("train_fraction", "label_noise")}
    shown = [one for one in parts if all(one.get(name) == first[name] for name in first)]
    return {
        int(one["epochs"]): str(one["sentence"][language]) for one in shown if "sentence" in one
    }


def _remedies(results: Results) -> Json | None:
    found = results.compare.get(MAIN_COMPARISON) or {}
    if "effects" not in found:
        return None
    record = {**(found.get("summary") or {}), "variants": found.get("variants") or {}}
    return effects(found["effects"], found.get("curves"), record)


def _pictures(results: Results) -> Pictures:
    """The validation images, with what is known of single ones as filters."""
    val = results.prepared.val
    maps = {}
    for name in results.models:
        arrays = results.arrays("gradcam", name) or {}
        if "val_maps" in arrays:
            maps[name] = arrays["val_rows"], arrays["val_maps"]
    return Pictures(
        images=np.asarray(val.images),
        labels=np.asarray(val.labels),
        class_names=results.manifest.class_names,
        marks=_marks(results),
        maps=maps,
    )


def _marks(results: Results) -> dict[str, list[int]]:
    """Rows of val by filter: labels that `make images` suspects, copies that `preprocess` found."""
    place = {int(one): row for row, one in enumerate(results.prepared.val.ids)}
    judged = results.tables.get("images", {}).get("val", pd.DataFrame())
    copies = results.tables.get("data", {}).get("duplicates", pd.DataFrame())
    named = {
        "suspicious": judged["id"][judged["suspicious"].astype(bool)] if len(judged) else (),
        "copied": {*copies["id"], *copies["duplicate_of"]} if len(copies) else (),
    }
    rows = {name: [place[int(one)] for one in ids if one in place] for name, ids in named.items()}
    return {name: of_name for name, of_name in rows.items() if of_name}


def _classes(results: Results, language: str) -> dict[str, Table]:
    """Of each model its classes, the weakest on test first."""
    found = {name: _of_classes(results, name, language) for name in results.models}
    return {name: made for name, made in found.items() if made is not None}


def _of_classes(results: Results, model: str, language: str) -> Table | None:
    scores = results.table("per_class", model)
    if scores is None:
        return None
    held = scores[scores["split"] == "test"].sort_values(["f1", "class"])
    probe = scores[scores["split"] == "probe"].set_index("class")["f1"]
    auc, confused = _auc(results, model), _confused(results, model, language)
    rows = [
        [
            str(row["class_name"]),
            number(probe.get(row["class"])),
            with_span(row["f1"], (row["f1_low"], row["f1_high"]), number, language),
            number(auc.get(int(row["class"])), 3),
            confused.get(str(row["class_name"]), ""),
        ]
        for row in held.to_dict("records")
    ]
    if not rows:
        return None
    columns = ("class", "f1_probe", "f1_test", "auc", "confused")
    values = {"seeds": int(held["num_seeds"].max()), "images": f"{int(held['support'].sum()):,}"}
    heads = [text(f"page.images.class.{name}", language) for name in columns]
    caption = text("page.images.class.caption", language, model=model, **values)
    return Table(caption, heads, rows)


def _auc(results: Results, model: str) -> dict[int, float]:
    """By class, one against the rest on test, mean over seeds."""
    arrays = results.arrays("predictions", model) or {}
    if "test_probabilities" not in arrays:
        return {}
    found, _ = areas(arrays["test_probabilities"], arrays["test_labels"])
    return {label: float(one) for label, one in enumerate(found.mean(0))}


def _confused(results: Results, model: str, language: str) -> dict[str, str]:
    """By class, what it is taken for most often on test, with its share."""
    pairs = results.table("confused_pairs", model)
    if pairs is None or "true_name" not in pairs:
        return {}
    pairs = pairs[pairs["split"] == "test"] if "split" in pairs else pairs
    first = pairs.sort_values("rate", ascending=False).drop_duplicates("true_name")
    return {
        str(row["true_name"]): f"{row['predicted_name']} ({percent(row['rate'], 0)})"
        for row in first.to_dict("records")
    }
