"""A trained net's layers, and what the first looks for: `python -m pipeline.stages.layers MODEL`.

It reads the delivered model of one seed, and belongs to no pipeline.
"""

import argparse
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from overfit_atlas.errors import AtlasError
from overfit_atlas.words import text
from pipeline import params as parameters
from pipeline import prediction, trained
from pipeline.files import replacing
from pipeline.stages import cli

if TYPE_CHECKING:
    import numpy as np

COLUMNS = ("layer", "kind", "output_shape", "parameters", "trainable")
MOST_SHOWN = 24
"""Layers in the terminal; the file has all."""


def main(arguments: argparse.Namespace) -> None:
    """Print and write the table of layers, and draw the weights of the first one that has any."""
    params = parameters.load(arguments.params)
    model = prediction.load(_chosen(arguments))
    table, folder = summary(model), arguments.results / "layers"
    with replacing(folder / f"{arguments.model}.csv") as temporary:
        table.to_csv(temporary, index=False)
    _print(table, arguments.model, params.report.language)
    print(folder / f"{arguments.model}.csv")
    if found := first_kernel(model):
        _draw(*found, model.input_shape[1:], arguments, params.report.language)


def summary(model: Any) -> pd.DataFrame:
    """One row a layer of a Keras model, those inside a backbone in its place.

    Columns: layer, kind, output_shape (without the batch, "24 x 24 x 32"), parameters, trainable
    (how many of them training may change).
    """
    rows = [
        (
            layer.name,
            type(layer).__name__,
            " x ".join(str(side) for side in layer.output.shape[1:]),
            layer.count_params(),
            sum(prod(one.shape) for one in layer.trainable_variables),
        )
        for layer in _flat(model)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def first_kernel(model: Any) -> "tuple[str, np.ndarray] | None":
    """Name and kernel of the first dense or convolutional layer; None where there is none.

    The kernel is `(inputs, units)` or `(height, width, channels, filters)`.
    """
    import numpy as np

    for layer in _flat(model):
        kernel = getattr(layer, "kernel", None)
        if kernel is not None and len(kernel.shape) in (2, 4):
            return layer.name, np.asarray(kernel)
    return None


def _flat(model: Any) -> Sequence[Any]:
    parts = [_flat(one) if hasattr(one, "layers") else [one] for one in model.layers]
    return [one for part in parts for one in part]


def _chosen(arguments: argparse.Namespace) -> Path:
    folder = arguments.models / arguments.model
    seeds = [int(fit["seed"]) for fit in trained.facts(folder)]
    seed = seeds[0] if arguments.seed is None else arguments.seed
    if seed not in seeds:
        raise AtlasError(f"--seed {seed}: {arguments.model} has no such fit, only {seeds}.")
    return trained.weights(folder)[seeds.index(seed)]


def _print(table: pd.DataFrame, model: str, language: str) -> None:
    from rich.console import Console
    from rich.table import Table

    def say(key: str, **values: Any) -> str:
        return text(f"report.layers.{key}", language, **values)

    totals = {name: int(table[name].sum()) for name in ("parameters", "trainable")}
    made = Table(title=say("title", model=model, **totals), title_justify="left")
    for column in COLUMNS:
        numeric = column in ("parameters", "trainable")
        made.add_column(say(column), justify="right" if numeric else "left")
    for row in table.head(MOST_SHOWN).itertuples(index=False):
        made.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in row))
    console = Console()
    console.print(made)
    if len(table) > MOST_SHOWN:
        console.print(say("more", count=len(table) - MOST_SHOWN))


def _draw(
    layer: str,
    kernel: "np.ndarray",
    shape: tuple[int, int, int],
    arguments: argparse.Namespace,
    language: str,
) -> None:
    from pipeline.plots import kernels

    if kernel.ndim == 2 and len(kernel) != shape[0] * shape[1] * shape[2]:
        return  # its inputs are no pixels: features of a backbone that stands for itself
    figure = kernels.kernels(kernel, shape, language, arguments.model, layer)
    path = arguments.results / "layers" / f"{arguments.model}.png"
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
    print(path)


def _parser() -> argparse.ArgumentParser:
    made = cli.parser("Show a trained model's layers, and the weights of the first as pictures.")
    known = [name for name in parameters.MODEL_NAMES if name != "ensemble"]
    made.add_argument("model", choices=known, help="a trained model")
    made.add_argument("--seed", type=int, help="of which fit (default: the first)")
    cli.add_folders(made, "models", "results")
    return made


if __name__ == "__main__":
    cli.run(main, _parser())
