"""Print the JSON schema of params.yaml, for editors: `python -m pipeline.stages.schema`."""

import argparse
import json

from pipeline import params
from pipeline.stages import cli


def main(_: argparse.Namespace) -> None:
    """Print the schema to standard output."""
    print(json.dumps(params.schema(), indent=2))


if __name__ == "__main__":
    cli.run(main, argparse.ArgumentParser(description="Print the JSON schema of params.yaml."))
