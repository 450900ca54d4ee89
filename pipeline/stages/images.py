"""Find which images are memorised or mislabelled: `python -m pipeline.stages.images`.

Many small fits on random parts of train; train and val alone are looked at. A killed study goes on
with the fits that are missing.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import models, quiet, tracking
from pipeline import params as parameters
from pipeline.data import prepared, raw
from pipeline.data.prepared import Manifest, Prepared
from pipeline.files import replacing, write_json
from pipeline.params import Models, Params
from pipeline.stages import cli, registered
from pipeline.studies import subsets
from pipeline.studies.subsets import Found
from pipeline.training import checks, finished, workers
from pipeline.training.task import FitResult, FitTask

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main(arguments: argparse.Namespace) -> None:
    """Fit, count, write and log the tables and the two atlases."""
    given = parameters.load(arguments.params)
    params = registered.fetched(given, given.images.model)
    data = prepared.read(arguments.data)
    manifest = data.manifest
    kept = cli.root() / ".checkpoints" / "images"
    tasks = subsets.tasks(params, arguments.data.resolve(), manifest, kept)
    known = params.images.model in Models.model_fields
    checks.check_fit(tasks[0], manifest.image_shape, manifest.num_classes)
    if not known:
        _try(tasks[0], manifest)
    paths = [entry.path for entry in raw.read(arguments.raw).entries]
    workers.prepare(params.workers)
    section = (f"models.{params.images.model}",) if known else ()
    sections = ("seed", "train", *section, "images")
    with tracking.stage_run(given, "images", manifest.dataset, sections) as run:
        run.log_dataset(manifest)
        found = subsets.found(subsets.tallied(data, _fitted(params, tasks)), params, paths)
        figures = drawn(found, data, params.report.language)
        _write(arguments.out, found, figures)
        _log(run, found, figures)
    finished.discard_checkpoints(tasks)
    print(told(found))


def _try(task: FitTask, manifest: Manifest) -> None:
    """Build a net of somebody's once: here an error is one sentence, and not one a worker."""
    quiet.tensorflow(threads=1)
    shape, num_classes = manifest.image_shape, manifest.num_classes
    models.build(task.model, task.section, shape, num_classes, task.seed)


def _fitted(params: Params, tasks: list[FitTask]) -> Iterator[tuple[int, FitResult]]:
    with workers.pool(params.workers) as pool:
        yield from pool.run(tasks, "images")


def drawn(found: Found, data: Prepared, language: str) -> dict[str, "Figure"]:
    """The two atlases of train images, by the name of their file."""
    from pipeline.plots import single_images

    table, fits = found.tables["train"], found.summary["num_fits"]
    return {
        "memorised": single_images.memorised(table, data.train.images, language, fits),
        "suspicious": single_images.suspicious(table, data.train.images, language, fits),
    }


def _write(folder: Path, found: Found, figures: dict[str, "Figure"]) -> None:
    from pipeline.plots import style

    with replacing(folder, "summary.json") as temporary:
        temporary.mkdir()
        for name, table in found.tables.items():
            table.to_csv(temporary / f"{name}.csv", index=False, float_format="%.9g")
        for name, figure in figures.items():
            (temporary / f"{name}.png").write_bytes(style.png(figure))
        write_json(temporary / "summary.json", found.summary)


def _log(run: tracking.Run, found: Found, figures: dict[str, "Figure"]) -> None:
    for name, table in found.tables.items():
        run.log_table(table, f"{name}.csv")
    for name, figure in figures.items():
        run.log_figure(figure, f"{name}.png")
    summary = found.summary
    run.log_metrics(
        {
            "images/gap_accuracy": summary["gap_accuracy"]["value"],
            "images/memorised": summary["memorised"],
            "images/membership_auc": summary["membership_auc"]["value"],
            "images/wrong_labels_expected": summary["wrong_labels_expected"],
        }
    )


def told(found: Found) -> str:
    """The answers in a few lines."""
    one = found.summary
    gap, leak = one["gap_accuracy"], one["membership_auc"]
    return (
        f"{one['dataset']}: {one['num_fits']} fits, each on {one['study']['share']:.0%} of "
        f"{one['num_train']:,} train images\n"
        f"  memorised: {one['memorised']} images; gap in accuracy between images trained on and "
        f"not {gap['value']:.3f} ({gap['low']:.3f} to {gap['high']:.3f})\n"
        f"  labels: {one['dropped']} to look at (drop.csv), {one['relabelled']} of them with a "
        f"suggestion (relabel.csv)\n"
        f"  influence: {one['influence_pairs']} pairs of a train image that makes a val image "
        f"wrong\n"
        f"  membership: the loss tells train images with an AUC of {leak['value']:.3f} "
        f"({leak['low']:.3f} to {leak['high']:.3f})"
    )


def _parser() -> argparse.ArgumentParser:
    made = cli.parser("Find which images are memorised or mislabelled.")
    cli.add_folders(made, "data", "raw")
    made.add_argument(
        "--out", type=Path, default=Path("results/images"), help="folder for tables and atlases"
    )
    return made


if __name__ == "__main__":
    cli.run(main, _parser())
