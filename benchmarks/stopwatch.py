"""A stage under a stopwatch: how long it takes to start and to end, whatever it does in between.

`python -m benchmarks.stopwatch pipeline.stages.train dense` runs `python -m pipeline.stages.train
dense`, and adds a line to `RECORD` in the working folder: seconds in all, and of these in imports,
in MLflow's beginning and end of the run, and in those of the workers. Only the main thread's time
is counted: what others do beside it, as the workers of `train ensemble`, counts as work.
"""

import atexit
import builtins
import json
import runpy
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

RECORD = Path("stopwatch.jsonl")
PARTS = "imports", "mlflow", "workers"
WATCHED = {
    "pipeline.tracking": ("stage_run", "mlflow"),
    "pipeline.training.workers": ("pool", "workers"),
}
"""Of these modules, once they are imported, this function makes what is timed under that name."""

_spent: defaultdict[str, float] = defaultdict(float)
_busy = False


@contextmanager
def _timed(kind: str) -> Iterator[None]:
    """Count the block's seconds as `kind`, unless they are counted already by one around it."""
    global _busy
    if _busy or not _in_main_thread():
        yield
        return
    _busy, started = True, time.perf_counter()
    try:
        yield
    finally:
        _spent[kind] += time.perf_counter() - started
        _busy = False


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class _Watched:
    """A context manager whose beginning and end are timed."""

    def __init__(self, manager: AbstractContextManager[Any], kind: str) -> None:
        self._manager, self._kind = manager, kind

    def __enter__(self) -> Any:
        with _timed(self._kind):
            return self._manager.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any:
        with _timed(self._kind):
            return self._manager.__exit__(kind, error, trace)


def _watch() -> None:
    """Time what `WATCHED` names in the modules that are there by now."""
    for name in [name for name in WATCHED if name in sys.modules]:
        function, kind = WATCHED[name]
        make = getattr(sys.modules[name], function, None)
        if make:  # else the module is still being imported
            del WATCHED[name]
            setattr(sys.modules[name], function, _watched(make, kind))


def _watched(make: Callable[..., Any], kind: str) -> Callable[..., _Watched]:
    return lambda *given, **named: _Watched(make(*given, **named), kind)


def main() -> None:
    """Run the stage named on the command line."""
    started = time.perf_counter()
    import_module = builtins.__import__

    def importing(*given: Any, **named: Any) -> Any:
        with _timed("imports"):
            found = import_module(*given, **named)
        if not _busy and _in_main_thread():
            _watch()
        return found

    @atexit.register
    def record() -> None:
        line = {"seconds": time.perf_counter() - started, **_spent}
        with RECORD.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    builtins.__import__ = importing
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
