"""Class by class: which are weak, and which are learned by heart."""

import pandas as pd

from pipeline.plots import per_class as plots
from pipeline.reporting.blocks import Block, Cell, Column, Fold, Missing, Prose, Section, Table
from pipeline.reporting.context import Context
from pipeline.reporting.wording import cell, known, named, number, p_value, signed, whole


def section(context: Context) -> Section:
    """A summary of all models, then figure and table of each."""
    say, results = context.words, context.results
    blocks: list[Block] = [Prose(say("classes.lead"), "lead")]
    tables = {name: results.table("per_class", name) for name in results.models}
    found = {name: table for name, table in tables.items() if table is not None}
    if not found:
        blocks.append(Missing(say("classes.missing"), "dvc repro evaluate"))
    else:
        blocks.append(_summary(context, found))
    for name, table in found.items():
        blocks.append(_of_model(context, name, table))
    return Section("classes", say("classes.title"), blocks)


def _summary(context: Context, tables: dict[str, pd.DataFrame]) -> Table:
    say = context.words
    columns = [
        Column(say("table.model")),
        Column(say("table.weakest_class")),
        Column(say("table.weakest_f1"), numeric=True),
        Column(say("table.mean_f1"), numeric=True),
        Column(say("table.spread_f1"), numeric=True, meaning=say("classes.spread")),
        Column(say("table.ratio_f1"), numeric=True, meaning=say("classes.ratio")),
        Column(say("table.num_flagged"), numeric=True),
    ]
    rows = []
    for name, table in tables.items():
        scores = plots.by_class(table, "test", "probe")
        held = scores["f1_held"]
        rows.append(
            [
                named(name, context.colours[name]),
                named(str(held.index[0])),
                cell(held.iloc[0], number),
                cell(held.mean(), number),
                cell(held.std(ddof=0), number),
                cell(held.iloc[0] / held.mean() if held.mean() else None, number),
                cell(scores["flagged"].sum(), whole),
            ]
        )
    return Table(say("classes.summary"), columns, rows, say("classes.summary_note"))


def _of_model(context: Context, name: str, table: pd.DataFrame) -> Fold:
    say, language = context.words, context.language
    figure = plots.per_class(table, language)
    blocks: list[Block] = [
        say.picture(figure, plots.per_class_finding(table, language)),
        _table(context, name, table),
    ]
    title = say("page.of_model", what=say("classes.title"), model=name)
    return Fold(title, blocks, name == context.results.best, context.colours[name])


def _table(context: Context, name: str, table: pd.DataFrame) -> Table:
    say = context.words
    columns = [
        Column(say("table.class")),
        Column(say("table.f1_on", split=say("split.probe")), numeric=True),
        Column(say("table.f1_on", split=say("split.test")), numeric=True),
        Column(say("table.precision"), numeric=True),
        Column(say("table.recall"), numeric=True),
        Column(say("table.class_gap"), numeric=True),
        Column(say("table.p_adjusted"), numeric=True),
        Column(say("table.sure")),
        Column(say("table.support"), numeric=True),
    ]
    scores = plots.by_class(table, "test", "probe")
    test = table[table["split"] == "test"].set_index(
        table["class_name"].astype(str)[table["split"] == "test"]
    )
    rows = [_row(context, label, scores.loc[label], test.loc[label]) for label in scores.index]
    caption = say("classes.caption", model=name, seeds=context.seeds(name))
    return Table(caption, columns, rows, say("classes.note"))


def _row(context: Context, label: str, score: pd.Series, test: pd.Series) -> list[Cell]:
    say = context.words
    held = say.with_span(score["f1_held"], score["low"], score["high"], number)
    gap = say.with_span(score["gap"], score["gap_low"], score["gap_high"], signed)
    sure = bool(score["flagged"])
    p = test.get("class_gap_p")
    return [
        named(label),
        cell(score["f1_fit"], number),
        Cell(held, float(score["f1_held"])),
        cell(test.get("precision"), number),
        cell(test.get("recall"), number),
        Cell(gap, float(score["gap"]) if known(score["gap"]) else None),
        cell(p, p_value),
        Cell(say("page.yes" if sure else "page.no"), str(int(sure))),
        cell(test.get("support"), whole),
    ]
