"""Carries out records: each becomes a few calls of MLflow's client."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pipeline.tracking import process
from pipeline.tracking.connection import connect, errors, short, unless_it_exists
from pipeline.tracking.records import (
    Champion,
    DataUsed,
    End,
    File,
    Model,
    Point,
    Record,
    Start,
    Values,
)

Item = TypeVar("Item")
KEY_TAG = "key"
HOST_TAG = "host"
PROCESS_TAG = "process"
FAILURE_TAG = "failure"
CONTENT_TAG = "content"
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
        """Carry out `record`, whose files lie in `folder`. Doing so twice changes nothing more.

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
                path = str(folder / record.path)
                self.client.log_artifact(self.run_id(record.run), path, record.folder)
            case Model():
                self._model(record, folder / record.path)
            case Champion():
                self._champion(record)
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
        query = f"tags.{KEY_TAG} = '{key}'"
        found = self.client.search_runs([self.experiment], query, max_results=1)
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
        from mlflow.entities import Metric, Param, RunTag

        run = self.run_id(record.run)
        points = _chunks(filter(_is_finite, record.points), MOST_METRICS)
        params, tags = _chunks(record.params.items(), 100), _chunks(record.tags.items(), 100)
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

    def _model(self, record: Model, folder: Path) -> None:
        from mlflow.entities import LoggedModelOutput

        run = self.run_id(record.run)
        version = self.version(record.registered, record.content)
        model = (
            version.source.removeprefix(MODELS) if version else self._upload(record, run, folder)
        )
        known = self.client.get_run(run).outputs
        if known is None or model not in [one.model_id for one in known.model_outputs]:
            self.client.log_outputs(run, [LoggedModelOutput(model, step=0)])
        if version is None:
            self._register(record, run, model)

    def _upload(self, record: Model, run: str, folder: Path) -> str:
        from mlflow.models import Model as Saved

        logged = self.client.create_logged_model(self.experiment, record.name, source_run_id=run)
        saved = Saved.load(str(folder))
        saved.model_id = saved.model_uuid = logged.model_id
        saved.run_id, saved.artifact_path = run, logged.artifact_location
        saved.save(str(folder / "MLmodel"))
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
            reason = f"{record.registered}: no version has the weights {record.content}"
            raise Refused(reason, lasting=True)
        self.client.set_registered_model_alias(record.registered, "champion", version.version)

    def end_abandoned(self) -> None:
        """Mark as KILLED what still counts as running though its process on this machine is gone.

        Raises:
            Refused: MLflow cannot be reached.
        """
        try:
            self._end_abandoned()
        except errors() as error:
            raise Refused(short(error)) from error

    def _end_abandoned(self) -> None:
        ours = self.client.search_experiments(filter_string="name LIKE 'overfit-atlas-%'")
        query = f"attributes.status = 'RUNNING' and tags.{HOST_TAG} = '{process.host()}'"
        for run in self.client.search_runs([one.experiment_id for one in ours], query):
            if not process.is_alive(run.data.tags.get(PROCESS_TAG, "")):
                self.client.set_tag(run.info.run_id, FAILURE_TAG, "its process was killed")
                self.client.set_terminated(run.info.run_id, "KILLED")


def _is_finite(point: Point) -> bool:
    return math.isfinite(point.value)


def _chunks(items: Iterable[Item], size: int) -> Iterator[Sequence[Item]]:
    rest = iter(items)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
