"""Diagnose any training: `python -m pipeline.stages.diagnose SOURCE`.

SOURCE is a Keras history (JSON of `Fit.history`, or a CSVLogger file), a table of curves of
this project (`results/curves/cnn.csv`), a folder of such files (several fits of one model), or the
id of an MLflow run at the tracking address.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from overfit_atlas.scoring.fits import Fit, InvalidFit, PerImage
from pipeline import params as parameters
from pipeline import tracking
from pipeline.diagnosis import words
from pipeline.diagnosis.diagnose import diagnose
from pipeline.diagnosis.record import Diagnosis
from pipeline.files import replacing, write_json
from pipeline.params import Params
from pipeline.stages import cli

RUN_ID = re.compile("[0-9a-f]{32}")
SUFFIXES = (".csv", ".json")


def main(arguments: argparse.Namespace) -> None:
    """Print verdict and onset, and draw the curves."""
    params = _params(arguments)
    found = read(arguments.source, arguments.per_image)
    name = arguments.name or Path(arguments.source).stem
    diagnosis = diagnose(name, found, params.evaluate, num_classes=arguments.num_classes)
    print(words.report(diagnosis, params.report.language))
    if arguments.json:
        write_json(arguments.json, diagnosis.as_json())
    _draw(diagnosis, found, arguments.figure, params.report.language)


def _params(arguments: argparse.Namespace) -> Params:
    overrides = {
        "evaluate.target_accuracy": arguments.target_accuracy,
        "report.language": arguments.language,
    }
    given = {key: value for key, value in overrides.items() if value is not None}
    if arguments.params.exists():
        return parameters.load(arguments.params, given)
    return parameters.parse({}, given)


def read(source: str, per_image: Path | None = None) -> list[Fit]:
    """The histories at `source`, one a fit.

    Raises:
        InvalidFit: there is nothing, or nothing that can be read.
        TrackingError: no such run.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
        if not files:
            raise InvalidFit(f"{path}: no file ending in {' or '.join(SUFFIXES)}.")
        return [
            Fit(one.curves.assign(seed=seed), one.per_image, seed)
            for seed, one in enumerate(one for file in files for one in _read_file(file, {}))
        ]
    if path.is_file():
        return _read_file(path, _per_image(per_image) if per_image else {})
    if RUN_ID.fullmatch(source):
        return [histories.from_metrics(tracking.metric_history(source))]
    raise InvalidFit(
        f"{source}: neither a file nor a folder nor an MLflow run id (32 digits and letters a-f)."
    )


def _read_file(path: Path, per_image: Mapping[int, PerImage]) -> list[Fit]:
    try:
        if path.suffix == ".json":
            return [histories.from_keras(_columns(json.loads(path.read_text(encoding="utf-8"))))]
        table = pd.read_csv(path)
    except (UnicodeDecodeError, json.JSONDecodeError, pd.errors.ParserError) as error:
        raise InvalidFit(f"{path}: not a {path.suffix or 'CSV'} file ({error}).") from None
    except pd.errors.EmptyDataError:
        raise InvalidFit(f"{path}: the file is empty.") from None
    except (TypeError, ValueError) as error:
        raise InvalidFit(f"{path}: {error}") from None
    if {"split", "epoch"} <= set(table.columns):
        return histories.from_table(table, per_image)
    numbers = table.select_dtypes("number")
    return [histories.from_keras({str(name): numbers[name].to_numpy() for name in numbers})]


def _columns(document: Any) -> Mapping[str, Any]:
    """The columns in a JSON document: a dict of lists, the same under "history", or a list of rows.

    Values that are not numbers (`null`, the text "nan") become NaN.
    """
    if isinstance(document, dict) and isinstance(document.get("history"), dict):
        document = document["history"]
    if isinstance(document, list):
        document = pd.DataFrame(document).to_dict("list")
    if not isinstance(document, dict):
        raise InvalidFit(
            f"got a {type(document).__name__}; expected columns such as 'val_loss' with one number "
            "an epoch."
        )
    lists = {str(name): values for name, values in document.items() if isinstance(values, list)}
    return {name: pd.to_numeric(pd.Series(values), "coerce") for name, values in lists.items()}


def _per_image(folder: Path) -> dict[int, PerImage]:
    """Per-image scores by seed from `seed-N.per_image.npz`."""
    found = {}
    for path in sorted(folder.glob("seed-*.per_image.npz")):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found[int(path.name.split(".")[0].removeprefix("seed-"))] = PerImage(**arrays)
        except (ValueError, TypeError, OSError, BadZipFile) as error:
            raise InvalidFit(f"{path}: not the per-image scores of a fit ({error}).") from None
    if not found:
        raise InvalidFit(f"{folder}: no seed-N.per_image.npz in it.")
    return found


def _draw(diagnosis: Diagnosis, found: list[Fit], path: Path, language: str) -> None:
    from pipeline.plots import curves

    table = pd.concat([history.curves for history in found], ignore_index=True)
    metrics = [name for name in ("loss", "accuracy") if name in table and table[name].notna().any()]
    figure = curves.learning_curves(
        {diagnosis.name: table}, language, diagnosis.marks(), metrics=metrics
    )
    with replacing(path) as temporary:
        figure.savefig(temporary)
    print(f"\n{path}")


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("Say whether and when a training overfitted.")
    add = parser.add_argument
    add("source", help="Keras history (.json, .csv), folder of them, or MLflow run id")
    add("--per-image", type=Path, help="folder of seed-N.per_image.npz, such as models/cnn")
    add("--figure", type=Path, default=Path("diagnosis.png"), help="where to draw the curves")
    add("--json", type=Path, help="also write all numbers to this file")
    add("--name", help="what to call the model")
    add("--language", choices=("en", "ja"))
    add("--target-accuracy", type=float, help="on training images; below it a model underfits")
    add("--num-classes", type=int, help="so that guessing can be told")
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
