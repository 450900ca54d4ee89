"""The table of all models that a terminal shows: `show`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from overfit_atlas.words import Probability, text
from pipeline.params import MODEL_NAMES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Json = Mapping[str, Any]
VERDICT = 9  # its column
WIDTH = 140  # columns; a narrower terminal wraps lines rather than cutting words


def show(metrics: Json, diagnosis: Json, language: str = "en") -> "Console":
    """Print the table; more can be said on the console that comes back.

    Args:
        metrics, diagnosis: by model, as in results/metrics.json and results/diagnosis.json.
    """
    from rich.console import Console

    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(table(metrics, diagnosis, language))
    return console


def table(metrics: Json, diagnosis: Json, language: str = "en") -> "Table":
    """One row a model: scores on held-out images, the gap at the last epoch, verdict and its P."""
    from rich.table import Table

    made = Table(title=_title(metrics, language), title_justify="left")
    for number, column in enumerate(text("report.terminal.columns", language).split("|")):
        words = number in (0, VERDICT)
        made.add_column(
            column,
            justify="left" if words else "right",
            min_width=13 if words else 0,
            no_wrap=number > VERDICT,
        )
    order = [name for name in MODEL_NAMES if name in metrics]
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
        percent(splits["val"]["accuracy"]),
        percent(test.get("accuracy")),
        _range(percent(low), percent(high), language),
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
        _sure(diagnosis.get("probability")),
    ]


def _sure(probability: float | None) -> str:
    return "-" if probability is None else f"{Probability(probability):.2f}"


def _at(document: Any, *path: str) -> Any:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return document


def percent(value: float | None) -> str:
    """A share as it is written; a dash where it is not known."""
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else f"{value:{form}}"


def _range(low: str, high: str, language: str) -> str:
    if "-" in (low, high):
        return "-"
    return text("report.terminal.to", language, low=low, high=high)


def _epoch(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
