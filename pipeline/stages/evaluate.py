"""Score every model on probe, val and test, judge it, and name the champion.

The one stage that reads the test images: `python -m pipeline.stages.evaluate`.
"""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from overfit_atlas.scoring import calibration
from overfit_atlas.scoring.scores import Predictions
from pipeline import evaluation, explain, ledger, prediction, tracking, trained, verdict_table
from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.data.prepared import Prepared
from pipeline.evaluation import SPLITS, Evaluated
from pipeline.files import replacing, write_json
from pipeline.params import MODEL_NAMES, Params
from pipeline.stages import cli
from pipeline.tracking import told

NUM_EXAMPLES = 12
NUM_EXPLAINED = 80  # val images of which the page can show where the model looked
EQUAL_COST = "equal_cost"
"""A single net as large as the ensemble, which that is compared with."""

Splits = dict[str, Predictions]


def main(arguments: argparse.Namespace) -> None:
    """Predict, judge, write and log."""
    params = parameters.load(arguments.params)
    data = prepared.read(arguments.data)
    names = trained.enabled(arguments.models, MODEL_NAMES)
    sections = ("evaluate",)
    with tracking.stage_run(params, "evaluate", data.manifest.dataset, sections) as run:
        run.log_dataset(data.manifest)
        splits = [name for name in SPLITS if name != "test" or params.evaluate.read_test]
        files = {name: trained.weights(arguments.models / name) for name in names}
        digests = {name: ledger.digest(weights) for name, weights in files.items()}
        # What predictions and maps depend on: the weights and the images.
        keys = {name: f"{one} {data.manifest.content_hash}" for name, one in digests.items()}
        stored = arguments.results / "predictions"
        predictions = {
            name: predicted(weights, data, splits, stored / f"{name}.npz", keys[name])
            for name, weights in files.items()
        }
        curves = arguments.results / "curves"
        fits = {
            name: trained.read_fits(arguments.models / name, curves)
            for name in names
            if name != "ensemble"
        }
        models = evaluation.evaluate(
            predictions,
            fits,
            data.manifest.class_names,
            params.evaluate.rules,
            {name: data.alone(name) for name in ("val", "test")},
        )
        if params.evaluate.read_test:
            _note_reading(data, digests)
        _tell(arguments.results, models, params.report.language)
        _write(arguments, params, data, models, keys)
        _explain(arguments, data, models, keys)
        _log(run, arguments, data, models)


def predicted(
    weights: Sequence[Path], data: Prepared, splits: Sequence[str], stored: Path, key: str
) -> Splits:
    """What all seeds of a model, a file each, say of the splits.

    Taken from `stored`, what an earlier run wrote, where weights and images are the same, as `key`
    tells: so that another threshold costs no prediction.
    """
    found = _stored(stored, key, splits)
    if found is None:
        parts = [data.split(name).images for name in splits]
        made = prediction.of_seeds(weights, parts)
        found = dict(zip(splits, made, strict=True))
    return {name: _scored(one, data, name) for name, one in found.items()}


def _scored(one: prediction.Predicted, data: Prepared, name: str) -> Predictions:
    """Predictions of one split; on val the calibrated loss is cross-fitted."""
    split = data.split(name)
    calibrated = None
    if name == "val" and not np.array_equal(one.temperatures, np.ones(len(one.temperatures))):
        calibrated = calibration.cross_fitted(one.logits, split.labels).loss
    return Predictions(
        probabilities=one.probabilities,
        labels=split.labels,
        true_labels=split.true_labels,
        logits=one.logits,
        calibrated=calibrated,
        temperatures=one.temperatures,
    )


def _stored(path: Path, key: str, splits: Sequence[str]) -> dict[str, prediction.Predicted] | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                return None
            return {
                name: prediction.Predicted(arrays[f"{name}_logits"], arrays["temperatures"])
                for name in splits
            }
    except (OSError, KeyError, ValueError, BadZipFile):
        return None


def _tell(results: Path, models: Mapping[str, Evaluated], language: str) -> None:
    """Write and print what was found as soon as it is known: figures and MLflow take their time."""
    metrics = {name: one.metrics for name, one in models.items()}
    judged = {name: one.judgement.as_json() for name, one in models.items()}
    write_json(results / "metrics.json", metrics)
    write_json(results / "verdicts.json", evaluation.verdicts(models), sort_keys=False)
    write_json(results / "diagnosis.json", judged)
    verdict_table.show(metrics, judged, language)


def _note_reading(data: Prepared, digests: Mapping[str, str]) -> None:
    """Count this reading of the test images, and say how many there have been."""
    path = cli.root() / ledger.PATH
    ledger.note(path, data.manifest.content_hash, digests)
    print(ledger.counted(path, data.manifest.content_hash).sentence(), flush=True)


def _write(
    arguments: argparse.Namespace,
    params: Params,
    data: Prepared,
    models: Mapping[str, Evaluated],
    keys: Mapping[str, str],
) -> None:
    results = arguments.results
    single = _equal_cost(arguments, data, models)
    write_json(results / "comparison.json", _comparison(params, models, single))
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
            _store(folder / f"{name}.npz", keys[name], data, one.splits)
        if single is not None:
            _store(folder / f"{EQUAL_COST}.npz", single[0], data, single[1])


def _equal_cost(
    arguments: argparse.Namespace, data: Prepared, models: Mapping[str, Evaluated]
) -> tuple[str, Splits] | None:
    """What the net as large as the ensemble says of held-out images, and the key of that."""
    path = arguments.models / "ensemble" / f"{EQUAL_COST}.keras"
    if "ensemble" not in models or not path.exists():
        return None
    key = f"{ledger.digest([path])} {data.manifest.content_hash}"
    stored = arguments.results / "predictions" / f"{EQUAL_COST}.npz"
    return key, predicted([path], data, [models["ensemble"].held_out], stored, key)


def _comparison(
    params: Params, models: Mapping[str, Evaluated], single: tuple[str, Splits] | None
) -> dict[str, object]:
    found: dict[str, object] = {
        "split": "test" if params.evaluate.read_test else "val",
        "pairs": evaluation.comparisons(models, params.evaluate.rules),
    }
    members = params.models.ensemble.base
    if "ensemble" in models and members in models:
        equal_cost = single[1][models["ensemble"].held_out] if single else None
        found["ensemble"] = evaluation.ensemble_comparison(
            models["ensemble"].splits, models[members].splits, equal_cost, params.evaluate.rules
        )
    return found


def _predicted_table(data: Prepared, model: Evaluated) -> pd.DataFrame:
    """Held-out images by true and predicted class, of the first seed: what `dvc plots` draws."""
    names = np.array(data.manifest.class_names)
    held_out = model.splits[model.held_out]
    return pd.DataFrame(
        {
            "id": data.split(model.held_out).ids,
            "actual": names[held_out.labels],
            "predicted": names[held_out.predicted[0]],
        }
    )


def _store(path: Path, key: str, data: Prepared, splits: Mapping[str, Predictions]) -> None:
    arrays: dict[str, np.ndarray] = {"key": np.array(key)}
    for name, one in splits.items():
        split = data.split(name)
        arrays |= {
            f"{name}_probabilities": np.asarray(one.probabilities, dtype=np.float32),
            f"{name}_logits": np.asarray(one.logits, dtype=np.float32),
            f"{name}_labels": np.asarray(split.labels),
            f"{name}_true_labels": np.asarray(split.true_labels),
            f"{name}_ids": np.asarray(split.ids),
        }
        arrays["temperatures"] = np.asarray(one.temperatures)  # the same on all splits
    np.savez(path, allow_pickle=False, **arrays)


def _explain(
    arguments: argparse.Namespace,
    data: Prepared,
    models: Mapping[str, Evaluated],
    keys: Mapping[str, str],
) -> None:
    """Grad-CAM of the surest mistakes and right answers of each model that has maps.

    Maps of an earlier run stay where weights and images are the same.
    """
    with replacing(arguments.results / "gradcam") as folder:
        folder.mkdir()
        for name, model in models.items():
            earlier = arguments.results / "gradcam" / f"{name}.npz"
            key = f"{keys[name]} {model.held_out} and val"
            if _same_key(earlier, key):
                shutil.copy(earlier, folder)
                continue
            seed = _best_seed(model)
            path = trained.weights(arguments.models / name)[seed]
            try:
                arrays = _maps(path, data, model, seed)
            except explain.ExplainError:
                arrays = {}  # fully connected: there are no places to show
            np.savez(folder / f"{name}.npz", allow_pickle=False, key=np.array(key), **arrays)


def _same_key(path: Path, key: str) -> bool:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return str(arrays["key"]) == key
    except (OSError, KeyError, ValueError, BadZipFile):
        return False


def _best_seed(model: Evaluated) -> int:
    return evaluation.champion({"": model})[1]


def _maps(path: Path, data: Prepared, model: Evaluated, seed: int) -> dict[str, np.ndarray]:
    keras_model = prediction.load(path)
    layer = explain.default_layer(keras_model)
    held_out, split = model.splits[model.held_out], data.split(model.held_out)
    chosen = np.sort(evaluation.shown_examples(held_out, seed, NUM_EXAMPLES))
    images, labels = np.asarray(split.images[chosen]), held_out.labels[chosen]
    predicted = held_out.predicted[seed][chosen]
    height, width, _ = data.manifest.image_shape
    maps = {
        f"maps_{kind}": explain.upscaled(
            explain.grad_cam(keras_model, images, classes, layer.name), height, width
        )
        for kind, classes in (("true", labels), ("predicted", predicted))
    }
    sure = held_out.probabilities[seed][chosen]
    rows = np.arange(len(labels))
    maps |= _val_maps(keras_model, data, model.splits["val"], seed, layer.name)
    return maps | {
        "images": images,
        "labels": labels,
        "predicted": predicted,
        "p_true": sure[rows, labels],
        "p_predicted": sure[rows, predicted],
        "layer": np.array(str(layer)),
    }


def _val_maps(
    keras_model: Any, data: Prepared, val: Predictions, seed: int, layer: str
) -> dict[str, np.ndarray]:
    """Rows of val worth a look, and the maps of their predicted classes, 0..255, as coarse."""
    rows = np.sort(evaluation.shown_examples(val, seed, NUM_EXPLAINED))
    images = np.asarray(data.val.images[rows])
    maps = explain.grad_cam(keras_model, images, val.predicted[seed][rows], layer)
    return {"val_rows": rows, "val_maps": np.round(255 * maps).astype(np.uint8)}


def _log(
    run: tracking.Run,
    arguments: argparse.Namespace,
    data: Prepared,
    models: Mapping[str, Evaluated],
) -> None:
    for name, model in models.items():
        curves = arguments.results / "curves" / f"{name}.csv"
        told.evaluated(run, name, model, curves, data.manifest.class_names)
    told.compared(run, models)
    for file in ("metrics.json", "diagnosis.json", "comparison.json"):
        run.log_file(arguments.results / file)
    best, seed = evaluation.champion(models)
    fits = trained.facts(arguments.models / best)
    path = trained.weights(arguments.models / best)[seed]
    content = run.log_model(path, best, data.manifest)
    run.set_champion(content, data.manifest.dataset)
    run.log_tags({"champion": f"{best}, seed {fits[seed]['seed']}"})


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Score every model on probe, val and test, and judge it.")
    cli.add_folders(parser, "data", "models", "results")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
