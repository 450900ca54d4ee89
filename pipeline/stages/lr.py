"""Which learning rate to begin with, by a range test: `python -m pipeline.stages.lr MODEL`.

It reads training images alone, takes seconds, and belongs to no pipeline: what it suggests you may
write into params.yaml.
"""

import argparse
from pathlib import Path

import numpy as np

from overfit_atlas.errors import AtlasError
from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.files import replacing, write_json
from pipeline.params import Params, Schedule
from pipeline.stages import cli, fitted, registered
from pipeline.training import checks, rate_range
from pipeline.training.rate_range import Suggestion
from pipeline.training.task import FitTask

STEPS = 60
BATCHES = 8  # at each rate
SEEDS = 3


def main(arguments: argparse.Namespace) -> None:
    """Sweep, suggest, and write the picture and the numbers."""
    params = parameters.load(arguments.params)
    if arguments.lowest >= arguments.highest or arguments.lowest <= 0:
        raise AtlasError(
            f"--lowest {arguments.lowest:g} --highest {arguments.highest:g}: expected two rates "
            "above 0, the lower one first."
        )
    tasks = _tasks(params, arguments.model, arguments.data)
    num_images = BATCHES * tasks[0].train.batch_size
    tried = rate_range.rates(arguments.lowest, arguments.highest, STEPS)
    from pipeline.training import session

    by_seed = np.array([session.swept(task, list(tried), num_images) for task in tasks])
    try:
        found = rate_range.suggest(tried, by_seed)
    except ValueError as error:
        raise AtlasError(
            f"{arguments.model}: {error} from {arguments.lowest:g} to {arguments.highest:g}; "
            "try others with --lowest and --highest, or check the images and the model."
        ) from None
    _write(arguments, found, by_seed, num_images, params.report.language)
    print(
        f"{arguments.model}: suggested learning_rate {found.suggested:.2g} (loss least at "
        f"{found.least:.2g}, falls fastest at {found.steepest:.2g}; now "
        f"{tasks[0].train.learning_rate:.2g})"
    )
    print(arguments.results / "lr" / f"{arguments.model}.png")


def _tasks(params: Params, model: str, data: Path) -> list[FitTask]:
    """One fit for each of the first seeds, with a constant rate."""
    manifest = prepared.read_manifest(data)
    params = registered.fetched(params, model)
    checks.check(params, model, manifest.image_shape, manifest.num_classes)
    train = params.train_for(model).model_copy(update={"schedule": Schedule()})
    settings = getattr(params.models, model), train
    return fitted.tasks(params, model, settings, data, manifest)[:SEEDS]


def _write(
    arguments: argparse.Namespace,
    found: Suggestion,
    by_seed: np.ndarray,
    num_images: int,
    language: str,
) -> None:
    from pipeline.plots import rate_range as plots

    folder = arguments.results / "lr"
    losses = [float(one) if np.isfinite(one) else None for one in found.losses]
    facts = {name: getattr(found, name) for name in ("suggested", "least", "steepest")}
    record = {**facts, "rates": list(map(float, found.rates)), "losses": losses}
    write_json(folder / f"{arguments.model}.json", record)
    figure = plots.rate_range(found, by_seed, language, arguments.model, num_images)
    with replacing(folder / f"{arguments.model}.png") as temporary:
        figure.savefig(temporary, format="png")


def _parser() -> argparse.ArgumentParser:
    made = cli.parser("Find which learning rate to begin with.")
    known = [name for name in parameters.Models.model_fields if name != "ensemble"]
    made.add_argument("model", choices=known, help="a key of models in params.yaml")
    made.add_argument("--lowest", type=float, default=1e-5, help="(default: %(default)s)")
    made.add_argument("--highest", type=float, default=1.0, help="(default: %(default)s)")
    cli.add_folders(made, "data", "results")
    return made


if __name__ == "__main__":
    cli.run(main, _parser())
