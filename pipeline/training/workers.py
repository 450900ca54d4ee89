"""Many independent fits side by side, on this machine's cores or on any Dask cluster.

    with workers.pool(params.workers) as pool:
        for index, result in pool.run(tasks, "cnn"):
            ...

The numbers do not depend on where or in which order fits run: a fit is a pure function of its task.
"""

import logging
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from typing import Any, Protocol

import psutil

from overfit_atlas.errors import AtlasError
from pipeline.params import Workers
from pipeline.training import devices, forking
from pipeline.training.progress import Board, Watch
from pipeline.training.task import Computed, FitError, FitResult, FitTask, Progress

TOPIC = "overfit-atlas-epoch"
RETRIES = 3  # of a fit whose worker died
ANSWERS_WITHIN = "20s"  # a scheduler or worker
LOOPBACK = "127.0.0.1:0"  # any free port; Dask's own default is a fixed one on every address


class Pool(Protocol):
    """Somewhere fits can run."""

    def run(
        self, tasks: Sequence[FitTask], title: str, watch: Watch | None = None
    ) -> Iterator[tuple[int, FitResult]]:
        """Each task's index and result, in the order in which they finish.

        Args:
            watch: called here with each epoch of each fit, by another thread perhaps.
        """


def prepare(workers: Workers) -> None:
    """Let what workers need be imported beside whatever comes before `pool`; returns at once."""
    if workers.count != 0 and not workers.scheduler:
        forking.start()


@contextmanager
def pool(workers: Workers) -> Iterator[Pool]:
    """Workers for the length of the block: processes of one thread each, one a core by default.

    `workers.count` 0 runs the fits in this process, one after another; `workers.scheduler` sends
    them to a Dask scheduler elsewhere.

    Raises:
        FitError: the scheduler named in `workers.scheduler` does not answer.
    """
    count = devices.default_workers() if workers.count is None else workers.count
    if not workers.scheduler:
        print(devices.told(max(count, 1)), flush=True)
    if count == 0 and not workers.scheduler:
        yield _Here()
        return
    with _client(workers) as client:
        yield _Cluster(client, remote=workers.scheduler is not None)


class _Here:
    def run(
        self, tasks: Sequence[FitTask], title: str, watch: Watch | None = None
    ) -> Iterator[tuple[int, FitResult]]:
        from pipeline.training import session

        with Board(title, tasks, watch) as board:
            for index, task in enumerate(tasks):
                tell = board.epoch if board.shows_epochs else None
                result = session.run(task, tell, board.computed)
                board.finished(task, result)
                yield index, result


class _Cluster:
    def __init__(self, client: Any, remote: bool) -> None:
        self._client = client
        self._remote = remote

    def run(
        self, tasks: Sequence[FitTask], title: str, watch: Watch | None = None
    ) -> Iterator[tuple[int, FitResult]]:
        """See `Pool.run`; a fit whose worker died is given to another one, up to three times."""
        from distributed import as_completed

        sources = self._sources(tasks)
        with Board(title, tasks, watch) as board:
            submitted = [
                self._client.submit(
                    _fit,
                    task,
                    source,
                    board.shows_epochs,
                    pure=False,
                    priority=-index,
                )
                for index, (task, source) in enumerate(zip(tasks, sources, strict=True))
            ]
            position = {future.key: index for index, future in enumerate(submitted)}
            self._client.subscribe_topic(TOPIC, lambda event: _show(board, event[1]))
            helping = self._helping(tasks, sources)
            try:
                for future in as_completed(submitted):
                    index = position[future.key]
                    result = _outcome(future, tasks[index])
                    board.finished(tasks[index], result)
                    future.release()
                    yield index, result
            finally:
                self._client.unsubscribe_topic(TOPIC)
                self._client.cancel([*submitted, *helping])

    def _helping(self, tasks: Sequence[FitTask], sources: list[Any]) -> list[Any]:
        """Workers for which there is no fit help with the features of the last one."""
        spare = len(self._client.nthreads()) - len(tasks)
        if not tasks or spare < 1 or tasks[-1].head_alone is None:
            return []
        given = tasks[-1], sources[-1]
        return [self._client.submit(_assist, *given, pure=False) for _ in range(spare)]

    def _sources(self, tasks: Sequence[FitTask]) -> list[Any]:
        """Nothing where workers see our files, else the data sets' bytes, sent once a worker.

        They are results of a task, not scattered: what only a lost host held is then made again.
        """
        if not self._remote:
            return [None] * len(tasks)
        from pipeline.training.shipping import pack

        packed = {
            folder: self._client.submit(bytes, pack(folder), pure=False)
            for folder in {task.data for task in tasks}
        }
        return [packed[task.data] for task in tasks]


def _outcome(future: Any, task: FitTask) -> FitResult:
    from distributed.scheduler import KilledWorker

    try:
        result: FitResult | Exception = future.result()
    except KilledWorker:
        raise FitError(
            f"{task.model}, seed {task.seed}: its worker died {RETRIES + 1} times, most likely for "
            "lack of memory. Set workers.count to a lower number, or make the model smaller."
        ) from None
    if isinstance(result, Exception):
        raise result
    return result


def _fit(task: FitTask, source: bytes | None, tell_epochs: bool) -> FitResult | Exception:
    """The result or the error: of what is raised Dask prints pages, and tries it again."""
    from pipeline.training import session, shipping

    try:
        if source is not None:
            task = shipping.delivered(task, source)
        return session.run(task, _tell if tell_epochs else None, _tell)
    except Exception as error:
        if not isinstance(error, (AtlasError, OSError)):
            error.add_note(f"In the worker:\n{traceback.format_exc()}")
        return error.with_traceback(None)


def _assist(task: FitTask, source: bytes | None) -> None:
    from pipeline.training import session, shipping

    with suppress(Exception):  # the fit that needs the same meets the same, and says so
        session.assist(task if source is None else shipping.delivered(task, source), _tell)


def _tell(progress: Progress | Computed) -> None:
    from distributed import get_worker

    get_worker().log_event(TOPIC, {type(progress).__name__: asdict(progress)})


def _show(board: Board, event: dict[str, Any]) -> None:
    """What a worker told of an epoch or of features."""
    if "Computed" in event:
        board.computed(Computed(**event["Computed"]))
    else:
        board.epoch(Progress(**event["Progress"]))


@contextmanager
def _client(workers: Workers) -> Iterator[Any]:
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    settings = {
        "distributed.admin.tick.limit": "60s",
        "distributed.admin.large-graph-warning-threshold": "1TB",  # data sets are part of it
        "distributed.comm.timeouts.connect": ANSWERS_WITHIN,
        "distributed.scheduler.allowed-failures": RETRIES,
        "distributed.worker.profile.enabled": False,
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": False,
        "distributed.nanny.pre-spawn-environ": forking.ENVIRONMENT,
        "distributed.worker.multiprocessing-method": forking.METHOD,
        "distributed.scheduler.http.routes": [],  # no page says anything to anyone
        "distributed.worker.http.routes": [],
    }
    with dask.config.set(settings):
        if workers.scheduler:
            yield from _remote(workers.scheduler, Client)
            return
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # lines still come at its end
        forking.start()
        with ExitStack() as stack:
            stack.enter_context(forking.environment())  # a Nanny sets it too, and leaves it
            cluster = LocalCluster(
                n_workers=workers.count or devices.default_workers(),
                threads_per_worker=1,
                dashboard_address=LOOPBACK,
                # Who reaches a worker runs code there: only who holds this key does.
                security=Security.temporary(),
                silence_logs=logging.CRITICAL,
            )
            stack.callback(_close, cluster)
            client = Client(cluster)
            stack.callback(_close, client)
            forking.start()  # distributed has named other things for a server started anew
            try:
                yield client
            finally:
                _end(cluster)


def _close(part: Any) -> None:
    """Close a client or cluster; on a busy machine that may take too long, which costs nothing.

    All results are here by then, and the workers are ended.
    """
    told = logging.getLogger("tornado.application")
    level = told.level
    told.setLevel(logging.CRITICAL)
    try:
        with suppress(TimeoutError):
            part.close()
    finally:
        told.setLevel(level)


def _end(cluster: Any) -> None:
    """End the workers at once: all results are here, and TensorFlow would take seconds to leave."""
    for nanny in cluster.workers.values():
        nanny.close_gracefully("all fits are done")  # so that it starts no other worker
        with suppress(psutil.NoSuchProcess):
            if nanny.pid:
                psutil.Process(nanny.pid).kill()


def _remote(address: str, client: Any) -> Iterator[Any]:
    try:
        connected = client(address)
    except (OSError, ValueError, TimeoutError) as error:
        raise FitError(
            f"workers.scheduler={address!r}: no Dask scheduler answers there ({error}). "
            "Start one with `dask scheduler`, or set workers.scheduler to null."
        ) from None
    with connected:
        yield connected
