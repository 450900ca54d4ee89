"""Panels that W&B exports: a column a run and metric, with its lowest and highest values."""

from overfit_atlas.errors import ReadError
from overfit_atlas.readers.names import is_curve
from overfit_atlas.readers.raw import Raw
from overfit_atlas.readers.table import Table

_BOUNDS = ("__MIN", "__MAX")


def panels(raws: list[Raw]) -> list[Raw]:
    """`raws`, in which tables of a W&B panel become one table a run."""
    return [run for raw in raws for run in _panel(raw)]


def _panel(raw: Raw) -> list[Raw]:
    bounds = [name for name in raw.table.numbers if name.endswith(_BOUNDS)]
    bounds += [name for name in raw.table.texts if name.endswith(_BOUNDS)]
    if not bounds:
        return [raw]
    runs: dict[str, dict[str, str]] = {}
    for name in raw.table.numbers:
        run, mark, metric = name.rpartition(" - ")
        if mark and name not in bounds and is_curve(metric):
            runs.setdefault(run, {})[name] = metric
    if not runs:
        raise ReadError(f"{raw.name}: a panel of W&B without a loss or an accuracy")
    return [_run(raw, run, own, tuple(bounds)) for run, own in runs.items()]


def _run(raw: Raw, run: str, own: dict[str, str], bounds: tuple[str, ...]) -> Raw:
    numbers = {name: column for name, column in raw.table.numbers.items() if " - " not in name}
    numbers |= {metric: raw.table.numbers[name] for name, metric in own.items()}
    kept = Table(numbers, {}, raw.table.num_rows)
    return Raw(run, kept, "wandb export", raw.facts, model=run, not_used=bounds)
