"""Score every model on probe, val and test, judge it, and name the champion.

The one stage that reads the test images: `python -m pipeline.stages.evaluate`.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from overfit_atlas.errors import AtlasError
from overfit_atlas.scoring.fits import Fit, PerImage, from_table
from overfit_atlas.scoring.scores import Predictions
from pipeline import evaluation, explain, prediction, tracking
from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.data.prepared import Prepared
from pipeline.evaluation import SPLITS, Evaluated
from pipeline.files import replacing, write_json
from pipeline.params import Params
from pipeline.stages import cli
from pipeline.tracking import told

NUM_EXAMPLES = 12

Splits = dict[str, Predictions]


def main(arguments: argparse.Namespace) -> None:
    """Predict, judge, write and log."""
    params = parameters.load(arguments.params)
    data = prepared.read(arguments.data)
    names = [
        name for name in type(params.models).model_fields if (arguments.models / name).is_dir()
    ]
    sections = ("evaluate",)
    with tracking.stage_run(params, "evaluate", data.manifest.dataset, sections) as run:
        run.log_dataset(data.manifest)
        predictions = {name: predicted(params, arguments.models / name, data) for name in names}
        histories = {name: read_histories(arguments, name) for name in names if name != "ensemble"}
        models = evaluation.evaluate(
            predictions, histories, data.manifest.class_names, params.evaluate
        )
        _write(arguments, params, data, models)
        _explain(arguments, params, data, models)
        _log(run, arguments, params, data, models)


def predicted(params: Params, folder: Path, data: Prepared) -> Splits:
    """The predictions of all seeds of the model in `folder` on every split."""
    weights = params.evaluate.weights
    paths = [folder / f"seed-{fit['seed']}.{weights}.keras" for fit in _fits(folder)]
    return _splits(paths, data)


def _splits(paths: list[Path], data: Prepared) -> Splits:
    parts = [data.split(name) for name in SPLITS]
    found = prediction.of_seeds(paths, [part.images for part in parts])
    return {
        part.name: Predictions(probabilities, part.labels, part.true_labels)
        for part, probabilities in zip(parts, found, strict=True)
    }


def _fits(folder: Path) -> list[dict[str, object]]:
    try:
        fits: list[dict[str, object]] = json.loads((folder / "fits.json").read_text())
    except FileNotFoundError:
        raise AtlasError(f"{folder}: no fits.json; run `dvc repro train@{folder.name}`.") from None
    return fits


def read_histories(arguments: argparse.Namespace, name: str) -> list[Fit]:
    """One history a seed of model `name`, with its per-image scores."""
    table = pd.read_csv(arguments.results / "curves" / f"{name}.csv")
    per_image = {}
    for fit in _fits(arguments.models / name):
        seed = int(str(fit["seed"]))
        path = arguments.models / name / f"seed-{seed}.per_image.npz"
        with np.load(path, allow_pickle=False) as arrays:
            per_image[seed] = PerImage(**arrays)
    return from_table(table, per_image)


def _write(
    arguments: argparse.Namespace, params: Params, data: Prepared, models: Mapping[str, Evaluated]
) -> None:
    results = arguments.results
    write_json(results / "metrics.json", {name: one.metrics for name, one in models.items()})
    diagnoses = {name: one.diagnosis.as_json() for name, one in models.items()}
    write_json(results / "diagnosis.json", diagnoses)
    write_json(results / "comparison.json", _comparison(arguments, params, data, models))
    tables = {
        "per_class": {name: one.classes.scores for name, one in models.items()},
        "confusions": {name: one.classes.confusions for name, one in models.items()},
        "confused_pairs": {name: one.classes.pairs for name, one in models.items()},
        "calibration": {name: one.reliability for name, one in models.items()},
        "predicted": {name: _predicted_table(data, one) for name, one in models.items()},
    }
    for kind, by_model in tables.items():
        with replacing(results / kind) as folder:
            folder.mkdir()
            for name, table in by_model.items():
                table.to_csv(folder / f"{name}.csv", index=False, float_format="%.9g")
    with replacing(results / "predictions") as folder:
        folder.mkdir()
        for name, one in models.items():
            np.savez(folder / f"{name}.npz", allow_pickle=False, **_arrays(data, one))


def _comparison(
    arguments: argparse.Namespace, params: Params, data: Prepared, models: Mapping[str, Evaluated]
) -> dict[str, object]:
    found: dict[str, object] = {
        "split": "test",
        "pairs": evaluation.comparisons(models, params.evaluate),
    }
    members = params.models.ensemble.base
    if "ensemble" in models and members in models:
        path = arguments.models / "ensemble" / "equal_cost.keras"
        equal_cost = _splits([path], data)["test"] if path.exists() else None
        found["ensemble"] = evaluation.ensemble_comparison(
            models["ensemble"].splits, models[members].splits, equal_cost, params.evaluate
        )
    return found


def _predicted_table(data: Prepared, model: Evaluated) -> pd.DataFrame:
    """Test images by true and predicted class, of the first seed: what `dvc plots` draws."""
    names = np.array(data.manifest.class_names)
    test = model.splits["test"]
    return pd.DataFrame(
        {
            "id": data.test.ids,
            "actual": names[test.labels],
            "predicted": names[test.predicted[0]],
        }
    )


def _arrays(data: Prepared, model: Evaluated) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for name, one in model.splits.items():
        split = data.split(name)
        arrays |= {
            f"{name}_probabilities": np.asarray(one.probabilities, dtype=np.float32),
            f"{name}_labels": np.asarray(split.labels),
            f"{name}_true_labels": np.asarray(split.true_labels),
            f"{name}_ids": np.asarray(split.ids),
        }
    return arrays


def _explain(
    arguments: argparse.Namespace, params: Params, data: Prepared, models: Mapping[str, Evaluated]
) -> None:
    """Grad-CAM of the surest mistakes and right answers of each model that has maps."""
    with replacing(arguments.results / "gradcam") as folder:
        folder.mkdir()
        for name, model in models.items():
            seed = _best_seed(model)
            fits = _fits(arguments.models / name)
            path = f"seed-{fits[seed]['seed']}.{params.evaluate.weights}.keras"
            try:
                arrays = _maps(arguments.models / name / path, data, model, seed)
            except explain.ExplainError:
                continue  # fully connected: there are no places to show
            np.savez(folder / f"{name}.npz", allow_pickle=False, **arrays)


def _best_seed(model: Evaluated) -> int:
    return evaluation.champion({"": model})[1]


def _maps(path: Path, data: Prepared, model: Evaluated, seed: int) -> dict[str, np.ndarray]:
    keras_model = prediction.load(path)
    layer = explain.default_layer(keras_model)
    test = model.splits["test"]
    chosen = evaluation.shown_examples(test, seed, NUM_EXAMPLES)
    images, labels = np.asarray(data.test.images[np.sort(chosen)]), test.labels[np.sort(chosen)]
    predicted = test.predicted[seed][np.sort(chosen)]
    height, width, _ = data.manifest.image_shape
    maps = {
        f"maps_{kind}": explain.upscaled(
            explain.grad_cam(keras_model, images, classes, layer.name), height, width
        )
        for kind, classes in (("true", labels), ("predicted", predicted))
    }
    sure = test.probabilities[seed][np.sort(chosen)]
    rows = np.arange(len(labels))
    return maps | {
        "images": images,
        "labels": labels,
        "predicted": predicted,
        "p_true": sure[rows, labels],
        "p_predicted": sure[rows, predicted],
        "layer": np.array(str(layer)),
    }


def _log(
    run: tracking.Run,
    arguments: argparse.Namespace,
    params: Params,
    data: Prepared,
    models: Mapping[str, Evaluated],
) -> None:
    for name, model in models.items():
        table = pd.read_csv(arguments.results / "curves" / f"{name}.csv")
        told.evaluated(run, name, model, table, data.manifest.class_names)
    for file in ("metrics.json", "diagnosis.json", "comparison.json"):
        run.log_file(arguments.results / file)
    best, seed = evaluation.champion(models)
    fits = _fits(arguments.models / best)
    path = arguments.models / best / f"seed-{fits[seed]['seed']}.{params.evaluate.weights}.keras"
    content = told.model(run, path, best, data.manifest.dataset)
    run.set_champion(content, data.manifest.dataset)
    run.log_tags({"champion": f"{best}, seed {fits[seed]['seed']}"})


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Score every model on probe, val and test, and judge it.")
    parser.add_argument("--data", type=Path, default=Path("data/prepared"), help="prepared images")
    parser.add_argument("--models", type=Path, default=Path("models"), help="folder of models")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for tables")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
