"""The verbs: each module is one stage, run as `python -m pipeline.stages.NAME`."""
