"""What all stages share at the command line: `--params`, and errors as one sentence."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import AtlasError


def parser(description: str) -> argparse.ArgumentParser:
    """A command line with `--help` and `--params`."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--params", type=Path, default=Path("params.yaml"), help="parameters file")
    return made


def run(main: Callable[[argparse.Namespace], None], arguments: argparse.ArgumentParser) -> None:
    """Parse the command line and call `main`; exit 2 with one line for an error of the user's.

    An error of ours keeps its traceback: it is a defect, and hiding it would help nobody.
    """
    parsed = arguments.parse_args()
    try:
        main(parsed)
    except AtlasError as error:
        sys.exit(_said(str(error)))
    except OSError as error:
        sys.exit(_said(f"{error.filename or 'file system'}: {error.strerror or error}"))
    except KeyboardInterrupt:
        sys.exit(130)


def _said(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def root() -> Path:
    """The project's main folder, also inside the temporary copies of `dvc exp run --temp`."""
    return Path(os.environ.get("DVC_ROOT", Path.cwd())).resolve()
