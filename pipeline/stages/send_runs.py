"""Sends MLflow what it missed while its server was away: `python -m pipeline.stages.send_runs`.

Each stage does so when it begins; this is for when there is no next stage.
"""

import argparse

from pipeline import tracking
from pipeline.stages import cli


def main(_: argparse.Namespace) -> None:
    """Send what mlruns/unsent/ holds for the present MLFLOW_TRACKING_URI, and say how much."""
    print(f"{tracking.send_kept()} records sent to {tracking.masked(tracking.backend_uri())}")


if __name__ == "__main__":
    cli.run(main, argparse.ArgumentParser(description=main.__doc__))
