"""The page's view of single images: which are shown, what is known of them, what is said."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from overfit_atlas.estimates import Json
from overfit_atlas.images.memorisation import memorised
from overfit_atlas.images.near_duplicates import KINDS
from overfit_atlas.page.gallery import Marked, Pictures
from overfit_atlas.words import text
from pipeline.params import Params
from pipeline.reporting.results import Results

NO_TABLE = pd.DataFrame()
WORTH_SAYING = 0.1
"""From here on the page says how likely a label is wrong."""


def pictures(results: Results) -> Pictures:
    """The validation images, with what is known of single ones as filters."""
    val = results.prepared.val
    maps = {}
    for name in results.models:
        arrays = results.arrays("gradcam", name) or {}
        if "val_maps" in arrays:
            maps[name] = arrays["val_rows"], arrays["val_maps"]
    judged = _studied(results, "val")
    suspicious = judged["id"][judged["suspicious"].astype(bool)] if len(judged) else ()
    named = {"suspicious": suspicious, "copied": _copied(results)}
    return Pictures(
        images=np.asarray(val.images),
        labels=np.asarray(val.labels),
        class_names=results.manifest.class_names,
        marks=_rows(named, val.ids),
        maps=maps,
    )


def marked(results: Results, params: Params) -> Marked:
    """The train images that the study of single images and the search for copies name."""
    train, judged = results.prepared.train, _studied(results, "train")
    copies, named = _copied(results), {}
    if len(judged):
        most = judged[memorised(judged)].sort_values("memorisation", ascending=False)
        doubted = judged[judged["suspicion"] >= params.images.suspicion].sort_values("rank")
        named = {"memorised": most["id"], "suspicious": doubted["id"]}
    rows = _rows({**named, "copied": copies}, train.ids)
    shown = {row for of_mark in rows.values() for row in of_mark}
    known = {int(row["id"]): row for row in judged.to_dict("records")}
    facts: dict[int, Json] = {}
    for row in shown:
        number = int(train.ids[row])
        facts[row] = {"name": f"#{number}", **_facts(known.get(number, {}))}
        if number in copies:
            facts[row]["copies"] = copies[number]
    return Marked(np.asarray(train.images), np.asarray(train.labels), rows, facts)


def sentences(results: Results, params: Params) -> Iterator[str]:
    """How many copies there are, and what the study of single images found, or how to make it."""
    language = params.report.language
    counts = results.summaries.get("data", {}).get("copies")
    if counts:
        splits = ("train", "val", "test")
        images = sum(results.manifest.num_images(split) for split in splits)
        none = text("page.images.copies_none", language, images=f"{images:,}")
        yield copies_said(counts, language) if any(counts["pairs"].values()) else none
    study = _study(results)
    if not study:
        yield text("page.images.no_study", language)
        return
    values = {"fits": study["num_fits"], "memorised": study["memorised"]}
    expected = round(float(study["dropped_expected"]))
    values |= {"suspicious": study["dropped"], "expected": expected}
    yield text("page.images.study", language, **values)


def copies_said(counts: Mapping[str, Any], language: str) -> str:
    """How many copies there are, where, as `preprocess` counted them."""
    pairs, within, across = counts["pairs"], counts["within"], counts["across"]
    near = sum(pairs[kind] for kind in KINDS if kind != "exact")
    ends = {f"{split}_across": number for split, number in across.items()}
    left_out = counts["left_out_of_train"]
    values = {"exact": pairs["exact"], "near": near, "left_out": left_out, **within, **ends}
    return text("page.images.copies", language, **values)


def _study(results: Results) -> Mapping[str, Any]:
    """The summary of the study of single images; empty where these images were not studied."""
    found: Mapping[str, Any] = results.summaries.get("images", {})
    return found if found.get("content_hash") == results.manifest.content_hash else {}


def _studied(results: Results, split: str) -> pd.DataFrame:
    return results.tables.get("images", {}).get(split, NO_TABLE) if _study(results) else NO_TABLE


def _copied(results: Results) -> dict[int, list[list[str]]]:
    """By the id of an image, its copies: kind, name, split."""
    found: dict[int, list[list[str]]] = {}
    table = results.tables.get("data", {}).get("duplicates", NO_TABLE)
    for row in table.to_dict("records"):
        one = int(row["id"]), _name(row["id"], row.get("path")), str(row["split"])
        path = row.get("duplicate_of_path")
        other = (
            int(row["duplicate_of"]),
            _name(row["duplicate_of"], path),
            str(row["duplicate_of_split"]),
        )
        for (number, *_), (_, name, split) in ((one, other), (other, one)):
            found.setdefault(number, []).append([str(row["kind"]), name, split])
    return found


def _name(number: Any, path: Any) -> str:
    """The file of an image, or its number in the raw data where there are no files."""
    return path if isinstance(path, str) and path else f"#{int(number)}"


def _facts(row: Mapping[Any, Any]) -> Json:
    """What the study knows of one train image, as short as the page needs it."""
    if not row:
        return {}
    facts: Json = {"name": _name(row["id"], row.get("path"))}
    if pd.notna(row["memorisation"]):
        facts["memorised"] = [round(float(row[n]), 3) for n in ("memorisation", "low", "high")]
        facts |= {name: round(float(row[name]), 3) for name in ("right_in", "right_out")}
    if row["suspicion"] >= WORTH_SAYING:
        facts["suspicion"] = round(float(row["suspicion"]), 3)
        facts["suggested"] = str(row["suggested"])
    return facts


def _rows(named: Mapping[str, Any], ids: Any) -> dict[str, list[int]]:
    """By mark the rows of the images with these ids, of those that are there."""
    place = {int(one): row for row, one in enumerate(ids)}
    rows = {
        name: [place[int(one)] for one in of if int(one) in place] for name, of in named.items()
    }
    return {name: of_name for name, of_name in rows.items() if of_name}
