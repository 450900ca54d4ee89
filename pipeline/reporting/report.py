"""The whole report: results in, page out."""

from collections.abc import Mapping

from pipeline.params import Params
from pipeline.reporting import provenance
from pipeline.reporting.blocks import Page
from pipeline.reporting.context import Context
from pipeline.reporting.results import Results
from pipeline.reporting.sections import (
    answer,
    calibration,
    classes,
    curves,
    data,
    method,
    mistakes,
    overfit_map,
    remedies,
)

SECTIONS = (
    answer,
    curves,
    overfit_map,
    classes,
    mistakes,
    remedies,
    calibration,
    data,
    method,
)
"""In the order of the page: the answer first, how it was measured last."""


def report(results: Results, params: Params, origin: Mapping[str, str]) -> Page:
    """The page of `results` in the language of `params`; `origin` is versions and commit."""
    context = Context(results, params, origin)
    say, manifest = context.words, results.manifest
    counts = {split: sum(manifest.counts[split]) for split in ("train", "val", "test")}
    return Page(
        language=context.language,
        title=say("page.title"),
        subject=say(
            "page.subject", dataset=manifest.dataset, classes=manifest.num_classes, **counts
        ),
        headline=answer.headline(context),
        sections=[module.section(context) for module in SECTIONS],
        colophon=say("page.colophon", version=provenance.own_version()).replace("  ", " "),
    )
