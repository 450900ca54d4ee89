"""The whole report: results in, page out."""

from collections.abc import Mapping, Sequence
from typing import Any

from overfit_atlas.estimates import Json
from overfit_atlas.page import answer, quiz
from overfit_atlas.page.courses import course
from overfit_atlas.page.document import Page, Table
from overfit_atlas.page.effects import effects
from overfit_atlas.page.gallery import gallery
from overfit_atlas.page.numbers import number, percent, with_span
from overfit_atlas.page.plane import plane
from overfit_atlas.scoring.scores import areas
from overfit_atlas.words import text
from pipeline.params import USUAL_AXES, Params
from pipeline.reporting import more, single_images
from pipeline.reporting.results import MAIN_COMPARISON, Results


def report(results: Results, params: Params, origin: Mapping[str, str]) -> Page:
    """The page of `results` in the language of `params`; `origin` is versions and commit."""
    language, val = params.report.language, results.prepared.val
    fits = {name: results.fits(name) for name in results.models}
    courses = [
        course({**results.judged(name), "name": name}, fits[name], language, val.labels)
        for name in results.models
    ]
    the_plane, remedies = _plane(results, params), _remedies(results, language)
    tested = {name: _tested(results.metrics[name]) for name in results.models}
    return Page(
        language=language,
        headline=headline(results, courses, language),
        subject=_subject(results, language),
        courses=courses,
        advice=_advice(results, remedies, courses, language),
        scores=answer.side_by_side(courses, tested if any(tested.values()) else {}, language),
        plane=the_plane,
        remedies=remedies,
        gallery=gallery(
            single_images.pictures(results), fits, single_images.marked(results, params)
        ),
        images_said=list(single_images.sentences(results, params)),
        classes=_classes(results, language),
        quiz=quiz.questions(courses, the_plane, remedies, language),
        more=more.folds(results, params, origin),
        colophon=text("page.colophon", language),
    )


def _tested(splits: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The scores on test, with those without copied images where there are any."""
    found, alone = dict(splits.get("test", {})), splits.get("test_without_copies")
    return {**found, "without_copies": alone} if alone else found


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


def _remedies(results: Results, language: str) -> Json | None:
    found = results.compare.get(MAIN_COMPARISON) or {}
    if "effects" not in found:
        return None
    record = {**(found.get("summary") or {}), "variants": found.get("variants") or {}}
    return effects(found["effects"], found.get("curves"), record, language)


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
