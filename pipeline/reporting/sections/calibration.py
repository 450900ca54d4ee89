"""Whether the probabilities can be believed."""

from pipeline.plots import calibration as plots
from pipeline.reporting.blocks import Block, Column, Missing, Prose, Section, Table
from pipeline.reporting.context import Context
from pipeline.reporting.wording import named, three

SPLITS = ("probe", "val", "test")


def section(context: Context) -> Section:
    """The reliability diagram, and calibration errors on every split."""
    say = context.words
    found = context.results.tables.get("calibration", {})
    tables = {name: found[name] for name in context.results.models if name in found}
    blocks: list[Block] = [Prose(say("calibration.lead"), "lead")]
    if tables:
        figure = plots.reliability(tables, context.language)
        finding = plots.reliability_finding(tables, context.language)
        blocks.append(say.picture(figure, finding))
    else:
        blocks.append(Missing(say("calibration.missing"), "dvc repro evaluate"))
    blocks.append(_table(context))
    return Section("calibration", say("calibration.title"), blocks)


def _table(context: Context) -> Table:
    say = context.words
    columns = [Column(say("table.model"))]
    columns += [
        Column(say(f"table.{score}_on", split=say(f"split.{split}")), numeric=True)
        for score in ("ece", "brier")
        for split in SPLITS
    ]
    rows = [
        [
            named(model, context.colours[model]),
            *(
                say.scored(context.results.metrics[model].get(split, {}), score, three)
                for score in ("ece", "brier")
                for split in SPLITS
            ),
        ]
        for model in context.results.models
    ]
    return Table(say("calibration.caption"), columns, rows, say("calibration.note"))
