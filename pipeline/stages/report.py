"""Write the report page: `python -m pipeline.stages.report --out results/report`."""

import argparse
from pathlib import Path

from overfit_atlas.page import render
from pipeline import params as parameters
from pipeline import tracking
from pipeline.files import replacing
from pipeline.reporting import provenance, report, results
from pipeline.stages import cli


def main(arguments: argparse.Namespace) -> None:
    """Read what the other stages wrote, write index.html, log it."""
    params = parameters.load(arguments.params)
    found = results.read(arguments.results, arguments.data, arguments.models, arguments.comparisons)
    dataset = found.manifest.dataset
    with tracking.stage_run(params, "report", dataset, ("report",), last=True) as run:
        run.log_dataset(found.manifest)
        text = render.html(report.report(found, params, provenance.origin()))
        with replacing(arguments.out, "index.html") as folder:
            folder.mkdir()
            (folder / "index.html").write_text(text, encoding="utf-8")
        run.log_file(arguments.out / "index.html")
    print(arguments.out / "index.html")


def arguments() -> argparse.ArgumentParser:
    """The command line of this stage."""
    parser = cli.parser("Write the report page.")
    cli.add_folders(parser, "data", "models", "results")
    parser.add_argument(
        "--comparisons",
        nargs="*",
        default=[results.MAIN_COMPARISON],
        metavar="NAME",
        help="comparisons to show (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, default=Path("results/report"), help="folder to write")
    return parser


if __name__ == "__main__":
    cli.run(main, arguments())
