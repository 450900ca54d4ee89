"""One run a stage, and what a stage can record in it. Start at `stage_run`."""

import hashlib
import json
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

from overfit_atlas import active_run
from pipeline.params import Params
from pipeline.tracking import address, connection, outbox, records
from pipeline.tracking.connection import NOTE_TAG
from pipeline.tracking.outbox import Outbox
from pipeline.tracking.records import (
    Champion,
    DataUsed,
    Described,
    End,
    File,
    Judged,
    Model,
    Point,
    Start,
    Values,
)
from pipeline.tracking.service import FAILURE_TAG, HOST_TAG
from pipeline.tracking.system import SystemMetrics

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipeline.data.prepared import Manifest

TABLES_TAG = "mlflow.loggedArtifacts"  # by it MLflow knows which artifacts are tables
LONGEST_VALUE, LONGEST_NOTE = 500, 5000  # characters; MLflow takes 6000 and 8000
NOTES = {
    "preprocess": "Which images there are: counts by split and class, samples, what was left out.",
    "train": "One model, fitted once for each seed. Curves here are means over seeds; each seed "
    "has a run below. `final/...` and the verdict come from `judge` and `evaluate`.",
    "judge": "What the curves of one model say: verdict, onset, gap. No test image was seen.",
    "evaluate": "All models scored on probe, val and test, judged and compared; the best one on "
    "val is the champion of the registry.",
    "tune": "Where a model overfits: the map; below, a run a point.",
    "search": "Which fit of a model is best, by validation loss: below, a run a trial.",
    "tuned": "What the search found best, trained as the other models are; each seed has a run "
    "below. `overtuning`: how much worse it is on fresh seeds and folds than the search said.",
    "compare": "Remedies against a baseline with the same seeds: a run a remedy below.",
    "images": "Which images are memorised, mislabelled or harmful, from many fits on parts of "
    "train; tables are artifacts.",
    "report": "The page that explains the results, as an artifact.",
}
"""What MLflow's page of a run says, by the first part of its stage's name."""


@contextmanager
def stage_run(
    params: Params,
    stage: str,
    dataset: str,
    sections: Sequence[str] = (),
    *,
    last: bool = False,
) -> Iterator["Run"]:
    """The MLflow run of this stage, with the parameters in `sections` ("models.cnn") logged.

    It ends as FINISHED, as FAILED with the reason on an error, as KILLED on Ctrl-C or SIGTERM.
    Another process sends it, while the block goes on and after it.

    Args:
        last: whether to wait, at the end of the block, until all is sent; for the stage after
            which nobody may be left to send.

    Raises:
        TrackingError: MLflow cannot be used; before any work, and never once the run has begun.
    """
    connection.check()
    box = Outbox(dataset)
    name = os.environ.get("DVC_STAGE") or stage
    flat, ended = flat_params(params, sections), False
    try:
        tags = _tags(params, stage, dataset)
        with _sigterm_raises(), _recorded(box, name, tags, params=flat) as run:
            system = SystemMetrics(run.log_metrics)
            system.start()
            try:
                yield run
            finally:
                system.stop()
        ended = True
    finally:
        box.close(wait=last and ended)


class Run:
    """What a stage, or one seed or trial of it, tells MLflow. No method here fails for MLflow."""

    def __init__(self, box: Outbox, tags: Mapping[str, str], params: Mapping[str, Any]) -> None:
        self.params = dict(params)
        self._box = box
        self._key = records.new_key()
        self._tags = dict(tags)
        self._failed = False
        self._ended = False
        self._tables: list[dict[str, str]] = []

    @contextmanager
    def child(self, name: str, tags: Mapping[str, str] | None = None) -> Iterator["Run"]:
        """A run below this one: a seed or a trial."""
        with _recorded(self._box, name, {**self._tags, **(tags or {})}, self._key) as run:
            yield run

    def end(self, status: str | None = None) -> None:
        """Let this run end now, as FINISHED unless it failed; only the first call counts."""
        if not self._ended:
            self._ended = True
            self._put(End(self._key, status or ("FAILED" if self._failed else "FINISHED"), _now()))

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
        self._log(active_run.curve_points(table))

    def log_epochs(self, rows: Iterable[Mapping[Any, Any]]) -> None:
        """Log rows of curves of one fit: each with split, epoch and scores."""
        self._log(active_run.named(rows))

    def log_scored(
        self,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, Any],
        table: "pd.DataFrame",
    ) -> None:
        """`log_params`, `log_metrics`, `log_tags` and `log_curves` as one message to MLflow."""
        scores = [(name, 0, value) for name, value in metrics.items()]
        self._log([*scores, *active_run.curve_points(table)], params, tags)

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Log a matplotlib figure as the artifact `path`, such as `learning_curves.png`."""
        with self._artifact(path) as file:
            figure.savefig(file)

    def log_table(self, table: "pd.DataFrame", path: str) -> None:
        """Log a table as the artifact `path`: `per_class.csv`, or .json, which MLflow's pages show.

        The latter is what `mlflow.log_table` writes: tables of several runs can be laid side by
        side in MLflow's evaluation view.
        """
        with self._artifact(path) as file:
            if file.suffix == ".json":
                table.to_json(file, orient="split", index=False, force_ascii=False)
            else:
                table.to_csv(file, index=False)
        if path.endswith(".json"):
            self._tables.append({"path": path, "type": "table"})
            self.log_tags({TABLES_TAG: json.dumps(self._tables)})

    def log_text(self, text: str, path: str) -> None:
        """Log a text as the artifact `path`."""
        with self._artifact(path) as file:
            file.write_text(text, encoding="utf-8")

    def log_file(self, file: Path, folder: str | None = None) -> None:
        """Log an existing file as an artifact, under its own name."""
        self._box.put(File(self._key, file.name, folder), file.parent)

    def log_dataset(self, manifest: "Manifest", source: str = "data/prepared") -> None:
        """Log which data were read: an MLflow input whose digest is that of the content."""
        digest = manifest.content_hash[:32]
        profile = records.profile(manifest.counts)
        self._put(DataUsed(self._key, manifest.dataset, digest, source, profile))
        self.log_tags({"data_hash": digest})

    def log_model(self, file: Path, name: str, manifest: "Manifest") -> str:
        """Log and register the model in a `.keras` file; the file's hash, for `set_champion`.

        The file is copied, not loaded. What is registered already is not stored a second time.
        """
        content = records.file_hash(file)
        registered = address.project_name(manifest.dataset)
        shape, names = tuple(manifest.image_shape), tuple(manifest.class_names)
        record = Model(self._key, file.name, name, registered, content, shape, names)
        self._box.put(record, file.parent)
        return content

    def set_champion(self, content: str, dataset: str) -> None:
        """Give the registered model with this content the alias `champion`."""
        self._put(Champion(address.project_name(dataset), content))

    def judge(
        self, name: str, curves: str, metrics: Mapping[str, float], tags: Mapping[str, Any]
    ) -> None:
        """Attach metrics and tags to the newest run called `name` with the tag `curves`."""
        now = _now()
        points = tuple(Point(metric, float(value), 0, now) for metric, value in metrics.items())
        self._put(Judged(name, curves, points, _short(tags)))

    def describe_experiment(self, text: str) -> None:
        """Add `text`, in Markdown, to what MLflow's page of the experiment says."""
        self._put(Described(f"{connection.ABOUT}\n{text}"))

    def _log(
        self,
        values: Iterable[tuple[str, int, float]] = (),
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        now = _now()
        points = tuple(Point(name, float(value), step, now) for name, step, value in values)
        self._put(Values(self._key, points, _short(params or {}), _short(tags or {})))

    def _put(self, record: records.Record) -> None:
        self._box.put(record)

    @contextmanager
    def _artifact(self, path: str) -> Iterator[Path]:
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary) / name
            self._box.put(File(self._key, name, folder or None), Path(temporary))


@contextmanager
def _recorded(
    box: Outbox,
    name: str,
    tags: Mapping[str, str],
    parent: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Iterator[Run]:
    run = Run(box, tags, params or {})
    status: str | None = "KILLED"
    try:
        box.put(Start(run._key, name, parent, _now(), dict(tags)))
        if run.params:
            run.log_params(run.params)
        yield run
        status = None
    except Exception as error:
        run.log_tags({FAILURE_TAG: f"{type(error).__name__}: {error}"})
        status = "FAILED"
        raise
    finally:
        run.end(status)


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
        HOST_TAG: outbox.host(),
        NOTE_TAG: NOTES.get(stage.partition("@")[0], ""),
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


def _short(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: _cut(key, address.masked(str(value))) for key, value in values.items()}


def _cut(key: str, text: str) -> str:
    longest = LONGEST_NOTE if key == NOTE_TAG else LONGEST_VALUE
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _now() -> int:
    return time.time_ns() // 1_000_000
