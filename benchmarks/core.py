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
