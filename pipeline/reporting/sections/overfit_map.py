"""The map of overfitting over width and dropout, its frontier, and the search beside it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.plots import maps, studies
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
from pipeline.reporting.wording import cell, known, number, percent, signed, whole

NUM_TRIALS = 10


def section(context: Context) -> Section:
    """The gap map with its frontier, onset and validation maps, slices, and the search."""
    say, found = context.words, context.results.tune
    blocks: list[Block] = [Prose(say("map.lead"), "lead")]
    tables = {name: one for name, one in found.items() if isinstance(one, pd.DataFrame)}
    if {"map", "surface", "frontier"} <= set(tables):
        blocks += _map(context, tables, _record(found))
    else:
        blocks.append(Missing(say("map.missing"), "dvc repro tune"))
    if len(tables.get("double_descent", ())):
        blocks.append(_descent(context, tables, _record(found)))
    if len(tables.get("search", ())):
        blocks.append(_search(context, tables, _record(found)))
    return Section("map", say("map.title"), blocks)


def _record(found: Mapping[str, Any]) -> Mapping[str, Any]:
    summary = found.get("summary")
    return summary if isinstance(summary, Mapping) else {}


def _map(
    context: Context, tables: Mapping[str, pd.DataFrame], summary: Mapping[str, Any]
) -> Iterator[Block]:
    say, language, tune = context.words, context.language, _asked(context, summary)
    fits, surface, frontier = (_slice(tables[name]) for name in ("map", "surface", "frontier"))
    fits = _last(fits[fits["gap_loss"].notna()])
    sentence = _sentence(context, frontier, summary)
    if sentence:
        yield Prose(sentence, "key")
    figure = maps.gap_map(fits, surface, frontier, language, tune.threshold, tune.model)
    finding = maps.gap_map_finding(fits, frontier, language, tune.threshold)
    seeds = fits["seed"].nunique()
    made = {"model": tune.model, "seeds": seeds, "fits": len(fits), "epochs": tune.epochs}
    yield say.picture(figure, finding, say("map.points", **made) + _error(context, summary))
    yield Fold(say("map.frontier"), [_frontier(context, frontier, tune)])
    yield Fold(say("map.more"), list(_more(context, fits, surface, tune)))


@dataclass(frozen=True)
class Asked:
    """What the study was about; it says so itself, for params.yaml may have changed since."""

    model: str
    threshold: float
    epochs: int


def _asked(context: Context, summary: Mapping[str, Any]) -> Asked:
    tune = context.params.tune
    return Asked(
        model=str(summary.get("model") or tune.model),
        threshold=float(summary.get("threshold") or tune.threshold or 0.3),
        epochs=int(summary.get("epochs") or tune.epochs),
    )


def _slice(table: pd.DataFrame) -> pd.DataFrame:
    """The part of a table that is about all of the training images, with the least label noise."""
    for column, pick in (("train_fraction", "max"), ("label_noise", "min")):
        if column in table:
            table = table[table[column] == getattr(table[column], pick)()]
    return table


def _last(fits: pd.DataFrame) -> pd.DataFrame:
    return fits[fits["epochs"] == fits["epochs"].max()] if "epochs" in fits else fits


def _sentence(context: Context, frontier: pd.DataFrame, summary: Mapping[str, Any]) -> str:
    """From which width the undropped net overfits, and what dropout the widest net needs."""
    say, tune = context.words, _asked(context, summary)
    slices = summary.get("slices") or [{}]
    start = slices[0].get("overfits_from") or {}
    reach = str(start.get("reach") or "").replace(" ", "_")
    if not reach or frontier.empty:
        return ""
    spread = say.span(start.get("low"), start.get("high"), whole)
    values = {"model": tune.model, "threshold": tune.threshold, "width": whole(start.get("width"))}
    first = say(f"map.reach.{reach}", **values, interval=f" ({spread})" if spread else "")
    widest = frontier.sort_values("width").iloc[-1]
    need = str(widest.get("need", "some")).replace(" ", "_")
    if reach == "at_no_width":
        return first
    dropout = {"width": whole(widest["width"]), "dropout": number(widest["dropout"])}
    inside = say.span(widest.get("dropout_low"), widest.get("dropout_high"), number)
    second = say(f"map.widest.{need}", **dropout, interval=f" ({inside})" if inside else "")
    return say("page.then", first=first, last=second)


def _error(context: Context, summary: Mapping[str, Any]) -> str:
    """How well the surface foretells points it has not seen."""
    left_out = (summary.get("slices") or [{}])[0].get("leave_one_out")
    if not left_out or not known(left_out.get("error")):
        return ""
    agreement = percent(left_out.get("agreement"), 0)
    said = context.words("map.error", error=number(left_out["error"], 3), agreement=agreement)
    return " " + said


def _frontier(context: Context, frontier: pd.DataFrame, tune: Asked) -> Table:
    say = context.words
    columns = [
        Column(say("table.width"), numeric=True),
        Column(say("table.least_dropout"), numeric=True),
        Column(say("table.fit")),
    ]
    shown = frontier[frontier["examined"].astype(bool)] if "examined" in frontier else frontier
    rows = [_row(context, row) for row in shown.sort_values("width").to_dict("records")]
    caption = say("map.frontier_caption", threshold=tune.threshold)
    return Table(caption, columns, rows, say("map.frontier_note"))


def _row(context: Context, row: Mapping[Any, Any]) -> list[Cell]:
    say = context.words
    need = str(row.get("need", "some")).replace(" ", "_")
    low, high = row.get("dropout_low"), row.get("dropout_high")
    shown = say.with_span(row["dropout"], low, high, number)
    if known(low) and not known(high):
        shown = say("map.or_more", dropout=number(row["dropout"]), low=number(low))
    words = say(f"map.need.{need}", dropout=shown)
    if need == "none" and known(high) and float(high or 0) > 0:
        words += f" ({say.span(low, high, number)})"
    underfit = "underfit" if bool(row.get("underfit")) else ""
    value = float(row["dropout"]) if known(row["dropout"]) else (0.0 if need == "none" else None)
    return [cell(row["width"], whole), Cell(words, value), say.verdict_cell(underfit)]


def _more(
    context: Context, fits: pd.DataFrame, surface: pd.DataFrame, tune: Asked
) -> Iterator[Block]:
    """The same plane seen otherwise: cuts through it, onsets, and the score on validation."""
    say, language = context.words, context.language
    cuts = maps.slices(fits, surface, language, tune.threshold, tune.model)
    yield say.picture(cuts, say("map.slices_finding"))
    if "onset_epoch" in fits:
        onsets = maps.onset_map(fits, language, tune.model)
        counted = int(fits["onset_epoch"].notna().sum())
        yield say.picture(onsets, say("map.onset_finding", onsets=counted, fits=len(fits)))
    if "val_loss" in fits and "val_loss" in surface:
        figure = maps.validation_map(fits, surface, language, "val_loss", tune.model)
        means = fits.groupby(["width", "dropout"], as_index=False)["val_loss"].mean()
        least = means.loc[means["val_loss"].idxmin()]
        best = {"width": whole(least["width"]), "dropout": number(least["dropout"])}
        best["loss"] = number(least["val_loss"], 3)
        yield say.picture(figure, say("map.validation_finding", **best))


def _descent(
    context: Context, tables: Mapping[str, pd.DataFrame], summary: Mapping[str, Any]
) -> Fold:
    say, tune = context.words, _asked(context, summary)
    found = pd.DataFrame(summary.get("double_descent") or [])
    marks = found if {"label_noise", "interpolation_width", "status"} <= set(found) else None
    table = tables["double_descent"]
    figure = studies.double_descent(table, context.language, marks, tune.model)
    seen = bool(marks is not None and (marks["status"] == "observed").any())
    finding = say("map.descent_seen" if seen else "map.descent_unseen")
    return Fold(say("map.descent"), [say.picture(figure, finding)])


def _search(
    context: Context, tables: Mapping[str, pd.DataFrame], summary: Mapping[str, Any]
) -> Fold:
    say, search = context.words, tables["search"]
    blocks: list[Block] = [Prose(say("map.search_lead"))]
    if search[["val_loss", "gap_loss"]].dropna().shape[0] > 1:
        figure = studies.pareto(search, context.language)
        blocks.append(say.picture(figure, say("map.pareto_finding")))
    importance = tables.get("importance")
    if importance is not None and len(importance):
        blocks += _importances(context, importance)
    blocks.append(_trials(context, search))
    return Fold(say("map.search"), blocks)


def _importances(context: Context, importance: pd.DataFrame) -> Iterator[Block]:
    """What matters for the gap and what for validation, a figure each."""
    say = context.words
    whole_table = importance if "target" in importance else importance.assign(target="gap_loss")
    for target, table in whole_table.groupby("target"):
        figure = studies.importances(table, context.language, str(target))
        first = table["evaluator"].iloc[0]
        most = table[table["evaluator"] == first].sort_values("importance").iloc[-1]
        values = {"evaluator": first, "parameter": most["parameter"]}
        share = percent(most["importance"], 0)
        yield say.picture(figure, say("map.importance_finding", share=share, **values))


def _trials(context: Context, search: pd.DataFrame) -> Table:
    say = context.words
    best = search.sort_values("val_loss").head(NUM_TRIALS)
    shown = ["width", "dropout", "learning_rate", "val_loss", "val_accuracy", "gap_loss"]
    shown = [name for name in shown if name in best]
    forms = {"width": whole, "val_accuracy": percent, "gap_loss": signed, "dropout": number}
    columns = [Column(say("table.rank"), numeric=True)]
    columns += [Column(say(f"table.{name}"), numeric=True) for name in shown]
    columns.append(Column(say("table.verdict")))
    rows = [
        [
            cell(place, whole),
            *(cell(row[name], forms.get(name, _significant)) for name in shown),
            say.verdict_cell(str(row.get("verdict") or "").replace(" ", "_")),
        ]
        for place, row in enumerate(best.to_dict("records"), start=1)
    ]
    return Table(say("map.search_caption", num=len(rows), total=len(search)), columns, rows)


def _significant(value: object) -> str:
    return f"{float(value):.3g}" if known(value) else "–"  # type: ignore[arg-type]
