"""Prints the results as one table, and what to look at next: `python -m pipeline.stages.summary`.

It only shows what other stages wrote, so it belongs to no pipeline and runs in no time.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overfit_atlas.errors import AtlasError
from overfit_atlas.words import sentences, text
from pipeline import params as parameters
from pipeline.stages import cli

if TYPE_CHECKING:
    from rich.table import Table

Json = Mapping[str, Any]
VERDICT = 9  # its column
WIDTH = 140  # columns; a narrower terminal wraps lines rather than cutting words


def main(arguments: argparse.Namespace) -> None:
    """Print the table of all models, and the next commands."""
    from rich.console import Console

    metrics = _read(arguments.results / "metrics.json")
    diagnosis = _read(arguments.results / "diagnosis.json")
    language = parameters.load(arguments.params).report.language
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(table(metrics, diagnosis, language))
    if (path := arguments.results / "overtuning.json").is_file() and (found := _read(path)):
        print(sentences.overtuned(found, language))
    page = text(
        "report.terminal.page", language, report=arguments.results / "report" / "index.html"
    )
    print(f"\nmake ui       {text('report.terminal.ui', language)}\nmake report   {page}")
    print(text("report.terminal.next", language))


def table(metrics: Json, diagnosis: Json, language: str = "en") -> "Table":
    """One row a model: scores on held-out images, the gap at the last epoch, verdict and its P."""
    from rich.table import Table

    made = Table(title=_title(metrics, language), title_justify="left")
    for number, column in enumerate(text("report.terminal.columns", language).split("|")):
        made.add_column(column, justify="left" if number in (0, VERDICT) else "right")
    order = [name for name in parameters.MODEL_NAMES if name in metrics]
    for name in order:
        splits = metrics[name]
        judged = _judged(diagnosis.get(name, {}), language)
        made.add_row(name, *_scores(splits, language), *judged)
    return made


def _title(metrics: Json, language: str) -> str:
    counts = {
        split: scores["num_images"]
        for splits in metrics.values()
        for split, scores in splits.items()
    }
    counted = [
        text(
            "report.terminal.counted",
            language,
            split=split if language == "en" else text(f"report.split.{split}", language),
            images=images,
        )
        for split, images in sorted(counts.items())
    ]
    return text("report.terminal.title", language, counts=" · ".join(counted))


def _scores(splits: Json, language: str) -> list[str]:
    test = splits.get("test", {})  # left alone, with evaluate.read_test: false
    low, high = test.get("accuracy_interval", (None, None))
    return [
        str(splits["val"].get("num_seeds", "-")),
        _percent(splits["val"]["accuracy"]),
        _percent(test.get("accuracy")),
        _range(_percent(low), _percent(high), language),
        _number(test.get("worst_class_f1")),
    ]


def _judged(diagnosis: Json, language: str) -> list[str]:
    onset = _at(diagnosis, "onset", "loss") or {}
    epoch = onset.get("epoch")
    low, high = (_number(_at(diagnosis, "gap", "loss", end), ".2f") for end in ("low", "high"))
    return [
        _number(_at(diagnosis, "gap", "loss", "value")),
        _range(low, high, language),
        _epoch(epoch) if epoch is not None else str(onset.get("status", "-")),
        str(_at(diagnosis, "title", language) or "-"),
        _number(diagnosis.get("probability"), ".2f"),
    ]


def _at(document: Any, *path: str) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else f"{value:{form}}"


def _range(low: str, high: str, language: str) -> str:
    if "-" in (low, high):
        return "-"
    return text("report.terminal.to", language, low=low, high=high)


def _epoch(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


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
