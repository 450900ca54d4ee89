"""Remedies for the page: their effects with intervals at both moments, and their curves."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from overfit_atlas.estimates import Json
from overfit_atlas.page.charts import EFFECTS
from overfit_atlas.page.courses import curves_by
from overfit_atlas.page.numbers import known
from overfit_atlas.words import table as words

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("val_accuracy", "val_loss", "gap_loss")
KINDS = tuple(EFFECTS)
CURVES = ("epochs", "probe", "probe_accuracy", "val", "val_accuracy")


def effects(
    table: "pd.DataFrame",
    curves: "pd.DataFrame | None",
    record: Mapping[str, Any],
    language: str = "en",
) -> Json | None:
    """The remedies as the page shows them; None where nothing was compared.

    Args:
        table: one row a remedy, metric and moment (best, last): effect, low, high, kind.
        curves: one row a variant, seed, epoch and split.
        record: summary of the comparison, with its `variants`.

    Returns: baseline, model, num_seeds, num_images, confidence; rows: name, at, kind, metric,
        effect, low, high (accuracy in points); order: names, those that help first; variants: by
        name verdict, kind, and curves (epochs, probe, val, probe_accuracy, val_accuracy).
    """
    if table.empty:
        return None
    rows = table[table["metric"].isin(METRICS)]
    rows = rows.assign(name=[remedy(str(name), language) for name in rows["name"]])
    last = rows[rows["at"] == "last"] if "at" in rows else rows
    kinds = dict(zip(last["name"].astype(str), last["kind"].astype(str), strict=True))
    variants = record.get("variants") or {}
    return {
        "baseline": remedy(str(record.get("baseline") or "baseline"), language),
        "model": str(record.get("model") or "?"),
        "num_seeds": _most(table, "num_seeds"),
        "num_images": _most(table, "num_images"),
        "confidence": round(100 * float(record.get("confidence") or 0.95), 2),
        "rows": [_row(row) for row in rows.to_dict("records") if known(row["effect"])],
        "order": sorted(kinds, key=lambda name: _rank(kinds[name])),
        "variants": {
            remedy(name, language): {
                **{key: (variants.get(name) or {}).get(key) for key in ("verdict", "kind")},
                **found,
            }
            for name, found in _curves(curves).items()
        },
    }


def remedy(name: str, language: str) -> str:
    """What a remedy is called in `language`; its own name where it is none of the known ones."""
    key = re.sub(r"\W+", "_", name).lower()
    return words(language).get(f"page.remedy.{key}", name)


def _rank(kind: str) -> int:
    name = kind.replace("_", " ")
    return KINDS.index(name) if name in KINDS else len(KINDS)


def _most(table: "pd.DataFrame", column: str) -> int | None:
    found = table[column].dropna() if column in table else ()
    return int(max(found)) if len(found) else None


def _row(row: Mapping[Any, Any]) -> Json:
    factor = 100 if str(row["metric"]).endswith("accuracy") else 1
    numbers = {
        key: round(factor * float(row[key]), 4) if known(row[key]) else None
        for key in ("effect", "low", "high")
    }
    kind = str(row.get("kind") or "unclear").replace("_", " ")
    texts = {"name": str(row["name"]), "metric": row["metric"], "at": row.get("at", "last")}
    return texts | {"kind": kind} | numbers


def _curves(table: "pd.DataFrame | None") -> dict[str, Json]:
    """By variant, means over seeds at each epoch."""
    if table is None or table.empty or "variant" not in table:
        return {}
    return {
        str(name): {key: found[key] for key in CURVES}
        for (name,), found in curves_by(table, ["variant"], sort=False)
    }
