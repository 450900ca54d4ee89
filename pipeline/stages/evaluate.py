"""Score every model on probe, val and test, judge it, and name the champion.

The one stage that reads the test images: `python -m pipeline.stages.evaluate`.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from overfit_atlas.scoring import calibration
from overfit_atlas.scoring.scores import Predictions
from pipeline import evaluation, ledger, prediction, tracking, trained, verdict_table
from pipeline import params as parameters
from pipeline.data import prepared
from pipeline.data.prepared import Prepared
from pipeline.evaluation import SPLITS, Evaluated
from pipeline.files import replacing, write_json
from pipeline.params import MODEL_NAMES, Params
from pipeline.stages import cli, explained
from pipeline.tracking import told
from pipeline.training.aside import Aside

EQUAL_COST = "equal_cost"
"""A single net as large as the ensemble, which that is compared with."""

Splits = dict[str, Predictions]


@dataclass(frozen=True)
class Asked:
    """Whose predictions are wanted, of which splits; `key`: what they and maps depend on."""

    weights: Sequence[Path]
    key: str
    splits: Sequence[str]


def main(arguments: argparse.Namespace) -> None:
    """Predict, judge, write and log."""
    params = parameters.load(arguments.params)
    data = prepared.read(arguments.data)
    names = trained.enabled(arguments.models, MODEL_NAMES)
    started = tracking.stage_run(params, "evaluate", data.manifest.dataset, ("evaluate",))
    with started as run, Aside(params.workers.count) as aside:
        run.log_dataset(data.manifest)
        files = {name: trained.weights(arguments.models / name) for name in names}
        digests = {name: ledger.digest(weights) for name, weights in files.items()}
        asked = _asked(arguments, params, data, files, digests)
        said = _predictions(aside, arguments, data, asked)
        curves = arguments.results / "curves"
        fits = {
            name: trained.read_fits(arguments.models / name, curves)
            for name in names
            if name != "ensemble"
        }
        models = evaluation.evaluate(
            {name: said[name] for name in names},
            fits,
            data.manifest.class_names,
            params.evaluate.rules,
            {name: data.alone(name) for name in ("val", "test")},
        )
        if params.evaluate.read_test:
            _note_reading(data, digests)
        _tell(arguments.results, models, params.report.language)
        looked_at = {
            name: (asked[name].key, files[name][explained.best_seed(model)], model)
            for name, model in models.items()
        }
        maps = arguments.results / "gradcam"
        with explained.beside(aside, maps, arguments.data, looked_at):
            _write(arguments, params, data, models, said.get(EQUAL_COST))
            _store_all(arguments.results / "predictions", data, asked, said)
            _log(run, arguments, data, models)


def _asked(
    arguments: argparse.Namespace,
    params: Params,
    data: Prepared,
    files: Mapping[str, Sequence[Path]],
    digests: Mapping[str, str],
) -> dict[str, Asked]:
    """All that is to be predicted, the net as large as the ensemble among it if there is one."""
    splits = [name for name in SPLITS if name != "test" or params.evaluate.read_test]
    images = data.manifest.content_hash
    asked = {
        name: Asked(weights, f"{digests[name]} {images}", splits) for name, weights in files.items()
    }
    single = arguments.models / "ensemble" / f"{EQUAL_COST}.keras"
    if "ensemble" in files and single.exists():
        asked[EQUAL_COST] = Asked([single], f"{ledger.digest([single])} {images}", splits[-1:])
    return asked


def _predictions(
    aside: Aside, arguments: argparse.Namespace, data: Prepared, asked: Mapping[str, Asked]
) -> dict[str, Splits]:
    """What all seeds of each model say.

    Taken from what an earlier run stored where weights and images are the same: so that another
    threshold costs no prediction.
    """
    stored = {
        name: _stored(arguments.results / "predictions" / f"{name}.npz", one)
        for name, one in asked.items()
    }
    begun = {
        name: aside.call(prediction.of_splits, one.weights, arguments.data, one.splits)
        for name, one in asked.items()
        if stored[name] is None
    }
    found = stored | {name: one.result() for name, one in begun.items()}
    return {
        name: {split: _scored(one, data, split) for split, one in said.items()}
        for name, said in found.items()
        if said is not None
    }


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


def _stored(path: Path, asked: Asked) -> dict[str, prediction.Predicted] | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if str(arrays["key"]) != asked.key:
                return None
            return {
                name: prediction.Predicted(arrays[f"{name}_logits"], arrays["temperatures"])
                for name in asked.splits
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
    single: Splits | None,
) -> None:
    results = arguments.results
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


def _store_all(
    folder: Path,
    data: Prepared,
    asked: Mapping[str, Asked],
    said: Mapping[str, Splits],
) -> None:
    with replacing(folder) as made:
        made.mkdir()
        for name, splits in said.items():
            _store(made / f"{name}.npz", asked[name].key, data, splits)


def _comparison(
    params: Params, models: Mapping[str, Evaluated], single: Splits | None
) -> dict[str, object]:
    found: dict[str, object] = {
        "split": "test" if params.evaluate.read_test else "val",
        "pairs": evaluation.comparisons(models, params.evaluate.rules),
    }
    members = params.models.ensemble.base
    if "ensemble" in models and members in models:
        equal_cost = single[models["ensemble"].held_out] if single else None
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
