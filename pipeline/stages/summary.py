"""Prints the results as one table, and what to look at next: `python -m pipeline.stages.summary`.

It only shows what other stages wrote, so it belongs to no pipeline and runs in no time.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from overfit_atlas.errors import AtlasError
from pipeline.stages import cli

if TYPE_CHECKING:
    from rich.table import Table

Json = Mapping[str, Any]
COLUMNS = (
    "model",
    "val accuracy",
    "test accuracy",
    "interval",
    "worst class F1",
    "gap (loss)",
    "best epoch",
    "onset",
    "verdict",
)
WIDTH = 130  # columns; a narrower terminal wraps lines rather than cutting words
NEXT = """
make ui       the runs, epoch by epoch: MLflow at http://127.0.0.1:5000
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
    print(NEXT.format(report=arguments.results / "report" / "index.html"))


def table(metrics: Json, diagnosis: Json) -> "Table":
    """One row a model: scores on held-out images, the gap at the last epoch, and the verdict."""
    from rich.table import Table

    made = Table(title=_title(metrics), title_justify="left")
    for column in COLUMNS:
        made.add_column(column, justify="left" if column in ("model", "verdict") else "right")
    for name, splits in metrics.items():
        made.add_row(name, *_scores(splits), *_judged(diagnosis.get(name, {})))
    return made


def _title(metrics: Json) -> str:
    counts = {
        f"{split}: {scores['num_images']:,} images"
        for splits in metrics.values()
        for split, scores in splits.items()
    }
    return f"Mean over seeds; interval of the test accuracy. {', '.join(sorted(counts))}."


def _scores(splits: Json) -> list[str]:
    test = splits["test"]
    low, high = test["accuracy_interval"]
    return [
        _percent(splits["val"]["accuracy"]),
        _percent(test["accuracy"]),
        f"{_percent(low)} to {_percent(high)}",
        _number(test["worst_class_f1"]),
    ]


def _judged(diagnosis: Json) -> list[str]:
    onset = _at(diagnosis, "onset", "loss") or {}
    epoch = onset.get("epoch")
    return [
        _number(_at(diagnosis, "gap", "loss", "last", "value")),
        _epoch(_at(diagnosis, "best_epoch", "median")),
        _epoch(epoch) if epoch is not None else str(onset.get("status", "-")),
        str(diagnosis.get("verdict", "-")),
    ]


def _at(document: Any, *path: str) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


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
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    cli.run(main, parser)
