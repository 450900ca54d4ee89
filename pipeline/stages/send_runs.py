"""Sends MLflow what stages told and it has not got yet: `python -m pipeline.stages.send_runs`.

Each stage starts this with `--follow`, to be sent beside it. By hand it is for when MLflow was away
and there is no next stage.
"""

import argparse
import logging
import os
import sys
import traceback
from typing import IO, Any

from pipeline import tracking
from pipeline.stages import cli

NICER = 5  # fits go first


class Masked:
    """A stream without passwords: MLflow's libraries know none of our rules."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Pass `text` on, the passwords in its addresses hidden."""
        return self._stream.write(tracking.masked(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main(arguments: argparse.Namespace) -> None:
    """Send what mlruns/unsent/ holds for the present MLFLOW_TRACKING_URI, and say how much."""
    if not arguments.follow:
        tracking.check()
        print(f"{tracking.send_kept()} records sent to {tracking.masked(tracking.backend_uri())}")
        return
    os.nice(NICER)
    sys.stdout = sys.stderr = Masked(sys.stderr)
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s")
    try:
        tracking.follow()
    except Exception:
        traceback.print_exc(file=sys.stderr)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "--follow", action="store_true", help="go on while stages run; their outboxes start it"
    )
    return parser


if __name__ == "__main__":
    cli.run(main, _parser())
