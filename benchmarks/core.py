"""Rows about the light core: what its callback costs in a fit, its import, and its size on disk."""

import json
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks import made
from benchmarks.fits import NUM_VAL, Work
from benchmarks.measured import Measured, load_average
from benchmarks.processes import ROOT, timed
from benchmarks.setting import Setting

FITS = """
import json, sys, time
from benchmarks import notebook
from overfit_atlas import CleanScores
request = json.loads(sys.argv[1])
train, val = notebook._arrays(request["folder"], request["model"])

def seconds(clean):
    net = notebook.network(request["model"], request["width"], 0.0, train[0].shape[1:])
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    more = {"callbacks": [CleanScores(*train, *val)]} if clean else {"validation_data": val}
    net.fit(*train, epochs=1, verbose=0, **more)  # both compile
    started = time.process_time()
    net.fit(*train, epochs=request["epochs"], verbose=0, **more)
    return time.process_time() - started

def pair(number):
    if number % 2:
        return [seconds(False), seconds(True)]
    return [seconds(True), seconds(False)][::-1]

print(json.dumps([pair(number) for number in range(request["rounds"])]))
"""


LOG = """
import csv, math, random, sys
from pathlib import Path
draw = random.Random(0)
with open(sys.argv[1], "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["epoch", "accuracy", "loss", "val_accuracy", "val_loss"])
    for epoch in range(int(sys.argv[2])):
        share = epoch / int(sys.argv[2])
        loss = 2.3 * math.exp(-5 * share) + draw.gauss(0, 0.002)
        val = 2.3 * math.exp(-8 * share) + 0.4 * share + draw.gauss(0, 0.004)
        rows.writerow([epoch, 1 - loss / 2.5, loss, 1 - val / 3, val])
"""
READ = """
import sys, time
from overfit_atlas import read
started = time.perf_counter()
read(sys.argv[1])
print(time.perf_counter() - started)
"""
JUDGE = """
import sys, time
import numpy as np
from overfit_atlas import Fit, judge
from overfit_atlas.scoring.fits import PerImage
import pandas as pd

def fit(seed, num_epochs=60, num_images=1000):
    rng = np.random.default_rng(seed)
    epochs = np.arange(1, num_epochs + 1)
    kept, rows = {}, []
    for split, rise in (("probe", 0.0), ("val", 0.02)):
        hard = rng.exponential(1.0, num_images)
        loss = hard * (np.exp(-epochs / 8) + rise * epochs + 0.05)[:, None]
        kept |= {f"{split}_loss": loss, f"{split}_correct": loss < 0.7}
        kept |= {f"{split}_calibrated": loss, f"{split}_brier": np.minimum(loss, 2)}
        kept |= {f"{split}_confidence": np.exp(-loss)}
        kept |= {f"{split}_predicted": np.zeros(loss.shape, np.uint8)}
        scores = {"loss": loss.mean(1), "calibrated_loss": loss.mean(1)}
        scores |= {"accuracy": (loss < 0.7).mean(1), "temperature": np.ones(num_epochs)}
        rows.append(pd.DataFrame({"seed": seed, "epoch": epochs, "split": split, **scores}))
    return Fit(pd.concat(rows), PerImage(**kept), seed)

fits = [fit(seed) for seed in range(5)]
started = time.perf_counter()
judge("net", fits)
print(time.perf_counter() - started)
"""


def reader(name: str, setting: Setting) -> Measured:
    """Seconds to read a log of 10,000 epochs, imports aside."""
    return _of_log(name, [sys.executable, "-c", READ], 10_000, setting)


def judging(name: str, setting: Setting) -> Measured:
    """Seconds to judge five fits of 60 epochs with the scores of 2,000 images, imports aside."""
    remark = "5 fits of 60 epochs, 1,000 images of probe and val each, imports aside"
    return _printed(name, [sys.executable, "-c", JUDGE], remark, setting)


def page(name: str, setting: Setting) -> Measured:
    """Seconds of `overfit-atlas page` of a log of 100 epochs, from start to end."""
    log = _log(setting, 100)
    out = setting.folder / "page.html"
    command = [sys.executable, "-m", "overfit_atlas", "page", str(log), "--out", str(out)]
    timed(command)
    load = load_average()
    seconds = [timed(command)[0] for _ in setting.each_round(name)]
    remark = f"a log of 100 epochs, Python's start included; {out.stat().st_size / 1e6:.1f} MB"
    return setting.labelled(Measured(name, "s", seconds, remark=remark), load)


def _of_log(name: str, command: list[str], num_epochs: int, setting: Setting) -> Measured:
    num_epochs = setting.smaller(num_epochs, 100)
    log = _log(setting, num_epochs)
    remark = f"CSV of {num_epochs:,} epochs, five columns, imports aside"
    return _printed(name, [*command, str(log)], remark, setting)


def _log(setting: Setting, num_epochs: int) -> Path:
    log = setting.folder / "log.csv"
    timed([sys.executable, "-c", LOG, str(log), str(num_epochs)])
    return log


def _printed(name: str, command: list[str], remark: str, setting: Setting) -> Measured:
    """The seconds that a command prints, in every round."""
    load = load_average()
    timed(command)
    seconds = [float(timed(command)[1].split()[-1]) for _ in setting.each_round(name)]
    return setting.labelled(Measured(name, "s", seconds, remark=remark), load)


def clean_scores(name: str, work: Work, setting: Setting) -> Measured:
    """Processor seconds of the same fit with `validation_data`, and with `CleanScores` instead."""
    load, count = load_average(), setting.smaller(work.num_train, 64)
    num_val = setting.smaller(min(NUM_VAL, work.num_train // 4), 32)
    folder = made.write(setting.folder / "data", count, num_val, work.shape)
    request = {
        "folder": str(folder),
        "model": work.model,
        "width": work.width,
        "epochs": work.epochs,
        "rounds": setting.rounds,
    }
    setting.said(f"{name}: {setting.rounds} rounds")
    printed = timed([sys.executable, "-c", FITS, json.dumps(request)])[1]
    pairs = json.loads(printed.splitlines()[-1])
    plain, clean = ([pair[side] for pair in pairs] for side in (0, 1))
    remark = f"{count:,} + {num_val:,} images, {work.epochs} epochs, processor time"
    return setting.labelled(Measured(name, "s", clean, plain, remark=remark), load)


def imports(name: str, setting: Setting) -> Measured:
    """Start to end of a Python that imports what judging needs."""
    load = load_average()
    command = [sys.executable, "-c", "from overfit_atlas import judge"]
    timed(command)
    seconds = [timed(command)[0] for _ in setting.each_round(name)]
    return setting.labelled(Measured(name, "s", seconds, remark="Python's start included"), load)


def size(name: str, setting: Setting) -> Measured:
    """Megabytes of both packages of the wheel and of all that the core depends on."""
    wanted, known = ["numpy", "pandas", "scipy"], set[str]()
    while wanted:
        package = wanted.pop()
        if package not in known:
            known.add(package)
            needs = map(Requirement, metadata.requires(package) or [])
            wanted += [
                one.name for one in needs if not one.marker or one.marker.evaluate({"extra": ""})
            ]
    files = [Path(str(one.locate())) for each in known for one in metadata.files(each) or []]
    own = [one for part in ("overfit_atlas", "pipeline") for one in (ROOT / part).rglob("*")]
    kept = [one for one in files + own if one.is_file() and one.suffix != ".pyc"]
    found = sum(one.stat().st_size for one in kept) / 1e6
    remark = f"with {', '.join(sorted(known))}"
    return setting.labelled(Measured(name, "MB", [found], remark=remark), load_average())
