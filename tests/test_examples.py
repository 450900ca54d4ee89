"""The notebooks of `examples/` run from top to bottom, print what they promise, and do not warn."""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "examples").glob("*.ipynb"))}
SECONDS = 300


def _read(name: str) -> Any:
    return nbformat.read(NOTEBOOKS[name], as_version=4)


def _is_install(cell: Any) -> bool:
    return "install" in cell["metadata"].get("tags", [])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a notebook in an empty folder, without its installation, and gives what it showed."""
    kernels = tmp_path / "kernels" / "python3"  # this very Python, whatever the machine has
    kernels.mkdir(parents=True)
    start = [sys.executable, "-W", "error::FutureWarning", "-m", "ipykernel_launcher"]
    spec = {"argv": [*start, "-f", "{connection_file}"], "display_name": "", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def shown(name: str) -> tuple[str, Path]:
        folder = tmp_path / "work" / "examples"
        folder.mkdir(parents=True)
        notebook = _read(name)
        notebook.cells = [cell for cell in notebook.cells if not _is_install(cell)]
        client = nbclient.NotebookClient(
            notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
        outputs = [one for cell in notebook.cells for one in cell.get("outputs", [])]
        assert [one["text"] for one in outputs if one.get("name") == "stderr"] == []
        return "\n".join(map(_text, outputs)), folder

    return shown


def _text(output: Any) -> str:
    data = output.get("data", {})
    return str(output.get("text", "")) + str(data.get("text/html", data.get("text/plain", "")))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_stored_without_outputs_and_installs_in_one_cell(name: str) -> None:
    cells = [cell for cell in _read(name)["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in cells if cell["outputs"] or cell["execution_count"]] == []
    (install,) = [cell["source"] for cell in cells if _is_install(cell)]
    (wanted,) = re.findall(r'^%pip install --quiet "(.*?)"', install, re.MULTILINE)
    asked = Requirement(wanted.replace("$SOURCE", ROOT.as_uri()))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert asked.name == project["name"]
    assert asked.extras <= project["optional-dependencies"].keys()
    assert len([cell for cell in cells if "%pip" in cell["source"]]) == 1


@pytest.mark.slow
def test_your_own_net_gets_a_verdict_and_a_page(run: Any) -> None:
    shown, folder = run("your_own_net")
    assert "((1600, 28, 28), (400, 28, 28))" in shown
    assert len(re.findall("<th>(plain|dropout)</th>", shown)) == 2
    assert "overfit" in shown and "<svg" in shown
    assert (folder / "page.html").stat().st_size > 100_000


@pytest.mark.slow
def test_the_course_has_an_example_where_there_are_no_results(run: Any) -> None:
    shown, _ = run("course")
    for name in ("256_units_dropout_0", "256_units_dropout_50"):
        assert f"<th>{name}</th>" in shown
        assert f"{name}: " in shown
    assert "onset (epoch)" in shown


def test_your_log_is_read_and_judged(run: Any) -> None:
    shown, folder = run("your_log")
    assert "read: train loss, train accuracy, val loss, val accuracy" in shown
    assert "lowest validation loss: 0.476 nats in epoch 12" in shown
    (found,) = json.loads((folder / "record.json").read_text(encoding="utf-8"))["judgements"]
    assert found["title"]["en"] in shown
    assert (folder / "page.html").stat().st_size > 50_000
