"""Calls that need TensorFlow, made beside a stage that needs none itself: `Aside`.

Each is made in a process of its own, forked from the server that has imported TensorFlow already
(`forking`), with one thread: so that its numbers do not depend on how many run side by side.
"""

import multiprocessing
import os
import select
import signal
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, ParamSpec, TypeVar

from overfit_atlas.errors import AtlasError
from pipeline import quiet
from pipeline.training import devices, forking

Given = ParamSpec("Given")
Found = TypeVar("Found")


class Aside:
    """Makes calls side by side while its block lasts; at the end of it, none of them goes on.

    Args:
        count: processes at once; None: one a core; 0: none, calls are made in the stage.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = devices.default_workers() if count is None else count
        self._threads = ThreadPoolExecutor(self._count or 1)
        self._processes: set[Any] = set()
        self._over = False
        self._mutex = threading.Lock()

    def __enter__(self) -> "Aside":
        return self

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            self._over = True
            for process in self._processes:
                process.kill()
        self._threads.shutdown(cancel_futures=True)

    def call(
        self, function: Callable[Given, Found], *given: Given.args, **named: Given.kwargs
    ) -> "Future[Found]":
        """What `function`, of an importable module, returns or raises, when it is known.

        Its result raises AtlasError where the process was killed, most likely for want of memory.
        """
        if self._count:
            forking.start()
            return self._threads.submit(self._called, function, given, named)
        quiet.tensorflow(threads=1)
        made: Future[Found] = Future()
        try:
            made.set_result(function(*given, **named))
        except Exception as error:
            made.set_exception(error)
        return made

    def _called(self, function: Callable[..., Found], given: Any, named: Any) -> Found:
        context: Any = multiprocessing.get_context(forking.METHOD)
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(sending, function, given, named))
        with self._mutex:
            if self._over:
                raise AtlasError("ended before it began")
            with forking.environment():
                process.start()
            self._processes.add(process)
        sending.close()
        try:
            found, error = receiving.recv()
        except EOFError:
            raise AtlasError(
                f"a process that ran {function.__name__} was killed, most likely for lack of "
                "memory. Set workers.count to 1."
            ) from None
        finally:
            process.join()
            self._processes.discard(process)
            receiving.close()
        if error is not None:
            raise error
        result: Found = found
        return result


def _answer(sending: Connection, function: Callable[..., Any], given: Any, named: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the stage answers it, and ends this process
    threading.Thread(target=_end_with_stage, args=(sending,), daemon=True).start()
    answer: tuple[Any, Exception | None]
    try:
        answer = function(*given, **named), None
    except Exception as error:
        if not isinstance(error, (AtlasError, OSError)):
            error.add_note(f"In its process:\n{traceback.format_exc()}")
        answer = None, error.with_traceback(None)
    with suppress(BrokenPipeError):  # the stage is gone
        sending.send(answer)


def _end_with_stage(sending: Connection) -> None:
    """End this process when nobody is there to read its answer: the stage was killed."""
    watched = select.poll()
    watched.register(sending.fileno(), 0)  # errors alone: the other end is closed
    watched.poll()
    os._exit(1)
