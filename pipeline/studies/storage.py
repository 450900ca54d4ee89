"""Where trials are kept: mlruns/optuna.db, or any database Optuna knows.

A study is named by its purpose and by a hash of all that decides its numbers, so that a killed
study goes on where it was, and a changed one starts anew beside it.
"""

import hashlib
import json
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from overfit_atlas.addresses import masked
from overfit_atlas.errors import AtlasError
from pipeline.files import private_folder

LOCK_SECONDS = 60.0
HOST = "host"
RETRIES = "retries"
"""User attributes: which machine asked for a trial, and the lost trial that this one repeats."""


class StorageError(AtlasError):
    """Trials cannot be kept or read; says where, why, and what to do."""


def default_url(folder: Path) -> str:
    """The database of studies in `folder`; MLflow needs another one for itself."""
    return f"sqlite:///{folder / 'optuna.db'}"


def study_name(purpose: str, model: str, decisive: Any) -> str:
    """`map-dense-3f2a91c07d54`: equal for what gives equal numbers, and for nothing else.

    Args:
        decisive: JSON-like content (settings, hash of data and code) that decides the numbers.
    """
    text = json.dumps(decisive, sort_keys=True, default=str)
    return f"{purpose}-{model}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Aim:
    """What a study's trials are sorted by: the name of the value, and which way is up."""

    name: str = "value"
    direction: Literal["minimize", "maximize"] = "minimize"


@contextmanager
def study(
    name: str,
    sampler: BaseSampler,
    pruner: BasePruner,
    folder: Path,
    url: str | None = None,
    aim: Aim = Aim(),
) -> Iterator[Study]:
    """The study `name`, made where there is none, for this process alone while the block lasts.

    Trials that a dead process left running have failed by then (see `requeue`). A second process
    that wants the same study waits, and then finds it finished.

    Args:
        folder: of the database, unless `url` names another. Locks lie beside the database, so that
            other clones of this project heed them too.

    Raises:
        StorageError: the database cannot be reached or used, or fails while the block lasts; or
            trials of another machine run.
    """
    from filelock import FileLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)
    local = url is None
    url = url or default_url(folder)
    locks = _locks(url, folder)
    with _alone(locks / f".{name}.lock", name):
        try:
            # Optuna makes its tables without a lock: of four first users at once, three fail.
            with FileLock(locks / ".optuna.lock", timeout=2 * LOCK_SECONDS):
                storage = _storage(url)
                found = optuna.create_study(
                    storage=storage,
                    sampler=sampler,
                    pruner=pruner,
                    study_name=name,
                    direction=aim.direction,
                    load_if_exists=True,
                )
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                    found.set_metric_names([aim.name])
        except _errors() as error:
            raise StorageError(_refusal(url, error)) from None
        try:
            _fail_abandoned(found, local=local)
            yield found
        except _failures() as error:
            raise StorageError(_broken(url, error)) from None
        finally:
            storage.remove_session()
            storage.engine.dispose()


def ask(found: Study, space: Any) -> Trial:
    """The next trial, queued ones first, marked with this machine's name."""
    trial = found.ask(fixed_distributions=space)
    trial.set_user_attr(HOST, socket.gethostname())
    return trial


def kept(found: Study, *states: TrialState) -> list[FrozenTrial]:
    """The trials in one of `states`, or all that did not fail, in the order they were asked for.

    One that was lost and asked for again stands where it stood at first.
    """
    trials = found.get_trials(deepcopy=False)

    def place(trial: FrozenTrial) -> int:
        while (lost := trial.user_attrs.get(RETRIES)) is not None:
            trial = trials[lost]
        return trial.number

    wanted = states or [state for state in TrialState if state != TrialState.FAIL]
    return sorted((trial for trial in trials if trial.state in wanted), key=place)


def keep(found: Study, trial: Trial, name: str, value: Any) -> None:
    """Keep what tables are made of with a running trial, where no view of Optuna shows it."""
    found._storage.set_trial_system_attr(trial._trial_id, name, value)


def begin(found: Study, space: Any, point: Mapping[str, Any]) -> Trial:
    """A trial at `point`, which no sampler chose."""
    found.enqueue_trial(dict(point))
    while (trial := ask(found, space)).params != point:
        # Left in the queue by a process that died at this very place.
        found.tell(trial, state=TrialState.FAIL)
    return trial


def requeue(found: Study) -> None:
    """Queue the parameters of trials that were lost, in their order, where they are not yet."""
    retried = {trial.user_attrs.get(RETRIES) for trial in found.get_trials(deepcopy=False)}
    for trial in found.get_trials(deepcopy=False):
        if trial.state == TrialState.FAIL and trial.number not in retried:
            found.enqueue_trial(planned(trial), user_attrs={RETRIES: trial.number})


def planned(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters of a trial, those of a queued one too."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _fail_abandoned(found: Study, local: bool) -> None:
    running = kept(found, TrialState.RUNNING)
    away = {trial.user_attrs.get(HOST) for trial in running} - {socket.gethostname(), None}
    if away and not local:
        raise StorageError(
            f"tune.storage: {len(running)} trials of study {found.study_name!r} run on "
            f"{', '.join(sorted(map(str, away)))}. Wait for that machine; where it is gone, delete "
            f"the study: optuna delete-study --study-name {found.study_name} --storage URL."
        )
    for trial in running:
        found.tell(trial.number, state=TrialState.FAIL)


def _locks(url: str, folder: Path) -> Path:
    """Where all who use the studies in `url` look for locks: beside the file it names.

    For a server a folder of this user's on this machine: studies that another machine works on are
    told by their trials.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        return folder  # refused in a moment, by Optuna
    if parsed.get_backend_name() == "sqlite":
        beside = Path(parsed.database or folder / "memory").absolute().parent
        return beside if os.access(beside, os.W_OK) else folder
    try:
        return private_folder()
    except AtlasError as error:
        raise StorageError(str(error)) from None


@contextmanager
def _alone(lock: Path, name: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        print(f"study {name}: another process works on it; waiting for that", flush=True)
        held.acquire()
    try:
        yield
    finally:
        held.release()


def _storage(url: str) -> RDBStorage:
    if not url.startswith("sqlite"):
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": LOCK_SECONDS}})
    event.listen(storage.engine, "connect", _write_ahead)
    storage.engine.dispose()
    return storage


def _write_ahead(connection: Any, _: Any) -> None:
    # A trial is a dozen small writes; without this each of them waits for the disk.
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _failures() -> tuple[type[Exception], ...]:
    from sqlalchemy.exc import SQLAlchemyError

    return (optuna.exceptions.StorageInternalError, SQLAlchemyError)


def _errors() -> tuple[type[Exception], ...]:
    from filelock import Timeout

    known = (*_failures(), optuna.exceptions.OptunaError, ImportError, Timeout, OSError)
    return (*known, RuntimeError, ValueError)


def _refusal(url: str, error: Exception) -> str:
    return (
        f"tune.storage: {masked(url)} cannot be used for trials: {_reason(error)}. "
        "Give a database of its own that Optuna can write (not MLflow's), with its driver "
        "installed, or null for mlruns/optuna.db."
    )


def _broken(url: str, error: Exception) -> str:
    reason = _reason(error.__cause__ or error)
    return (
        f"tune.storage: {masked(url)} failed while a study ran: {reason}. "
        "Finished trials are kept: mend it and run again, and the study goes on from them."
    )


def _reason(error: BaseException) -> str:
    said = masked(" ".join(str(error).split()))[:200].rstrip(".")
    return f"{type(error).__name__}: {said}"
