import argparse
import subprocess
import sys
from pathlib import Path

from dvc_render.html import HTML

from pipeline.stages import plots_template


def test_the_page_needs_no_network_and_has_the_places_dvc_fills(tmp_path: Path) -> None:
    out = tmp_path / "results" / "page.html"
    plots_template.main(argparse.Namespace(out=out))
    page = out.read_text(encoding="utf-8")
    assert page.count("{plot_divs}") == 1
    assert "{scripts}" not in page and "<script src" not in page
    assert page.index("vegaEmbed=") < page.index("{plot_divs}")
    assert page.count("</script>") == 1
    assert "<div>plot</div>" in HTML(page).with_element("<div>plot</div>").embed()


def test_it_is_a_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.stages.plots_template", "--help"]
    assert "--out" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
