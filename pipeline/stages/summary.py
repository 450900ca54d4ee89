"""Prints the results as one table, and what to look at next: `python -m pipeline.stages.summary`.

It only shows what other stages wrote, so it belongs to no pipeline and runs in no time.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overfit_atlas.errors import AtlasError
from overfit_atlas.words import sentences
from pipeline.params import MODEL_NAMES
from pipeline.stages import cli

if TYPE_CHECKING:
    from rich.table import Table

Json = Mapping[str, Any]
COLUMNS = (
    "model",
    "seeds",
    "val accuracy",
    "test accuracy",
    "its interval",
    "worst class F1",
    "gap (loss)",
    "its interval ",
    "onset",
    "verdict",
    "P",
)
WIDTH = 140  # columns; a narrower terminal wraps lines rather than cutting words
NEXT = """
make ui       the runs, epoch by epoch, in MLflow
make report   the page that explains them: {report}
Another number in params.yaml, then `make repro`: only what depends on it runs again."""


def main(arguments: argparse.Namespace) -> None:
    """Print the table of all models, and the next commands."""
    from rich.console import Console

    metrics = _read(arguments.results / "metrics.json")
    diagnosis = _read(arguments.results / "diagnosis.json")
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(table(metrics, diagnosis))
    if (path := arguments.results / "overtuning.json").is_file() and (found := _read(path)):
        print(sentences.overtuned(found, "en"))
    print(NEXT.format(report=arguments.results / "report" / "index.html"))


def table(metrics: Json, diagnosis: Json) -> "Table":
    """One row a model: scores on held-out images, the gap at the last epoch, verdict and its P."""
    from rich.table import Table

    made = Table(title=_title(metrics), title_justify="left")
    for column in COLUMNS:
        made.add_column(column, justify="left" if column in ("model", "verdict") else "right")
    order = [name for name in MODEL_NAMES if name in metrics]
    for name in order:
        splits = metrics[name]
        made.add_row(name, *_scores(splits), *_judged(diagnosis.get(name, {})))
    return made


def _title(metrics: Json) -> str:
    counts = {
        f"{split}: {scores['num_images']:,} images"
        for splits in metrics.values()
        for split, scores in splits.items()
    }
    return f"Mean over seeds; intervals over seeds and images. {', '.join(sorted(counts))}."


def _scores(splits: Json) -> list[str]:
    test = splits.get("test", {})  # left alone, with evaluate.read_test: false
    low, high = test.get("accuracy_interval", (None, None))
    return [
        str(splits["val"].get("num_seeds", "-")),
        _percent(splits["val"]["accuracy"]),
        _percent(test.get("accuracy")),
        "-" if low is None else f"{_percent(low)} to {_percent(high)}",
        _number(test.get("worst_class_f1")),
    ]


def _judged(diagnosis: Json) -> list[str]:
    onset = _at(diagnosis, "onset", "loss") or {}
    epoch = onset.get("epoch")
    return [
        _number(_at(diagnosis, "gap", "loss", "value")),
        _range(*(_at(diagnosis, "gap", "loss", end) for end in ("low", "high"))),
        _epoch(epoch) if epoch is not None else str(onset.get("status", "-")),
        str(_at(diagnosis, "title", "en") or "-"),
        _probability(diagnosis.get("probability")),
    ]


def _at(document: Any, *path: str) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _range(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def _probability(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


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
    parser = argparse.ArgumentParser(description="Print the results as one table.")
    cli.add_folders(parser, "results")
    cli.run(main, parser)
