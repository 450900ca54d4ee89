"""Learning curves: clean scores over epochs, where they are best, and where overfitting begins."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.plots import curves as plots
from pipeline.plots import running
from pipeline.reporting.blocks import Block, Cell, Column, Fold, Missing, Prose, Section, Table
from pipeline.reporting.context import Context
from pipeline.reporting.diagnoses import SCORES, Onset
from pipeline.reporting.wording import NONE, cell, epoch, named


def section(context: Context) -> Section:
    """All models overlaid, then each alone; onsets in a table; Keras' running scores beside."""
    say, tables = context.words, context.curves
    blocks: list[Block] = [Prose(say("curves.lead"), "lead")]
    if not tables:
        blocks.append(Missing(say("curves.missing"), "dvc repro evaluate"))
        return Section("curves", say("curves.title"), blocks)
    without = [name for name in context.results.models if name not in tables]
    if without:
        blocks.append(Prose(say("curves.without", models=say.listed(without)), "note"))
    marks = marks_of(context)
    figure = plots.learning_curves(tables, context.language, marks)
    blocks.append(say.picture(figure, plots.learning_curves_finding(tables, context.language)))
    if context.diagnoses:
        blocks.append(_onsets(context))
    blocks += [_alone(context, name, table, marks) for name, table in tables.items()]
    blocks += [_stops(context)] if any(found.stops for found in context.diagnoses.values()) else []
    blocks.append(_running(context))
    return Section("curves", say("curves.title"), blocks)


def marks_of(context: Context) -> pd.DataFrame:
    """Best epochs and onsets as the figures take them: one row a model, score and kind."""
    rows: list[dict[str, object]] = []
    for name, found in context.diagnoses.items():
        for score in SCORES:
            onset = found.onset(score)
            if onset is None:
                continue
            row = {"model": name, "metric": score, "low": onset.low, "high": onset.high}
            row["status"] = onset.status
            rows.append({**row, "kind": "best", "epoch": onset.best_epoch})
            rows.append({**row, "kind": "onset", "epoch": onset.epoch})
    columns = ["model", "kind", "metric", "epoch", "low", "high", "status"]
    table = pd.DataFrame(rows, columns=columns)
    numbers = ["epoch", "low", "high"]
    return table.assign(**{name: table[name].astype(float) for name in numbers})


def _onsets(context: Context) -> Table:
    say = context.words
    columns = [Column(say("table.model")), Column(say("table.best_epoch"), numeric=True)]
    columns += [Column(say(f"table.onset_{score}"), numeric=True) for score in SCORES]
    columns.append(Column(say("table.seeds"), numeric=True))
    rows = []
    for name, found in context.diagnoses.items():
        loss = found.onset("loss")
        if loss is None:
            continue
        cells = [named(name, context.colours[name])]
        best = say.with_span(loss.best_epoch, loss.low, loss.high, epoch)
        cells.append(Cell(best, float(loss.best_epoch)))
        cells += [onset_cell(context, found.onset(score)) for score in SCORES]
        cells.append(Cell(str(context.seeds(name)), context.seeds(name)))
        rows.append(cells)
    return Table(say("curves.onsets"), columns, rows, say("curves.onsets_note"))


def onset_cell(context: Context, onset: Onset | None) -> Cell:
    """Where overfitting begins: an epoch with its interval, "none" or "not yet"."""
    say = context.words
    if onset is None:
        return Cell(NONE)
    if onset.epoch is None:
        return Cell(say(f"onset.{onset.status}"))
    shown = say.with_span(onset.epoch, onset.low, onset.high, epoch)
    return Cell(shown, float(onset.epoch))


def _alone(context: Context, name: str, table: pd.DataFrame, marks: pd.DataFrame) -> Fold:
    say, one = context.words, {name: table}
    blocks: list[Block] = []
    metrics = ["loss", "accuracy"]
    if _has_noise(table):
        metrics.append("true_accuracy")
    figure = plots.learning_curves(one, context.language, marks, metrics)
    blocks.append(say.picture(figure, plots.learning_curves_finding(one, context.language)))
    title = say("page.of_model", what=say("curves.title"), model=name)
    return Fold(title, blocks, swatch=context.colours[name])


def _has_noise(table: pd.DataFrame) -> bool:
    if "true_accuracy" not in table:
        return False
    both = table[["accuracy", "true_accuracy"]].dropna()
    return bool((both["accuracy"] - both["true_accuracy"]).abs().max() > 1e-9)


def _running(context: Context) -> Fold:
    say, tables = context.words, context.curves
    shown = {name: table for name, table in tables.items() if (table["split"] == "running").any()}
    blocks: list[Block] = [Prose(say("curves.running_lead"))]
    if shown:
        figure = running.running_gap(shown, context.language)
        blocks.append(say.picture(figure, running.running_gap_finding(shown, context.language)))
        rates = running.learning_rate(shown, context.language)
        blocks.append(say.picture(rates, say("curves.rate_finding")))
    return Fold(say("curves.running"), blocks)


def _stops(context: Context) -> Fold:
    say = context.words
    rules = list(
        dict.fromkeys(rule for found in context.diagnoses.values() for rule in found.stops)
    )
    columns = [Column(say("table.model")), Column(say("table.best_epoch"), numeric=True)]
    columns += [Column(say.or_itself("curves.rule", rule), numeric=True) for rule in rules]
    rows = []
    for name, found in context.diagnoses.items():
        loss = found.onset("loss")
        if found.stops and loss is not None:
            best = cell(loss.best_epoch, epoch)
            stops = [_stop(found.stops.get(rule, {})) for rule in rules]
            rows.append([named(name, context.colours[name]), best, *stops])
    table = Table(say("curves.stops_caption"), columns, rows, say("curves.stops_note"))
    return Fold(say("curves.stops"), [Prose(say("curves.stops_lead")), table])


def _stop(stop: Mapping[str, Any]) -> Cell:
    median, stopped = stop.get("median"), stop.get("num_stopped", 0)
    shown = f"{epoch(median)} ({stopped}/{len(stop.get('seeds', ()))})"
    return Cell(shown, median)
