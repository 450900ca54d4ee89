"""What helps: paired effects of remedies, and any other comparison that was run."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from pipeline.plots import comparison as plots
from pipeline.plots import style
from pipeline.reporting.blocks import (
    Block,
    Cell,
    Column,
    Fold,
    Missing,
    Prose,
    Section,
    Table,
)
from pipeline.reporting.context import Context
from pipeline.reporting.results import MAIN_COMPARISON
from pipeline.reporting.wording import NONE, as_yaml, known, named, points, signed

METRICS = ("val_accuracy", "val_loss", "gap_loss")


def section(context: Context) -> Section:
    """The comparison of remedies in full, others folded."""
    say, found = context.words, context.results.compare
    blocks: list[Block] = [Prose(say("remedies.lead"), "lead")]
    if MAIN_COMPARISON in found:
        blocks += _comparison(context, found[MAIN_COMPARISON])
    else:
        blocks.append(Missing(say("remedies.missing"), "dvc repro compare@remedies"))
    for name, tables in found.items():
        if name != MAIN_COMPARISON:
            title = say("remedies.other", name=_summary(tables).get("title") or name)
            blocks.append(Fold(title, list(_comparison(context, tables))))
    return Section("remedies", say("remedies.title"), blocks)


def _summary(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    found = tables.get("summary")
    return found if isinstance(found, Mapping) else {}


def _comparison(context: Context, tables: Mapping[str, Any]) -> Iterator[Block]:
    say, effects = context.words, tables.get("effects")
    baseline = str(_summary(tables).get("baseline") or "baseline")
    if isinstance(effects, pd.DataFrame) and len(effects):
        yield from _effects(context, effects, tables)
    else:
        yield Missing(say("remedies.no_effects"))
    curves = tables.get("curves")
    if isinstance(curves, pd.DataFrame) and "variant" in curves:
        by_variant = {str(name): table for name, table in curves.groupby("variant", sort=False)}
        if baseline in by_variant:
            kinds = _kinds(effects, "last")
            figure = plots.comparison(by_variant, context.language, baseline, "loss", kinds)
            yield say.picture(figure, say("remedies.curves_finding", baseline=baseline))
    yield from _changes(context, tables, effects)


def _effects(context: Context, effects: pd.DataFrame, tables: Mapping[str, Any]) -> Iterator[Block]:
    say, summary = context.words, _summary(tables)
    baseline = str(summary.get("baseline") or "baseline")
    last = _at(effects, "last")
    shown = last[last["metric"].isin(METRICS) & _drawable(last["kind"])]
    if len(shown):
        figure = plots.remedies(shown, context.language, baseline)
        yield say.picture(figure, plots.remedies_finding(shown, context.language))
    yield _table(context, last, summary, "last")
    best = effects[effects["at"] == "best"] if "at" in effects else effects.head(0)
    if len(best):
        prose = Prose(say("remedies.best_lead"))
        yield Fold(say("remedies.best"), [prose, _table(context, best, summary, "best")])


def _at(effects: pd.DataFrame, moment: str) -> pd.DataFrame:
    return effects[effects["at"] == moment] if "at" in effects else effects


def _drawable(kinds: pd.Series) -> pd.Series:
    """Which rows have a class that the figures know."""
    return kinds.map(lambda kind: plots.kind_of(str(kind)) in style.KINDS)


def _kinds(effects: Any, moment: str) -> dict[str, str]:
    if not isinstance(effects, pd.DataFrame) or effects.empty:
        return {}
    rows = _at(effects, moment)
    rows = rows[_drawable(rows["kind"])]
    return dict(zip(rows["name"].astype(str), rows["kind"].astype(str), strict=True))


def _table(
    context: Context, effects: pd.DataFrame, summary: Mapping[str, Any], moment: str
) -> Table:
    say = context.words
    columns = [Column(say("table.remedy")), Column(say("table.kind"))]
    columns += [Column(say(f"table.effect_{name}"), numeric=True) for name in METRICS]
    names = effects["name"].astype(str)
    rows = [
        [named(name), *_effect_cells(context, effects[names == name])]
        for name in dict.fromkeys(names)
    ]
    caption = say(
        f"remedies.caption_{moment}",
        baseline=summary.get("baseline") or "baseline",
        model=summary.get("model") or "?",
        seeds=_count(effects, "num_seeds"),
        images=_count(effects, "num_images"),
        percent=f"{100 * float(summary.get('confidence') or 0.95):g}",
    )
    return Table(caption, columns, rows, say("remedies.note"))


def _count(effects: pd.DataFrame, column: str) -> str:
    found = effects[column].dropna() if column in effects else pd.Series(dtype=float)
    return f"{int(found.max()):,}" if len(found) else "?"


def _effect_cells(context: Context, rows: pd.DataFrame) -> list[Cell]:
    kind = next((str(kind) for kind in rows["kind"].dropna()), "")
    cells = [Cell(context.words.kind(kind), kind)]
    by_metric: Mapping[Any, Any] = rows.set_index("metric").to_dict("index")
    for metric in METRICS:
        row = by_metric.get(metric)
        if row is None:
            cells.append(Cell(NONE))
            continue
        form = points if metric.endswith("accuracy") else signed
        shown = context.words.with_span(row["effect"], row["low"], row["high"], form)
        cells.append(Cell(shown, float(row["effect"]) if known(row["effect"]) else None))
    return cells


def _changes(context: Context, tables: Mapping[str, Any], effects: Any) -> Iterator[Block]:
    """What each variant is: its overrides, verdict and size."""
    variants = tables.get("variants")
    if not isinstance(variants, Mapping) or not variants:
        return
    say = context.words
    columns = [
        Column(say("table.variant")),
        Column(say("table.changes")),
        Column(say("table.verdict")),
        Column(say("table.parameters"), numeric=True),
        Column(say("table.train_images"), numeric=True),
    ]
    # JSON sorts its keys; the table of effects has the order in which the variants were written.
    names = list(dict.fromkeys(effects["name"].astype(str))) if len(effects) else []
    order = sorted(variants, key=lambda name: names.index(name) + 1 if name in names else 0)
    rows = [_variant(context, name, variants[name]) for name in order]
    yield Fold(say("remedies.variants"), [Table(say("remedies.variants_caption"), columns, rows)])


def _variant(context: Context, name: str, found: Mapping[str, Any]) -> list[Cell]:
    changes = ", ".join(
        f"{key} = {as_yaml(value)}" for key, value in (found.get("changes") or {}).items()
    )
    verdict = str(found.get("verdict") or "").replace(" ", "_")
    parameters, images = found.get("num_parameters"), found.get("num_train")
    return [
        named(name),
        Cell(changes or context.words("remedies.nothing"), changes),
        context.words.verdict_cell(verdict),
        Cell(f"{parameters:,}" if known(parameters) else NONE, parameters),
        Cell(f"{images:,}" if known(images) else NONE, images),
    ]
