"""Make the pictures of the README from what `make repro` left: `python scripts/make_images.py`.

Needs Chromium (Debian: `apt install chromium`, or its path in CHROMIUM) and shows, headless, what a
reader of the README would see: the page, models in MLflow, DVC's plots, the map's study in Optuna.
One picture alone: `python scripts/make_images.py --only page` (or mlflow, dvc, optuna, curves).
"""

import argparse
import io
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pipeline.tracking import views

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
COLOURS = 128  # of a picture
STARTS_WITHIN = 180.0  # seconds a server may take
APPEARS_WITHIN = 120_000.0  # milliseconds a picture may take


def main(report: Path, only: str | None = None) -> None:
    """Write pictures to docs/images/; `report` is the page to show, `only` one of `PICTURES`."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with browser() as chromium:
        for name, draw in PICTURES.items():
            if only in (None, name):
                draw(chromium, report)


def _curves(chromium: Any, report: Path) -> None:
    _write(learning_curves(), "learning_curves")


def _page(chromium: Any, report: Path) -> None:
    for width, name in ((1200, "report"), (390, "report_phone")):
        page = _new_page(chromium, width, 900)
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("html[data-drawn=all]", state="attached")
        _keep(page, name)


def _mlflow(chromium: Any, report: Path) -> None:
    database = ROOT / "mlruns" / "mlflow.db"
    experiment, runs = latest(database, ["train@cnn", "train@dense"])
    with mlflow_server(database) as address:
        _keep(charts(chromium, address, experiment), "mlflow")
        _keep(trainings(chromium, address, experiment), "mlflow_table")
        _keep(compared(chromium, address, experiment, runs), "mlflow_compare")
        _keep(described(chromium, address, experiment, runs[0]), "mlflow_run")


def _dvc(chromium: Any, report: Path) -> None:
    with dvc_plots() as plots:
        page = _new_page(chromium, 760, 940)
        page.goto(plots.as_uri())
        page.locator("canvas, svg.marks").nth(3).wait_for(state="attached")
        _keep(page, "dvc_plots")


def _optuna(chromium: Any, report: Path) -> None:
    database = ROOT / "mlruns" / "optuna.db"
    with optuna_server(database) as address:
        _keep(study(chromium, address, newest_map(database)), "optuna")


def _keep(page: Any, name: str) -> None:
    _write(page.screenshot(), name)
    page.close()


def _write(picture: bytes, name: str) -> None:
    """Keep a PNG with few colours, which takes a third of the bytes."""
    from PIL import Image

    read = Image.open(io.BytesIO(picture)).convert("RGB")
    read.quantize(COLOURS).save(IMAGES / f"{name}.png", optimize=True)


def _new_page(chromium: Any, width: int, height: int) -> Any:
    page = chromium.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(APPEARS_WITHIN)
    return page


PICTURES = {"curves": _curves, "page": _page, "mlflow": _mlflow, "dvc": _dvc, "optuna": _optuna}


def learning_curves() -> bytes:
    """The figure in which a gap opens: the CNN of the default data."""
    import pandas as pd

    from pipeline.plots import curves, style

    table = pd.read_csv(ROOT / "results" / "curves" / "cnn.csv")
    return style.png(curves.learning_curves({"cnn": table}, "en", marks("cnn")))


def marks(model: str) -> Any:
    """Best epoch and onsets of one model, as the figure takes them."""
    import pandas as pd

    found = json.loads((ROOT / "results" / "diagnosis.json").read_text())[model]
    onset = found["onset"]["loss"]
    ends = onset["low"], onset["high"], onset["status"]
    rows = [("best", onset["best_epoch"], *ends), ("onset", onset["epoch"], *ends)]
    table = pd.DataFrame(rows, columns=["kind", "epoch", "low", "high", "status"])
    numbers = {name: table[name].astype(float) for name in ("epoch", "low", "high")}
    return table.assign(model=model, metric="loss", **numbers)


def chromium_path() -> str | None:
    """Where Chromium is; None where there is none."""
    return (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    )


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        try:
            yield launched
        finally:
            launched.close()


@contextmanager
def mlflow_server(database: Path) -> Iterator[str]:
    """The address of MLflow's pages over `database`, while the block lasts."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{database}"]
    with serving(command, "Uvicorn running"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def optuna_server(database: Path) -> Iterator[str]:
    """The address of optuna-dashboard over `database`, while the block lasts."""
    port = free_port()
    program = "from optuna_dashboard._cli import main; main()"
    command = [sys.executable, "-u", "-c", program, f"sqlite:///{database}"]
    with serving([*command, "--host", "127.0.0.1", "--port", str(port)], "Listening at"):
        yield f"http://127.0.0.1:{port}/dashboard"


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(command: Sequence[str], sign: str) -> Iterator[None]:
    """Run a server while the block lasts, from when it has printed `sign`.

    Raises:
        RuntimeError: it ended, or did not print that in time; with what it said.
    """
    environment = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    server = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment,
    )
    assert server.stdout is not None
    late = threading.Timer(STARTS_WITHIN, server.kill)
    late.start()
    said: list[str] = []
    try:
        while not said or sign not in said[-1]:
            line = server.stdout.readline()
            if not line:
                raise RuntimeError(f"{' '.join(command)}: did not start:\n{''.join(said)}")
            said.append(line)
        late.cancel()
        # A pipe that nobody reads fills up, and the server would wait for ever.
        reader = threading.Thread(target=server.stdout.read, daemon=True)
        reader.start()
        yield
        server.terminate()
        reader.join(timeout=60)
    finally:
        late.cancel()
        server.terminate()
        server.wait(timeout=60)
        server.stdout.close()


def latest(database: Path, names: Sequence[str]) -> tuple[str, list[str]]:
    """The experiment, and the newest finished run of each name in it."""
    query = (
        "SELECT experiment_id, run_uuid FROM runs WHERE name = ? AND status = 'FINISHED'"
        " ORDER BY start_time DESC LIMIT 1"
    )
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        found = [connection.execute(query, (name,)).fetchone() for name in names]
    return str(found[0][0]), [str(run) for _, run in found]


def newest_map(database: Path) -> int:
    """The number of the newest study of the kind "map"."""
    query = "SELECT max(study_id) FROM studies WHERE study_name LIKE 'map-%'"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute(query).fetchone()[0])


def charts(chromium: Any, address: str, experiment: str) -> Any:
    """The page of `make ui`: the losses of all trainings on one axis."""
    page = _mlflow_page(chromium)
    page.goto(f"{address}/{views.place(experiment)}")
    page.get_by_text("(val/loss)").first.wait_for()
    _without_notice(page)
    return page


def trainings(chromium: Any, address: str, experiment: str) -> Any:
    """The same trainings as a table, with their verdicts."""
    page = _mlflow_page(chromium, height=560)
    page.goto(f"{address}/{views.place(experiment, 'TABLE')}")
    page.get_by_text("train@cnn").first.wait_for()
    _without_notice(page)
    return page


def compared(chromium: Any, address: str, experiment: str, runs: Sequence[str]) -> Any:
    """What *Compare* says of the runs that were ticked: metrics and tags, the verdict last."""
    page = _mlflow_page(chromium, height=1000)
    asked = {"runs": json.dumps(list(runs)), "experiments": json.dumps([experiment])}
    page.goto(f"{address}/#/compare-runs?{urlencode(asked, quote_via=quote)}")
    page.get_by_text("Show diff only").first.wait_for()
    for name in ("Visualizations", "Parameters", "Artifacts"):
        page.get_by_text(name, exact=True).first.click()
    page.get_by_text("verdict", exact=True).last.scroll_into_view_if_needed()
    return page


def described(chromium: Any, address: str, experiment: str, run: str) -> Any:
    """A run's own page: what it is in words, its verdict, its data and its models."""
    page = _mlflow_page(chromium, height=900)
    page.goto(f"{address}/#/experiments/{experiment}/runs/{run}?workflowType=machine_learning")
    page.get_by_text("One model, fitted once").first.wait_for()
    return page


def _mlflow_page(chromium: Any, height: int = 760) -> Any:
    """A page on which MLflow's assistant stays closed, as after one's first visit."""
    page = _new_page(chromium, 1280, height)
    closed = "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"
    once = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"
    page.add_init_script(closed + once)
    return page


def _without_notice(page: Any) -> None:
    """Close the notice that a view is a shared one."""
    page.get_by_role("button", name="Exit shared view").locator(
        "xpath=following::button[1]"
    ).click()


@contextmanager
def dvc_plots() -> Iterator[Path]:
    """The page that `dvc plots show` writes, while the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dvc", "plots", "show", "-o", folder]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        yield Path(folder) / "index.html"


def study(chromium: Any, address: str, number: int) -> Any:
    """The note of one study in optuna-dashboard: where the model overfits, and how to read it."""
    page = _new_page(chromium, 1200, 640)
    page.goto(f"{address}/studies/{number}/note")
    page.get_by_text("How to read this study").first.wait_for()
    return page


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the pictures of the README.")
    page = ROOT / "results" / "report" / "index.html"
    parser.add_argument("--report", type=Path, default=page, help="the page to show")
    parser.add_argument("--only", choices=PICTURES, help="one kind of picture; left out: all")
    parsed = parser.parse_args()
    main(parsed.report, parsed.only)
