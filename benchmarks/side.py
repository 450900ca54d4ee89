"""One side of a comparison as a process: a JSON request a line in, a JSON answer a line out.

    python -m benchmarks.side notebook|ours

A process a side, because TensorFlow's threads cannot be changed once it runs; one process for all
rounds, so that rounds of both sides can alternate.
"""

import importlib
import json
import os
import sys


def main(name: str) -> None:
    """Answer requests such as `{"work": "trained", ...}` until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print is no answer
    module = importlib.import_module(f"benchmarks.{name}")
    for line in sys.stdin:
        request = json.loads(line)
        answers.write(json.dumps(getattr(module, request.pop("work"))(**request)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
