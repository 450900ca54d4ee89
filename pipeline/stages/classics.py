"""Run the experiments of courses and papers again: `python -m pipeline.stages.classics [--quick]`.

They are the comparisons with a section `classic`. What is finished stays, and is not run again as
long as nothing of it changes; a killed run goes on with the fit it was at.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from overfit_atlas.errors import AtlasError
from pipeline import params as parameters
from pipeline.comparing import classic, cost, record, running
from pipeline.comparing.outcome import Plan, plan
from pipeline.comparing.record import Comparison, ComparisonError
from pipeline.comparing.variant import Where
from pipeline.data import prepared
from pipeline.data.prepared import Prepared
from pipeline.files import replacing, write_json, write_text
from pipeline.params import Params
from pipeline.reporting import classics as pages
from pipeline.reporting.classics import Entry
from pipeline.stages import cli
from pipeline.training import devices, finished, workers
from pipeline.training.finished import Kept
from pipeline.training.task import code_hash
from pipeline.training.workers import Pool

DONE = "done.json"


@dataclass(frozen=True)
class Job:
    """One classic that is to be run: its data, its fits, and where its tables go."""

    name: str
    comparison: Comparison
    data: Prepared
    planned: Plan
    num_train: Mapping[str, int]
    folder: Path

    @property
    def key(self) -> str:
        """A hash of all that decides its tables."""
        decisive = self.comparison.model_dump_json(exclude={"classic", "title", "source"})
        text = f"{decisive} {self.data.manifest.content_hash} {code_hash()}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def done(self) -> float | None:
        """The seconds its fits took, one after the other, where it is finished."""
        try:
            found = json.loads((self.folder / DONE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return float(found["seconds"]) if found.get("key") == self.key else None


def main(arguments: argparse.Namespace) -> None:
    """Say what will be run and how long it takes, run what is missing, and write the page."""
    params = parameters.load(arguments.params)
    out = arguments.out / ("quick" if arguments.quick else "whole")
    entries = {name: Entry(name, one) for name, one in _chosen(arguments)}
    jobs = {}
    for name, entry in entries.items():
        try:
            jobs[name] = _job(name, entry.comparison, params, out / name)
        except AtlasError as error:
            entries[name] = replace(entry, failed=str(error))
    _tell(jobs, entries, params)
    if arguments.list:
        return
    folder = arguments.page or out
    missing = [name for name, job in jobs.items() if job.done() is None]
    for name in jobs.keys() - missing:
        entries[name] = _read(jobs[name], entries[name], folder)
    if missing:
        with workers.pool(params.workers) as pool:
            for name in missing:
                try:
                    _run(jobs[name], pool, params)
                    entries[name] = _read(jobs[name], entries[name], folder)
                except AtlasError as error:
                    entries[name] = replace(entries[name], failed=str(error))
                _write_page(entries, folder, arguments.quick)
    print(_write_page(entries, folder, arguments.quick))


def _chosen(arguments: argparse.Namespace) -> Iterator[tuple[str, Comparison]]:
    known = {name: record.load(name).as_classic(arguments.quick) for name in record.names()}
    there = [name for name, one in known.items() if one is not None]
    for name in arguments.names:
        if name not in there:
            raise ComparisonError(f"{name}: no classic. Known: {', '.join(there)}.")
    for name in arguments.names or there:
        found = known[name]
        if found is not None:
            yield name, found


def _job(name: str, comparison: Comparison, params: Params, folder: Path) -> Job:
    folder_of_images = _data(name, comparison.data)
    data = prepared.read(folder_of_images)
    seeds = comparison.seeds or params.compare.seeds
    resolved = comparison.resolved(seeds)
    variants = [running.with_lists(variant, data) for variant in resolved]
    num_train = running.checked(variants, seeds, data)
    where = Where(
        folder_of_images.resolve(),
        data.manifest.content_hash,
        params.evaluate.smoothing,
        cli.root() / ".checkpoints",
    )
    return Job(name, comparison, data, plan(variants, seeds, where), num_train, folder)


def _data(classic: str, name: str) -> Path:
    """The images of a classic, prepared; DVC fetches and prepares what is not there yet."""
    folder = Path("data/sets", name, "prepared")
    if not folder.is_dir():
        print(f"{name}: fetching and preparing the images", flush=True)
        subprocess.run([sys.executable, "-m", "pipeline.stages.comparisons", classic], check=False)
        stage = f"experiments/dvc.yaml:preprocess@{name}"
        subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet", stage], check=False)
    if not folder.is_dir():
        raise ComparisonError(
            f"the images of {name} could not be had; experiments/data/{name}.yaml says how to take "
            "them from a mirror or a file."
        )
    return folder


def _tell(jobs: Mapping[str, Job], entries: Mapping[str, Entry], params: Params) -> None:
    """One line a classic: its fits, and about how long they take."""
    cores = max(1, params.workers.count or devices.default_workers())
    total = 0.0
    for name, entry in entries.items():
        if name not in jobs:
            print(f"{name}: not run: {entry.failed}")
            continue
        job = jobs[name]
        minutes = cost.seconds(job.planned, job.data.manifest, job.num_train) / 60 / cores
        state = "" if job.done() is None else ", finished before"
        total += minutes if not state else 0.0
        print(f"{name}: {len(job.planned.tasks)} fits, about {minutes:.1f} min{state}")
    print(f"About {total:.0f} min on {cores} cores, if nothing else runs.", flush=True)


def _run(job: Job, pool: Pool, params: Params) -> None:
    before = _processor_seconds()
    kept = Kept(cli.root() / ".checkpoints" / f"classic-{job.folder.parent.name}-{job.name}")
    results = running.fitted(job.planned, kept, partial(pool.run, title=job.name))
    outcomes = running.judge(job.planned, results, job.data, params.evaluate, job.num_train, kept)
    of = job.comparison.classic
    scaled = {} if of is None else _scaled(job.name, job.comparison)
    result = running.result_of(job.comparison, outcomes, job.data, params.evaluate, scaled)
    running.require_baseline(outcomes)
    running.write(job.folder, result)
    spent = _processor_seconds() - before + sum(one.seconds for one in results)
    write_json(job.folder / DONE, {"key": job.key, "seconds": round(spent, 1)})
    finished.discard_checkpoints(list(job.planned.tasks))


def _scaled(name: str, comparison: Comparison) -> dict[str, Any]:
    """What a quick run changes of the whole one."""
    whole = record.load(name).as_classic(quick=False)
    before = {} if whole is None else whole.baseline
    return {key: one for key, one in comparison.baseline.items() if before.get(key) != one}


def _processor_seconds() -> float:
    """Of this process: those of workers are known fit by fit."""
    spent = os.times()
    return spent.user + spent.system


def _write_page(entries: Mapping[str, Entry], folder: Path, quick: bool) -> Path:
    """The page of what has been run, or failed, so far."""
    ready = [one for one in entries.values() if one.summary is not None or one.failed]
    path = folder / "index.md"
    write_text(path, pages.page(ready, quick))
    return path


def _read(job: Job, entry: Entry, pictures: Path) -> Entry:
    """What a finished job came to; its picture is drawn in `pictures`."""
    seconds, of = job.done(), job.comparison.classic
    if seconds is None or of is None:
        return entry
    summary, variants = (
        json.loads((job.folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("summary", "variants")
    )
    effects = pd.read_csv(job.folder / "effects.csv", dtype={"name": str})
    judged = [classic.judge(one, effects, variants, summary["scaled"]) for one in of.claims]
    _draw(of, variants, job.comparison, pictures / f"{job.name}.png")
    return replace(entry, judged=judged, summary=summary, variants=variants, seconds=seconds)


def _draw(
    of: classic.Classic, variants: Mapping[str, Any], comparison: Comparison, to: Path
) -> None:
    from pipeline.plots import classics as plots

    axis = f"{of.shown}, {of.at} epoch"
    if of.sweep:
        splits = ("probe", "val") if of.shown.startswith("val_") else ("val",)
        tables = []
        for split in splits:
            shown = of.shown.replace("val_", f"{split}_")
            table = _table(of, variants, comparison, shown)
            if len(table):
                tables.append((split, table))
        figure = plots.sweep(tables, "en", of.sweep, axis.replace("val_", ""))
    else:
        figure = plots.rows(_table(of, variants, comparison, of.shown), "en", axis)
    with replacing(to) as temporary:
        figure.savefig(temporary, format="png", dpi=80)


def _table(
    of: classic.Classic, variants: Mapping[str, Any], comparison: Comparison, metric: str
) -> pd.DataFrame:
    published = {
        one.of: one.value for one in of.claims if one.metric == metric and one.value is not None
    }
    rows = []
    for name, variant in variants.items():
        found = variant["values"].get(of.at, {}).get(metric)
        if found is None:
            continue
        at = {**comparison.baseline, **variant["changes"]}.get(of.sweep or "", float("nan"))
        at = at[0] if isinstance(at, list) else at
        ends = {
            end: found["value"] if found[end] is None else found[end] for end in ("low", "high")
        }
        rows.append({"name": name, "value": found["value"], **ends, "at": at,
                     "published": published.get(name, float("nan"))})  # fmt: skip
    rows.sort(key=lambda row: row["name"] != comparison.baseline_name)
    return pd.DataFrame(rows)


def _parser() -> argparse.ArgumentParser:
    made = cli.parser("Run the experiments of courses and papers again.")
    made.add_argument("names", nargs="*", help="some of them; without any, all")
    made.add_argument("--quick", action="store_true", help="on fractions of the data")
    made.add_argument("--list", action="store_true", help="say only what would be run")
    made.add_argument("--out", type=Path, default=Path("results/classics"), help="folder to write")
    made.add_argument("--page", type=Path, help="folder for page and pictures, if another")
    return made


if __name__ == "__main__":
    cli.run(main, _parser())
