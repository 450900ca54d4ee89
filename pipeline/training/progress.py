"""What one sees while fits run: a bar with the time left, or plain lines where no one watches."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from pipeline.training.task import Computed, FitResult, FitTask, Progress

Watch = Callable[[Progress], None]
FEW = 20  # up to so many fits each epoch is shown; of more only whole fits, whose epochs are short

QUIET_SECONDS = 30.0  # without a terminal, an epoch is told after so much silence
LINES = 10  # at most, about features: one a tenth of the images


class Board:
    """Progress over all of `tasks`; a context manager.

    On a terminal one bar counts epochs over all fits and says how long the rest will take;
    elsewhere (a log, CI) a line appears for each fit, and for an epoch after a long silence.

    Args:
        watch: is told of every epoch too.

    Attributes:
        shows_epochs: whether it wants to be told of every epoch.
    """

    def __init__(self, title: str, tasks: Sequence[FitTask], watch: Watch | None = None) -> None:
        self._title = title
        self._num_fits = len(tasks)
        self._watch = watch
        self.shows_epochs = len(tasks) <= FEW or watch is not None
        self._epochs = sum(task.train.epochs for task in tasks)
        self._done = self._lines = 0
        self._said = time.monotonic()
        self._bar: Any = None
        self._line: Any = None

    def __enter__(self) -> "Board":
        if sys.stderr.isatty():
            self._bar, self._line = _bar(self._title, self._epochs)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def epoch(self, progress: Progress) -> None:
        """One epoch of one fit is over."""
        if self._watch:
            self._watch(progress)
        text = (
            f"{progress.model} seed {progress.seed} epoch {progress.epoch}/{progress.epochs}  "
            f"probe loss {progress.probe_loss:.4f}  val loss {progress.val_loss:.4f}  "
            f"val accuracy {progress.val_accuracy:.4f}"
        )
        if self._bar:
            self._bar.update(self._line, advance=1, detail=text)
        elif self._num_fits <= FEW and time.monotonic() - self._said >= QUIET_SECONDS:
            self._say(text)

    def computed(self, progress: Computed) -> None:
        """More images have their features, on which the fits then train."""
        text = f"{progress.model} features {progress.done}/{progress.total} images"
        if self._bar:
            self._bar.update(self._line, detail=text)
        elif progress.total and progress.done * LINES // progress.total > self._lines:
            self._lines = progress.done * LINES // progress.total
            self._say(text)

    def finished(self, task: FitTask, result: FitResult) -> None:
        """One fit is over."""
        self._done += 1
        if self._bar:
            detail = f"{self._done} of {self._num_fits} fits"
            shown = int(result.history.curves["epoch"].max()) if self.shows_epochs else 0
            self._bar.update(self._line, advance=task.train.epochs - shown, detail=detail)
            return
        state = result.failed or f"best epoch {result.best_epoch}"
        point = "" if self._num_fits <= FEW else f", {net(task)}"
        self._say(
            f"[{self._done}/{self._num_fits}] {self._title}: {task.model} seed {task.seed}{point}, "
            f"{state}, {result.seconds:.1f} s"
        )

    def _say(self, line: str) -> None:
        print(line, flush=True)
        self._said = time.monotonic()


def net(task: FitTask) -> str:
    """What tells the nets of a study apart: units, filters or variant, width factor, dropout."""
    section = task.section
    sizes = [str(getattr(section, name)) for name in ("units", "filters", "variant")
             if hasattr(section, name)]  # fmt: skip
    size = " ".join(sizes).replace(",)", ")").strip("()")
    factor = f" x {section.width:g}" if section.width != 1 else ""
    return f"{size}{factor}, dropout {section.dropout:g}"


def _bar(title: str, total: int) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = ("{task.description}", "{task.completed}/{task.total} epochs")
    bar = Progress(
        TextColumn(columns[0]),
        BarColumn(),
        TextColumn(columns[1]),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}"),
        console=Console(stderr=True),
    )
    bar.start()
    return bar, bar.add_task(title, total=total, detail="starting")
