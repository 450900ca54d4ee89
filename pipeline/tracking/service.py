"""Carries out records: each becomes a few calls of MLflow's client.

Doing so twice, or once more after being killed between two of these calls, changes nothing more.
"""

import importlib.metadata
import itertools
import math
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.tracking.connection import connect, describe, errors, short, unless_it_exists
from pipeline.tracking.records import (
    Champion,
    DataUsed,
    Described,
    End,
    File,
    Judged,
    Model,
    Point,
    Record,
    Start,
    Values,
)
from pipeline.tracking.views import CURVES_TAG

Item = TypeVar("Item")
KEY_TAG = "key"
HOST_TAG = "host"
FAILURE_TAG = "failure"
CONTENT_TAG = "content"
REQUIREMENTS = ("tensorflow", "keras", "numpy", "pandas")
MODELS = "models:/"
MOST_METRICS = 800
"""In one message, of which MLflow takes 1,000 values: 100 parameters and 100 tags stand beside."""
LASTING = {
    "INVALID_PARAMETER_VALUE",
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_ALREADY_EXISTS",
    "INVALID_STATE",
    "PERMISSION_DENIED",
    "BAD_REQUEST",
}


class Refused(Exception):
    """MLflow did not take a record; `lasting` if it never will, else it could not be reached."""

    def __init__(self, message: str, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


class Service:
    """The experiment of one data set, made if need be, ready to take records.

    Raises:
        TrackingError: the database or the server cannot be used.
    """

    def __init__(self, dataset: str) -> None:
        self.client, self.experiment = connect(dataset)
        self.dataset = dataset
        self._runs: dict[str, str] = {}

    def apply(self, record: Record, folder: Path) -> None:
        """Carry out `record`, whose files lie in `folder`.

        Raises:
            Refused: MLflow cannot be reached, or does not accept it.
        """
        try:
            self._apply(record, folder)
        except errors() as error:
            lasting = getattr(error, "error_code", None) in LASTING
            raise Refused(short(error), lasting) from error

    def _apply(self, record: Record, folder: Path) -> None:
        match record:
            case Start():
                self._start(record)
            case Values():
                self._values(record)
            case DataUsed():
                self._data_used(record)
            case File():
                path = _there(folder / record.path)
                self.client.log_artifact(self.run_id(record.run), str(path), record.folder)
            case Model():
                self._model(record, folder / record.path)
            case Champion():
                self._champion(record)
            case Judged():
                self._judged(record)
            case Described():
                describe(self.client, self.experiment, record.text)
            case End():
                run = self.run_id(record.run)
                self.client.set_terminated(run, record.status, record.time)

    def run_id(self, key: str) -> str:
        """MLflow's id of the run we call `key`.

        Raises:
            Refused: no such run.
        """
        found = self._runs.get(key) or self._find(key)
        if found is None:
            raise Refused(f"no run has the key {key}", lasting=True)
        self._runs[key] = found
        return found

    def _find(self, key: str) -> str | None:
        return self._newest(f"tags.{KEY_TAG} = '{key}'")

    def _newest(self, query: str) -> str | None:
        order = ["attributes.start_time DESC"]
        found = self.client.search_runs([self.experiment], query, max_results=1, order_by=order)
        return found[0].info.run_id if found else None

    def _start(self, record: Start) -> None:
        if self._find(record.run) is not None:
            return
        tags = {**record.tags, KEY_TAG: record.run}
        if record.parent:
            tags["mlflow.parentRunId"] = self.run_id(record.parent)
        made = self.client.create_run(
            self.experiment, start_time=record.time, tags=tags, run_name=record.name
        )
        self._runs[record.run] = made.info.run_id

    def _values(self, record: Values) -> None:
        self._log(self.run_id(record.run), record.points, record.params, record.tags)

    def _judged(self, record: Judged) -> None:
        name = record.name.replace("'", "")
        query = f"attributes.run_name = '{name}' and tags.{CURVES_TAG} = '{record.curves}'"
        run = self._newest(query)
        if run is not None:  # else it was trained where another MLflow was told of it
            self._log(run, record.points, {}, record.tags)

    def _log(
        self,
        run: str,
        values: Iterable[Point],
        named: Mapping[str, str],
        tagged: Mapping[str, str],
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        points = _chunks(filter(_is_finite, values), MOST_METRICS)
        params, tags = _chunks(named.items(), 100), _chunks(tagged.items(), 100)
        for some in itertools.zip_longest(points, params, tags, fillvalue=()):
            self.client.log_batch(
                run,
                metrics=[Metric(one.name, one.value, one.time, one.step) for one in some[0]],
                params=[Param(key, value) for key, value in some[1]],
                tags=[RunTag(key, value) for key, value in some[2]],
            )

    def _data_used(self, record: DataUsed) -> None:
        from mlflow.entities import Dataset, DatasetInput

        dataset = Dataset(
            record.name, record.digest, "local", record.source, profile=record.profile
        )
        self.client.log_inputs(self.run_id(record.run), [DatasetInput(dataset)])

    def _model(self, record: Model, file: Path) -> None:
        from mlflow.entities import LoggedModelOutput

        run = self.run_id(record.run)
        version = self.version(record.registered, record.content)
        model = version.source.removeprefix(MODELS) if version else self._upload(record, run, file)
        known = self.client.get_run(run).outputs
        if known is None or model not in [one.model_id for one in known.model_outputs]:
            self.client.log_outputs(run, [LoggedModelOutput(model, step=0)])
        if version is None:
            self._register(record, run, model)

    def _upload(self, record: Model, run: str, file: Path) -> str:
        query = f"tags.{CONTENT_TAG} = '{record.content}'"
        begun = self.client.search_logged_models([self.experiment], query, max_results=1)
        tags = {CONTENT_TAG: record.content}
        logged = (
            begun[0]
            if begun
            else self.client.create_logged_model(self.experiment, record.name, run, tags)
        )
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            write_model(
                record,
                _there(file),
                folder,
                {
                    "model_id": logged.model_id,
                    "model_uuid": logged.model_id,
                    "run_id": logged.source_run_id or run,
                    "artifact_path": logged.artifact_location,
                },
            )
            self.client.log_model_artifacts(logged.model_id, str(folder))
        self.client.finalize_logged_model(logged.model_id, "READY")
        return str(logged.model_id)

    def _register(self, record: Model, run: str, model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(record.registered)
        except MlflowException as error:
            unless_it_exists(error)
        self.client.create_model_version(
            record.registered,
            MODELS + model,
            run_id=run,
            tags={CONTENT_TAG: record.content, "model": record.name},
            await_creation_for=0,
            model_id=model,
        )

    def version(self, registered: str, content: str) -> Any:
        """The newest registered version with these weights, or None."""
        query = f"name = '{registered}' and tags.{CONTENT_TAG} = '{content}'"
        found = self.client.search_model_versions(query)
        return max(found, key=lambda version: int(version.version), default=None)

    def _champion(self, record: Champion) -> None:
        version = self.version(record.registered, record.content)
        if version is None:
            reason = f"{record.registered}: no version has the content {record.content}"
            raise Refused(reason, lasting=True)
        self.client.set_registered_model_alias(record.registered, "champion", version.version)


def write_model(record: Model, file: Path, folder: Path, known: Mapping[str, str]) -> None:
    """Write to `folder` what `mlflow.keras.save_model` would, without loading the model.

    That would import TensorFlow, for nothing but to write again what stands in `file`.

    Args:
        file: the `.keras` file.
        known: attributes of MLflow's model, such as its run.
    """
    import numpy as np

    with warnings.catch_warnings():  # of type hints in MLflow's own modules
        warnings.simplefilter("ignore", UserWarning)
        from mlflow.pyfunc import add_to_model
    from mlflow.models import Model as Saved
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec
    from mlflow.utils import environment as environments

    images, shares = (-1, *record.image_shape), (-1, len(record.class_names))
    saved = Saved(
        signature=ModelSignature(
            Schema([TensorSpec(np.dtype(np.uint8), images)]),
            Schema([TensorSpec(np.dtype(np.float32), shares)]),
        ),
        metadata={"class_names": list(record.class_names)},
    )
    saved.add_flavor(
        "keras",
        data="data",
        keras_version=importlib.metadata.version("keras"),
        keras_backend="tensorflow",
        save_exported_model=False,
    )
    environment = {"conda_env": "conda.yaml", "python_env": "python_env.yaml"}
    describe_to: Any = add_to_model
    describe_to(saved, loader_module="mlflow.keras", **environment)
    for name, value in known.items():
        setattr(saved, name, value)
    needed = [f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS]
    (folder / "data").mkdir()
    (folder / "data" / "keras_module.txt").write_text("keras")
    shutil.copy2(file, folder / "data" / "model.keras")
    ours = f"mlflow=={importlib.metadata.version('mlflow')}"
    (folder / "requirements.txt").write_text("\n".join([ours, *needed]))
    untyped: Any = environments
    untyped._mlflow_conda_env(path=str(folder / "conda.yaml"), additional_pip_deps=needed)
    untyped._PythonEnv.current().to_yaml(str(folder / "python_env.yaml"))
    saved.model_size_bytes = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    saved.save(str(folder / "MLmodel"))


def _there(path: Path) -> Path:
    if not path.exists():
        raise Refused(f"{path} is gone", lasting=True)
    return path


def _is_finite(point: Point) -> bool:
    return math.isfinite(point.value)


def _chunks(items: Iterable[Item], size: int) -> Iterator[Sequence[Item]]:
    rest = iter(items)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
