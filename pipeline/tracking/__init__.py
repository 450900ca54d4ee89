"""Runs in MLflow: the only package that imports it, and only once a run begins."""

from pipeline.tracking.address import TrackingError, backend_uri, masked, project_name
from pipeline.tracking.history import metric_history
from pipeline.tracking.keras_models import load_champion, model_file
from pipeline.tracking.outbox import send_kept
from pipeline.tracking.runs import Run, stage_run

__all__ = [
    "Run",
    "TrackingError",
    "backend_uri",
    "load_champion",
    "masked",
    "metric_history",
    "model_file",
    "project_name",
    "send_kept",
    "stage_run",
]
