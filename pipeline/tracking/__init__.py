"""Runs in MLflow: stages tell an outbox, one process beside them sends. The only MLflow user.

Way of a run: `stage_run` (runs) -> records -> outbox -> sender -> service -> MLflow.
"""

from pipeline.tracking.address import TrackingError, backend_uri, masked, project_name
from pipeline.tracking.connection import check
from pipeline.tracking.reading import (
    load_champion,
    metric_history,
    model_file,
    newest_view,
)
from pipeline.tracking.runs import Run, stage_run

__all__ = [
    "Run",
    "TrackingError",
    "backend_uri",
    "check",
    "follow",
    "load_champion",
    "masked",
    "metric_history",
    "model_file",
    "newest_view",
    "project_name",
    "send_kept",
    "stage_run",
]


def follow() -> int:
    """Be the one process that sends, until no stage needs it; the number of records sent."""
    from pipeline.tracking import sender

    return sender.follow()


def send_kept() -> int:
    """Send, or see sent, all that waits for the present address; the number of records sent.

    What cannot be sent yet stays for the next time. What MLflow will never take (its run was
    deleted, say) is set aside in mlruns/unsent/refused-*.
    """
    from pipeline.tracking import outbox, sender

    waiting = outbox.num_unsent()
    sent = sender.follow(idle=0)
    if sent < waiting:  # another process sends them, or MLflow does not take them
        outbox.drained()
    return max(sent, waiting - outbox.num_unsent())
