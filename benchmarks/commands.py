"""Rows about single commands: prediction, memory, a light stage, the page."""

import json
import shutil
import sys
from importlib.util import find_spec
from typing import Any

from benchmarks import made
from benchmarks.measured import Measured, load_average
from benchmarks.processes import ROOT, BenchmarkError, Side, finite, timed
from benchmarks.setting import Setting
from benchmarks.whole import repeated
from scripts import make_images

NUM_PREDICTED = 10_000
CIFAR = 50_000, 10_000, (32, 32, 3)
PEAK = """
import re
from pathlib import Path
def peak():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]) * 1024 / 1e6
"""
NOTEBOOK_LOADS = """
import sys
import numpy as np
parts = [np.load(f"{sys.argv[1]}/{split}/images.npy") for split in ("train", "test")]
train, test = (part.astype("float32") / 255.0 for part in parts)
print(peak())
"""
WE_LOAD = """
import sys
from pipeline.data import prepared
data = prepared.read(Path(sys.argv[1]))
touched = [int(split.images[::, ::16].sum()) for split in (data.train, data.test)]
print(peak())
"""
RESIDENT = """
import sys
from pipeline import quiet
quiet.tensorflow()
from pipeline.data import prepared
from pipeline.training.program import Resident
before = peak()
resident = Resident.of(prepared.read(Path(sys.argv[1])))
print(peak() - before)
"""


def predict(name: str, setting: Setting) -> Measured:
    """`model.predict` in batches of 32 against `pipeline.prediction`; same weights, same images."""
    load = load_average()
    count = setting.smaller(NUM_PREDICTED, 64)
    folder = made.write(setting.folder / "data", count, 32, (32, 32, 3))
    request = {"folder": str(folder), "weights": str(setting.folder / "model.keras")}
    answers: dict[str, list[dict[str, Any]]] = {"notebook": [], "ours": []}
    with Side("ours") as ours, Side("notebook") as notebook:
        sides = {"ours": ours, "notebook": notebook}
        ours.ask("saved", **request)
        for side in sides.values():  # both compile
            side.ask("predicted", **request)
        for number in setting.each_round(name):
            for side_name in list(sides)[:: 1 if number % 2 else -1]:
                answers[side_name].append(sides[side_name].ask("predicted", **request))
    found = Measured(
        name=name,
        unit="s/image",
        notebook=[answer["seconds"] / count for answer in answers["notebook"]],
        ours=[answer["seconds"] / count for answer in answers["ours"]],
        notebook_losses=[answer["loss"] for answer in answers["notebook"]],
        ours_losses=[answer["loss"] for answer in answers["ours"]],
        remark=f"{count} images at 32x32, both compiled before; the same weights",
    )
    return setting.labelled(found, load)


def features(name: str, setting: Setting) -> Measured:
    """`model.predict` of a network from ImageNet in batches of 32, against our kept features."""
    load = load_average()
    count = setting.smaller(NUM_PREDICTED, 64)
    folder = made.write(setting.folder / "data", count - 32, 32, (28, 28, 1))
    request = {"folder": str(folder), "weights": str(setting.folder / "extractor.keras")}
    with Side("ours") as ours:
        ours.ask("saved_extractor", **request)
    seconds: dict[str, list[float]] = {"notebook": [], "ours": []}
    means: dict[str, list[float]] = {"notebook": [], "ours": []}
    for number in setting.each_round(name):
        for side in list(seconds)[:: 1 if number % 2 else -1]:
            command = [sys.executable, "-m", f"benchmarks.{side}", "features", json.dumps(request)]
            took, printed = timed(command)
            seconds[side].append(took)
            means[side].append(finite(json.loads(printed.splitlines()[-1]), side))
            shutil.rmtree(f"{folder}.features", ignore_errors=True)
    found = Measured(
        name=name,
        unit="s",
        notebook=seconds["notebook"],
        ours=seconds["ours"],
        remark=(
            f"{count} images of 28x28, enlarged; whole processes; the mean feature is "
            f"{means['notebook'][0]:.4f} / {means['ours'][0]:.4f}"
        ),
    )
    return setting.labelled(found, load)


def memory(name: str, setting: Setting) -> Measured:
    """Peak of a process that has all images in memory: float32 as in a notebook, uint8 as here."""
    load = load_average()
    num_train, num_test, shape = CIFAR
    sizes = setting.smaller(num_train, 100), setting.smaller(num_test, 100)
    folder = made.write_empty(setting.folder / "data", *sizes, shape)
    codes = (NOTEBOOK_LOADS, WE_LOAD, RESIDENT)
    numbers: dict[str, list[float]] = {code: [] for code in codes}
    for _ in setting.each_round(name):
        for code, found in numbers.items():
            _, printed = timed([sys.executable, "-c", PEAK + code, str(folder)])
            found.append(float(printed))
    grown = sorted(numbers[RESIDENT])[len(numbers[RESIDENT]) // 2]
    measured = Measured(
        name=name,
        unit="MB",
        notebook=numbers[NOTEBOOK_LOADS],
        ours=numbers[WE_LOAD],
        remark=f"whole process without TensorFlow; as tensors in a training process, which "
        f"leaves test on disk: {grown:.0f} MB on top of TensorFlow's own",
    )
    return setting.labelled(measured, load)


def light_stage(name: str, setting: Setting) -> Measured:
    """The download stage from start to end, copying the 3,000 shipped images included."""

    def download(number: int) -> float:
        out = setting.folder / f"raw-{number}"
        return timed([sys.executable, "-m", "pipeline.stages.download", "--out", str(out)])[0]

    download(-1)
    return repeated(name, download, "`download` of the shipped images, start to end", setting)


def first_picture(name: str, setting: Setting) -> Measured:
    """How long Chromium takes from the opened report of this checkout to its first drawn chart.

    Raises:
        BenchmarkError: this checkout has no report, or there is no browser to open it.
    """
    page = ROOT / "results" / "report" / "index.html"
    if not page.exists():
        raise BenchmarkError(f"{page}: not found. Run `dvc repro report`.")
    if find_spec("playwright") is None:
        raise BenchmarkError("Playwright: not found. `make .venv/ready-to-test` installs it.")
    if make_images.chromium_path() is None:
        raise BenchmarkError("Chromium: not found. apt install chromium, or set CHROMIUM to it.")
    with make_images.browser() as chromium:

        def opened(number: int) -> float:
            tab = chromium.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(page.as_uri())
            tab.wait_for_selector("html[data-drawn=all]", state="attached")
            drawn: float = tab.evaluate("performance.getEntriesByName('course-0')[0].startTime")
            tab.close()
            return drawn / 1000

        opened(-1)
        load = load_average()
        seconds = [opened(number) for number in setting.each_round(name)]
        remark = f"{page.stat().st_size / 1e6:.2f} MB, the default results, a warm browser"
        return setting.labelled(Measured(name, "s", seconds, remark=remark), load)
