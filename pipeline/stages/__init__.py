"""The verbs: each module is one stage, run as `python -m pipeline.stages.NAME`."""

import gc

gc.set_threshold(50_000, 20, 100)
"""Rarely: looking for garbage while TensorFlow or MLflow is imported, which leaves none, took a
fifth of the time that the import takes."""
