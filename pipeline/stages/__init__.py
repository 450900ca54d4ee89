"""The verbs: each module is one stage, run as `python -m pipeline.stages.NAME`."""

import gc

# Looking for garbage after every 700 new objects, as Python does, took a fifth of the time that
# TensorFlow and MLflow take to be imported. What a stage makes lives as long as the stage.
gc.set_threshold(50_000, 20, 100)
