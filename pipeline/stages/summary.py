"""Prints the results as one table, and what to look at next: `python -m pipeline.stages.summary`.

It only shows what other stages wrote, so it belongs to no pipeline and runs in no time.
"""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overfit_atlas.errors import AtlasError
from overfit_atlas.words import sentences, text
from pipeline import params as parameters
from pipeline import verdict_table
from pipeline.stages import cli
from pipeline.verdict_table import percent

if TYPE_CHECKING:
    pass

Json = Mapping[str, Any]


def main(arguments: argparse.Namespace) -> None:
    """Print the table of all models, and the next commands."""
    language = parameters.load(arguments.params).report.language
    metrics, diagnosis = (
        _read(arguments.results / f"{name}.json") for name in ("metrics", "diagnosis")
    )
    console = verdict_table.show(metrics, diagnosis, language)
    for line in copies(arguments.results / "data" / "summary.json", metrics, language):
        console.print(line)
    if (path := arguments.results / "overtuning.json").is_file() and (found := _read(path)):
        print(sentences.overtuned(found, language))
    page = text(
        "report.terminal.page", language, report=arguments.results / "report" / "index.html"
    )
    print(f"\nmake ui       {text('report.terminal.ui', language)}\nmake report   {page}")
    print(text("report.terminal.next", language))


def copies(path: Path, metrics: Json, language: str = "en") -> Iterator[str]:
    """How many images are there twice, and the accuracy on test without those that are.

    Args:
        path: the summary that `preprocess` wrote; nothing is said where it is not there.
    """
    counts = _read(path).get("copies") if path.exists() else None
    if not counts or not any(counts["pairs"].values()):
        return
    from pipeline.reporting.single_images import copies_said

    yield copies_said(counts, language)
    alone = {name: splits.get("test_without_copies") for name, splits in metrics.items()}
    said = [f"{name} {percent(one['accuracy'])}" for name, one in alone.items() if one]
    if said:
        yield f"{text('page.column.test_alone', language)}: {', '.join(said)}"


def _read(path: Path) -> Json:
    try:
        document: Json = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AtlasError(f"{path}: not there yet. Run `dvc repro` first.") from None
    except ValueError as error:
        raise AtlasError(f"{path}: not valid JSON ({error}). Run `dvc repro` again.") from None
    return document


if __name__ == "__main__":
    parser = cli.parser("Print the results as one table.")
    cli.add_folders(parser, "results")
    cli.run(main, parser)
