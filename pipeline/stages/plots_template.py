"""Writes the page around `dvc plots show`: with Vega inside, so that it also works offline."""

import argparse
from pathlib import Path

from pipeline.files import write_text
from pipeline.stages import cli

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Overfit Atlas: plots</title>
{refresh_tag}
<script>(()=>{%s})();</script>
<style>table {border-spacing: 15px;}</style>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """DVC's page without `{scripts}`, which names a server, and with those scripts inside."""
    import vl_convert

    return PAGE % vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;")


def main(arguments: argparse.Namespace) -> None:
    """Write the page to `--out`."""
    write_text(arguments.out, page())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    cli.run(main, parser)
