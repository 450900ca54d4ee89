"""One run a stage, and what a stage can record in it. Start at `stage_run`."""

import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.params import Params
from pipeline.tracking import address, curves, process, records
from pipeline.tracking.outbox import Outbox, send_kept
from pipeline.tracking.records import (
    Champion,
    DataUsed,
    End,
    File,
    Model,
    Point,
    Start,
    Values,
)
from pipeline.tracking.service import FAILURE_TAG, HOST_TAG, PROCESS_TAG, Refused, Service
from pipeline.tracking.system import SystemMetrics

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline.data.prepared import Manifest

LONGEST_VALUE = 500


@contextmanager
def stage_run(
    params: Params, stage: str, dataset: str, sections: Sequence[str] = ()
) -> Iterator["Run"]:
    """The MLflow run of this stage, with the parameters in `sections` ("models.cnn") logged.

    It ends as FINISHED, as FAILED with the reason on an error, as KILLED on Ctrl-C or SIGTERM.

    Raises:
        TrackingError: MLflow cannot be used; before any work, and never once the run has begun.
    """
    service = Service(dataset)
    send_kept()
    with contextlib.suppress(Refused):
        service.end_abandoned()
    outbox = Outbox(service)
    name = os.environ.get("DVC_STAGE") or stage
    try:
        with _sigterm_raises(), _recorded(outbox, name, _tags(params, stage, dataset)) as run:
            run.log_params(flat_params(params, sections))
            system = SystemMetrics(run.log_metrics)
            system.start()
            try:
                yield run
            finally:
                system.stop()
    finally:
        outbox.close()


class Run:
    """What a stage, or one seed or trial of it, tells MLflow. No method here fails for MLflow."""

    def __init__(self, outbox: Outbox, key: str, tags: Mapping[str, str]) -> None:
        self._outbox = outbox
        self._key = key
        self._tags = dict(tags)
        self._failed = False

    @property
    def id(self) -> str | None:
        """MLflow's id of this run; None while MLflow does not answer."""
        try:
            return self._outbox.service.run_id(self._key) if self._outbox.online else None
        except Refused:
            return None

    @property
    def online(self) -> bool:
        """Whether MLflow has been within reach so far."""
        return self._outbox.online

    @contextmanager
    def child(self, name: str, tags: Mapping[str, str] | None = None) -> Iterator["Run"]:
        """A run below this one: a seed or a trial."""
        with _recorded(self._outbox, name, {**self._tags, **(tags or {})}, self._key) as run:
            yield run

    def fail(self, reason: str) -> None:
        """Let this run end as FAILED, for `reason`, though the stage goes on."""
        self._failed = True
        self.log_tags({FAILURE_TAG: reason})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters; long values are cut, passwords in addresses hidden."""
        self._log(params=params)

    def log_tags(self, tags: Mapping[str, Any]) -> None:
        """Log tags."""
        self._log(tags=tags)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log one value of each metric; what is not finite is left out."""
        self._log([(name, step, value) for name, value in metrics.items()])

    def log_curves(self, table: "pd.DataFrame") -> None:
        """Log per-epoch curves: `probe/loss`, `val/accuracy`, ...; step = epoch.

        Args:
            table: columns seed, epoch, split, and scores; of several seeds the mean is logged.
        """
        self._log(curves.points(table))

    def log_scored(
        self,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, Any],
        table: "pd.DataFrame",
    ) -> None:
        """`log_params`, `log_metrics`, `log_tags` and `log_curves` as one message to MLflow."""
        scores = [(name, 0, value) for name, value in metrics.items()]
        self._log([*scores, *curves.points(table)], params, tags)

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Log a matplotlib figure as the artifact `path`, such as `learning_curves.png`."""
        with self._artifact(path) as file:
            figure.savefig(file)

    def log_table(self, table: "pd.DataFrame", path: str) -> None:
        """Log a table as the artifact `path`, such as `per_class.csv`."""
        with self._artifact(path) as file:
            table.to_csv(file, index=False)

    def log_text(self, text: str, path: str) -> None:
        """Log a text as the artifact `path`."""
        with self._artifact(path) as file:
            file.write_text(text, encoding="utf-8")

    def log_file(self, file: Path, folder: str | None = None) -> None:
        """Log an existing file as an artifact, under its own name."""
        self._outbox.put(File(self._key, file.name, folder), file.parent)

    def log_dataset(self, manifest: "Manifest", source: str = "data/prepared") -> None:
        """Log which data were read: an MLflow input whose digest is that of the content."""
        digest = manifest.content_hash[:32]
        profile = records.profile(manifest.counts)
        self._put(DataUsed(self._key, manifest.dataset, digest, source, profile))
        self.log_tags({"data_hash": digest})

    def log_model(self, model: Any, name: str, dataset: str) -> str:
        """Log and register a Keras model; the hash of its weights, for `set_champion`.

        Weights that are registered already are not stored a second time.
        """
        from pipeline.tracking import keras_models

        content = keras_models.content(model)
        registered = address.project_name(dataset)
        with tempfile.TemporaryDirectory() as folder:
            keras_models.save(model, Path(folder) / "model")
            record = Model(self._key, "model", name, registered, content)
            self._outbox.put(record, Path(folder))
        return content

    def set_champion(self, content: str, dataset: str) -> None:
        """Give the registered model with these weights the alias `champion`."""
        self._put(Champion(address.project_name(dataset), content))

    def _log(
        self,
        values: Iterable[tuple[str, int, float]] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        now = _now()
        points = tuple(Point(name, float(value), step, now) for name, step, value in values)
        short = [
            {key: _short(value) for key, value in (some or {}).items()} for some in (params, tags)
        ]
        self._put(Values(self._key, points, *short))

    def _put(self, record: records.Record) -> None:
        self._outbox.put(record)

    @contextmanager
    def _artifact(self, path: str) -> Iterator[Path]:
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary) / name
            self._outbox.put(File(self._key, name, folder or None), Path(temporary))


@contextmanager
def _recorded(
    outbox: Outbox, name: str, tags: Mapping[str, str], parent: str | None = None
) -> Iterator[Run]:
    run = Run(outbox, records.new_key(), tags)
    status = "KILLED"
    try:
        outbox.put(Start(run._key, name, parent, _now(), dict(tags)))
        yield run
        status = "FAILED" if run._failed else "FINISHED"
    except Exception as error:
        status = "FAILED"
        run.log_tags({FAILURE_TAG: f"{type(error).__name__}: {error}"})
        raise
    finally:
        outbox.put(End(run._key, status, _now()))


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    # Python would die on the spot, and leave the run behind as running.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(number: int, _: Any) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would break off what the first one ends
    raise SystemExit(128 + number)


def _tags(params: Params, stage: str, dataset: str) -> dict[str, str]:
    commit, experiment = _commit(), os.environ.get("DVC_EXP_NAME", "")
    parameters = params.model_dump_json(exclude={"workers"})
    params_hash = hashlib.sha256(parameters.encode()).hexdigest()[:12]
    group = " ".join(filter(None, (experiment, commit[:7], params_hash)))
    return {
        "group": group,
        "stage": stage,
        "dataset": dataset,
        "git_commit": commit,
        "dvc_experiment": experiment,
        "params_hash": params_hash,
        HOST_TAG: process.host(),
        PROCESS_TAG: process.mark(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"pipeline.stages.{stage}",
        "mlflow.source.git.commit": commit,
    }


def _commit() -> str:
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def flat_params(params: Params, sections: Sequence[str]) -> dict[str, Any]:
    """The keys of `sections` with their values: `{"models.cnn.dropout": 0.5}`."""
    document = params.model_dump(mode="json")
    flat: dict[str, Any] = {}
    for section in sections:
        value: Any = document
        for part in section.split("."):
            value = value[part]
        flat.update(_flattened(section, value))
    return flat


def _flattened(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flattened(f"{key}.{name}", inner)
    else:
        yield key, value


def _short(value: Any) -> str:
    text = address.masked(str(value))
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 3] + "..."


def _now() -> int:
    return time.time_ns() // 1_000_000
