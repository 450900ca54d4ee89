"""The verdict on one trained model, after its training: `python -m pipeline.stages.judge NAME`.

It reads what training left and no test image, and needs no TensorFlow. There is no reference yet:
`evaluate` judges once more, with the other models beside.
"""

import argparse
from pathlib import Path

import pandas as pd

from overfit_atlas import judgement
from overfit_atlas.facts import Facts
from overfit_atlas.record import Judgement
from pipeline import params as parameters
from pipeline import tracking, trained
from pipeline.data import prepared
from pipeline.data.prepared import Manifest
from pipeline.files import replacing, write_json
from pipeline.stages import cli
from pipeline.tracking import told


def main(arguments: argparse.Namespace) -> None:
    """Judge, write the record and the picture, and say it in one line."""
    params = parameters.load(arguments.params)
    if not trained.enabled(arguments.models, [arguments.model]):
        _leave_out(arguments)
        return
    data = prepared.read(arguments.data)
    manifest = data.manifest
    tables = arguments.results / "curves"
    curves = tables / f"{arguments.model}.csv"
    fits = trained.read_fits(arguments.models / arguments.model, tables)
    facts = Facts.of_labels(data.val.labels, manifest.num_classes)
    made = judgement.judge(arguments.model, fits, params.evaluate.rules, facts)
    print(line(made, params.report.language), flush=True)
    write_json(arguments.results / "judged" / f"{arguments.model}.json", made.as_json())
    picture = arguments.results / "judged" / f"{arguments.model}.png"
    _draw(curves, made, picture)
    _track(params, manifest, made, curves)


def _leave_out(arguments: argparse.Namespace) -> None:
    """Say, in both outputs, that there is no such model."""
    from matplotlib.figure import Figure

    said = f"{arguments.model}: nothing to judge, for enabled.{arguments.model} is false"
    print(said)
    folder = arguments.results / "judged"
    write_json(folder / f"{arguments.model}.json", {"name": arguments.model, "enabled": False})
    figure = Figure(figsize=(6.4, 0.6))
    figure.text(0.02, 0.4, said)
    with replacing(folder / f"{arguments.model}.png") as temporary:
        figure.savefig(temporary, format="png")


def line(made: Judgement, language: str) -> str:
    """The verdict in one line, with its probability and the best epochs."""
    title = made.title(language)
    sure = "" if made.probability is None else f" (P {made.probability:.2f}, no reference yet)"
    onset = made.onset.get("loss")
    best = f"; loss best at epoch {onset.best_epoch} ({onset.low} to {onset.high})" if onset else ""
    gap = made.estimate("gap/loss")
    wide = f"; gap {gap.value:.2f} nats" if gap else ""
    return f"{made.name}: {title}{sure}{best}{wide}"


def _draw(curves: Path, made: Judgement, to: Path) -> None:
    from pipeline.plots import curves as plots

    figure = plots.learning_curves({made.name: pd.read_csv(curves)}, "en", made.marks())
    with replacing(to) as temporary:
        figure.savefig(temporary, format="png")


def _track(params: parameters.Params, manifest: Manifest, made: Judgement, curves: Path) -> None:
    sections = ("evaluate",)
    with tracking.stage_run(params, f"judge@{made.name}", manifest.dataset, sections) as run:
        told.judged(run, made, curves)


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Judge one trained model.")
    known = [name for name in parameters.Models.model_fields if name != "ensemble"]
    parser.add_argument("model", choices=known, help="a key of models in params.yaml")
    cli.add_folders(parser, "data", "models", "results")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
