"""What is left to do when all fits of a stage are over."""

from collections.abc import Sequence

from pipeline.training.task import FitError, FitResult, FitTask


def discard_checkpoints(tasks: Sequence[FitTask]) -> None:
    """Remove the checkpoints of finished `tasks`, once their results stand elsewhere."""
    for task in tasks:
        if path := task.checkpoint:
            path.unlink(missing_ok=True)


def require_success(results: Sequence[FitResult]) -> None:
    """Raise `FitError` naming every fit that broke down, the epoch, and what usually helps."""
    broken = [f"seed {result.seed}, {result.failed}" for result in results if result.failed]
    if broken:
        raise FitError(
            f"{len(broken)} of {len(results)} fits broke down ({'; '.join(broken)}): "
            "lower train.learning_rate, or check the images and the schedule."
        )
